/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * match.h - the reference matcher: reads the rules as mailreeve.conf(5) says, one after the other.
 * The judge of the compiler, and the voice of `why`.
 */
#ifndef MAILREEVE_MATCH_H
#define MAILREEVE_MATCH_H

#include <mailreeve/host.h>
#include <mailreeve/policy.h>

struct mr_match {
	uint16_t outcome; /* as the packet layer knows it, global folded in */
	const struct mr_rule *rule; /* the service's own rule, or NULL */
	const struct mr_rule *global_rule; /* the rule of `global` that decided after it, or NULL */
	size_t passed_over; /* rules read past that only a login could make apply */
};

void mr_match(const struct mr_policy *p, const struct mr_host *h, const struct mr_service *s,
	      const struct mr_addr *a, bool permitted, bool banned, struct mr_match *out);
/* Does the source hold the address?  permitted/banned answer those two kinds; names never hold
 * here. */
bool mr_source_holds(const struct mr_policy *p, const struct mr_host *h,
		     const struct mr_source *src, const struct mr_addr *a, bool permitted,
		     bool banned);

#endif
