/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _lookup.h - a laid-out image in plain memory, and a lookup in it: the twin of bpf/lookup.h.
 */
#ifndef TESTS_LOOKUP_H
#define TESTS_LOOKUP_H

#include <mailreeve/image.h>

struct laid_out {
	const struct mr_image *image;
	struct mr_layout l;
	struct mr_index_block *index;
	struct mr_host_bucket *hosts;
	struct mr_host6_bucket *hosts6;
	struct mr_tree6_node *nodes;
	struct mr_tree6_values *values;
	struct mr_trie4_key *key4;
	struct mr_trie6_key *key6;
	uint32_t *class4, *class6;
};

int lay_out(const struct mr_image *i, enum mr_index_mode mode, struct laid_out *out);
void laid_out_clear(struct laid_out *x);
uint32_t laid_out_class(const struct laid_out *x, const struct mr_addr *a);

#endif
