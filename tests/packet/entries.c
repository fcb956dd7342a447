// SPDX-License-Identifier: BSD-2-Clause
/*
 * entries.c - permits and bans as the program sees them: expiry, service bits, IPv6 widths, gates.
 *
 * Entries are written to the maps by hand; the clock is the real one, and no assertion depends on
 * how fast the machine is.
 */
#include "_shape.h"
#include "_world.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ASKS	"192.0.2.200" /* banned: denied; permitted: allowed; else unmatched */
#define ASKS6	"2001:db8:4:1::5"
#define ALLOWED "198.51.100.1" /* a class that asks nobody */
#define HOUR	3600000000000ULL

static struct world w;
static const uint8_t ids[] = WORLD_IDS;

static struct mr_entry entry(uint64_t expires, uint64_t services, uint8_t plen)
{
	return (struct mr_entry){ .expires = expires, .services = services, .plen = plen };
}

static struct mr_entry alive(uint8_t plen)
{
	return entry(mr_boottime_ns() + HOUR, UINT64_MAX, plen);
}

static void put(enum mr_entry_kind kind, const char *addr, struct mr_entry e)
{
	assert_int_equal(world_entry(&w, kind, addr, &e), 0);
}

static void take(enum mr_entry_kind kind, const char *addr)
{
	assert_int_equal(world_entry(&w, kind, addr, NULL), 0);
}

static enum mr_why why(const char *from, uint16_t port, uint8_t flags)
{
	bool v6 = strchr(from, ':');
	struct shape s = { .v6 = v6,
			   .src = from,
			   .dst = v6 ? "2001:db8::26" : "192.0.2.26",
			   .sport = 40000,
			   .dport = port,
			   .flags = flags };
	uint8_t frame[SHAPE_BYTES];
	size_t n = shape_build(&s, frame);
	int verdict = world_run(&w, false, false, frame, n, NULL, NULL);

	assert_in_range(verdict, XDP_DROP, XDP_TX);
	return world_decision(&w)->why;
}

static void test_permit(void **st)
{
	(void)st;
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	put(MR_PERMIT, ASKS, alive(32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	assert_int_equal(world_decision(&w)->rule, WORLD_RULE_PERMIT);
	assert_int_equal(why("192.0.2.201", 25, TCP_SYN), MR_WHY_UNMATCHED);
	/* the other service's bit */
	put(MR_PERMIT, ASKS, entry(mr_boottime_ns() + HOUR, 1ULL << ids[WORLD_ANY], 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	assert_int_equal(why(ASKS, 143, TCP_SYN), MR_WHY_ALLOW);
	/* the highest bit */
	put(MR_PERMIT, ASKS, entry(mr_boottime_ns() + HOUR, 1ULL << 63, 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	take(MR_PERMIT, ASKS);
}

static void test_expiry(void **st)
{
	uint64_t now = mr_boottime_ns(), end = now + 50000000;
	enum mr_why before, after;
	uint64_t asked;

	(void)st;
	put(MR_PERMIT, ASKS, entry(now, UINT64_MAX, 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	put(MR_PERMIT, ASKS, entry(1, UINT64_MAX, 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	put(MR_PERMIT, ASKS, entry(UINT64_MAX, UINT64_MAX, 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	/* nobody removes it: whatever was asked before the end is allowed, after it is not */
	put(MR_PERMIT, ASKS, entry(end, UINT64_MAX, 32));
	do {
		uint64_t started = mr_boottime_ns();

		before = why(ASKS, 25, TCP_SYN);
		asked = mr_boottime_ns();
		if (asked < end)
			assert_int_equal(before, MR_WHY_ALLOW);
		if (started >= end)
			assert_int_equal(before, MR_WHY_UNMATCHED);
	} while (asked < end);
	after = why(ASKS, 25, TCP_SYN);
	assert_int_equal(after, MR_WHY_UNMATCHED);
	take(MR_PERMIT, ASKS);
}

static void test_ban(void **st)
{
	(void)st;
	put(MR_BAN, ASKS, alive(32));
	put(MR_BAN, ALLOWED, alive(32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_BANNED);
	assert_int_equal(why(ASKS, 25, TCP_ACK), MR_WHY_BANNED);
	assert_int_equal(why(ASKS, 143, TCP_ACK), MR_WHY_BANNED);
	assert_int_equal(why(ASKS, 110, TCP_SYN), MR_WHY_SHADOW);
	assert_int_equal(why(ASKS, 22, TCP_SYN), MR_WHY_NO_SERVICE);
	/* a class whose outcome a ban does not change is not asked */
	assert_int_equal(why(ALLOWED, 25, TCP_SYN), MR_WHY_ALLOW);
	/* banned and permitted: as the cell says */
	put(MR_PERMIT, ASKS, alive(32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_BANNED);
	put(MR_BAN, ASKS, entry(mr_boottime_ns(), UINT64_MAX, 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	put(MR_BAN, ASKS, entry(mr_boottime_ns() + HOUR, ~(1ULL << ids[WORLD_PLAIN]), 32));
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	assert_int_equal(why(ASKS, 143, TCP_SYN), MR_WHY_BANNED);
	take(MR_BAN, ASKS);
	take(MR_BAN, ALLOWED);
	take(MR_PERMIT, ASKS);
}

static void test_gates(void **st)
{
	(void)st;
	put(MR_PERMIT, ASKS, alive(32));
	w.state->permits_live = 0;
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_UNMATCHED);
	w.state->permits_live = 1;
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	put(MR_BAN, ASKS, alive(32));
	w.state->bans_live = 0;
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_ALLOW);
	w.state->bans_live = 1;
	assert_int_equal(why(ASKS, 25, TCP_SYN), MR_WHY_BANNED);
	take(MR_PERMIT, ASKS);
	take(MR_BAN, ASKS);
}

/* Bans are kept by /64 in this world, permits by /128. */
static void test_widths(void **st)
{
	(void)st;
	put(MR_PERMIT, ASKS6, alive(128));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_ALLOW);
	assert_int_equal(why("2001:db8:4:1::6", 25, TCP_SYN), MR_WHY_UNMATCHED);
	/* a prefix: all of it, nothing beside it */
	put(MR_BAN, "2001:db8:4:1::", alive(64));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_BANNED);
	assert_int_equal(why("2001:db8:4:1::", 25, TCP_SYN), MR_WHY_BANNED);
	assert_int_equal(why("2001:db8:4:1:ffff:ffff:ffff:ffff", 25, TCP_SYN), MR_WHY_BANNED);
	assert_int_equal(why("2001:db8:4:2::5", 25, TCP_SYN), MR_WHY_UNMATCHED);
	/* the single address that shares the prefix's key */
	put(MR_BAN, "2001:db8:4:1::", alive(128));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_ALLOW);
	assert_int_equal(why("2001:db8:4:1::", 25, TCP_SYN), MR_WHY_BANNED);
	/* an address of its own inside a width that is wider */
	put(MR_BAN, ASKS6, alive(128));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_BANNED);
	assert_int_equal(why("2001:db8:4:1::6", 25, TCP_SYN), MR_WHY_UNMATCHED);
	/* … even where the prefix has an entry that has run out */
	put(MR_BAN, "2001:db8:4:1::", entry(1, UINT64_MAX, 64));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_BANNED);
	/* a prefix entry under a full address is not that address's */
	put(MR_BAN, ASKS6, alive(64));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_ALLOW);
	take(MR_BAN, ASKS6);
	take(MR_BAN, "2001:db8:4:1::");
	take(MR_PERMIT, ASKS6);
}

/* The width is the generation's: another mask, another key. */
static void test_other_width(void **st)
{
	struct mr_gen *g = &w.state->gen[0];

	(void)st;
	put(MR_BAN, "2001:db8:4::", alive(48));
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_UNMATCHED);
	memset(g->ban_mask6, 0, 16);
	memset(g->ban_mask6, 0xff, 6);
	assert_int_equal(why(ASKS6, 25, TCP_SYN), MR_WHY_BANNED);
	memset(g->ban_mask6, 0xff, 8);
	take(MR_BAN, "2001:db8:4::");
}

static int setup(void **st)
{
	(void)st;
	if (world_open(&w, MR_REPLAY_NONE) < 0)
		return -1;
	w.state->permits_live = w.state->bans_live = 1;
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	world_close(&w);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_permit), cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_ban),    cmocka_unit_test(test_gates),
		cmocka_unit_test(test_widths), cmocka_unit_test(test_other_width),
	};

	if (world_skip())
		return 77;
	return cmocka_run_group_tests_name("entries", tests, setup, teardown);
}
