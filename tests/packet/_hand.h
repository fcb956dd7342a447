/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _hand.h - the smallest policy that shows anything, made by hand: smtp, and one rule that denies
 * one IPv4 prefix and 2001:db8::/32.
 */
#ifndef MR_TEST_HAND_H
#define MR_TEST_HAND_H

#include <mailreeve/kernel.h>

#define HAND_SERVICE 7 /* the id of smtp */
#define HAND_COUNTER 42 /* where the rule counts */

struct hand {
	struct mr_service smtp;
	struct mr_policy policy;
	struct mr_image image;
	uint64_t cells[2];
	struct mr_flat4 v4;
	struct mr_flat6 v6;
	uint8_t reachable[2];
	uint16_t counter[MR_RULES_MAX + 1];
	struct mr_generation_spec spec; /* points into the rest: do not copy a hand */
};
int hand_make(struct hand *h, uint64_t number, const char *denied, enum mr_index_mode index);
/* Fills the spare slot with it. */
int hand_fill(struct mr_kernel *k, uint64_t number, const char *denied, enum mr_index_mode index,
	      struct mr_error *e);

#endif
