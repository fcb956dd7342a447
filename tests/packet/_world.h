/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _world.h - the program loaded privately, with a small fixed policy, for the packet tests.
 *
 * The policy is written into the maps by hand: these tests judge the program, not the compiler.
 */
#ifndef MR_TEST_WORLD_H
#define MR_TEST_WORLD_H

#include <mailreeve/addr.h>
#include <mailreeve/kernel.h>

/* Services of the world: column, id, port. */
enum { WORLD_PLAIN, WORLD_SHADOW, WORLD_ANY, WORLD_TO, WORLD_COLUMNS };
#define WORLD_IDS \
	{ \
		5, 9, 2, 63 \
	}
#define WORLD_PORT_PLAIN  25
#define WORLD_PORT_PLAIN2 65535 /* the same service: the last byte of the port table */
#define WORLD_PORT_SHADOW 110
#define WORLD_PORT_ANY	  143 /* established any */
#define WORLD_PORT_TO	  443 /* to 192.0.2.25 and 2001:db8::25 only */

/* Classes, alike for every service. */
enum {
	WORLD_UNMATCHED, /* the root */
	WORLD_ALLOW, /* 198.51.100.0/24, 2001:db8:1::/48 */
	WORLD_DENY, /* 203.0.113.0/25, 2001:db8:2::/48 */
	WORLD_REJECT, /* 203.0.113.128/25, 2001:db8:3::/48, and nobody's addresses */
	WORLD_ASKS, /* 192.0.2.128/25, 2001:db8:4::/48: banned denied, permitted allowed, or
		       unmatched */
	WORLD_CLASSES
};
enum {
	WORLD_RULE_ALLOW = 10,
	WORLD_RULE_DENY,
	WORLD_RULE_REJECT = MR_RULES_MAX,
	WORLD_RULE_PERMIT = 12
};

struct world {
	struct mailreeve_bpf *skel;
	struct mr_state *state;
	bool frags; /* the kernel takes multi-buffer programs */
};

/* 0 or -errno with a message on standard output. */
int world_open(struct world *w, enum mr_replay_established replay);
void world_close(struct world *w);
/* Fills a slot with the world's policy. */
int world_fill(struct world *w, unsigned int slot);
/* The class that the world's prefixes give an address. */
unsigned int world_class(const struct mr_addr *a);
/* The service column of a port, or -1. */
int world_column(uint16_t port);
int world_program(const struct world *w, bool l3, bool frags);
/* One packet; the verdict (XDP_…), or -errno.  out (SHAPE_BYTES) and out_len may be NULL. */
int world_run(struct world *w, bool l3, bool frags, const void *packet, size_t n, void *out,
	      size_t *out_len);
const struct mr_decision *world_decision(const struct world *w);
struct mr_count world_service(const struct world *w, unsigned int column, enum mr_counted what);
struct mr_count world_rule(const struct world *w, unsigned int rule);
struct mr_count world_reason(const struct world *w, enum mr_why why);
int world_entry(struct world *w, enum mr_entry_kind kind, const char *addr,
		const struct mr_entry *e);
/* True, after saying why, where a test that needs BPF cannot run. */
bool world_skip(void);

#endif
