// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_ban.c - bans: thresholds in windows, who is spared, what one attempt counts, storms.
 *
 * Needs nothing; the clock is a number in the test.
 */
#include "_learn.h"

#define BAD  "198.51.100.66"
#define NONE MR_FAMILY_NONE
#define IMAP MR_FAMILY_IMAP
#define SMTP MR_FAMILY_SMTP

static void test_threshold(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 2h; on failure 3 in 10m; }\n");

	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	f->now += 300 * S;
	assert_int_equal(failure(f, BAD, "b", f->now), MR_LEARN_COUNT);
	f->now += 301 * S; /* the first has slid out */
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, "198.51.100.67", "a", f->now), MR_LEARN_COUNT);
	f->now += 298 * S;
	assert_int_equal(failure(f, BAD, "c", f->now), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, BAD), f->now + 7200 * S);
	assert_int_equal(ban_ends(f, "198.51.100.67"), 0);
	assert_int_equal(failure(f, BAD, "d", f->now), MR_LEARN_NONE);
	/* afterwards it begins at nothing */
	f->now += 7201 * S;
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
}

/* A ban shorter than the window: what led to it does not lead to the next. */
static void test_counted_once(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 1m; on failure 2 in 10m; }\n");

	failure(f, BAD, "a", f->now);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
	f->now += 61 * S;
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
}

static void test_defaults(void **state)
{
	struct fixture *f = fixture(state, "");

	for (int i = 0; i < 4; i++)
		assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, BAD), f->now + 3600 * S);
	assert_int_equal(event(f, MR_EV_ABUSE, SMTP, "198.51.100.67", NULL, NULL, 1, f->now),
			 MR_LEARN_BAN);
	/* a line that stands for five attempts is five */
	assert_int_equal(event(f, MR_EV_FAILURE, IMAP, "198.51.100.68", "a", NULL, 5, f->now),
			 MR_LEARN_BAN);
}

static void test_kinds_apart(void **state)
{
	struct fixture *f = fixture(
		state, "ban { on failure 2 in 10m; on abuse 2 in 10m; }\nservice imap { }\n");

	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(event(f, MR_EV_ABUSE, SMTP, BAD, NULL, NULL, 1, f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
	f = fixture(state, "ban { on failure never; on abuse never; }\n");
	for (int i = 0; i < 50; i++) {
		assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
		assert_int_equal(event(f, MR_EV_ABUSE, SMTP, BAD, NULL, NULL, 1, f->now),
				 MR_LEARN_COUNT);
	}
}

static void test_own_time(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 1h; on failure 3 in 10m; }\n");

	/* a backlog: counted from the lines' own time, and what has run out is no ban */
	failure(f, BAD, "a", f->now - 1800 * S);
	failure(f, BAD, "a", f->now - 1790 * S);
	assert_int_equal(failure(f, BAD, "a", f->now - 1780 * S), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, BAD), f->now + (3600 - 1780) * S);
	for (int i = 0; i < 3; i++)
		assert_int_equal(failure(f, "198.51.100.67", "a", f->now - 7200 * S),
				 MR_LEARN_COUNT);
	assert_int_equal(ban_ends(f, "198.51.100.67"), 0);
	/* out of order: a line from long before the others does not make their window longer */
	failure(f, "198.51.100.68", "a", f->now);
	failure(f, "198.51.100.68", "a", f->now);
	assert_int_equal(failure(f, "198.51.100.68", "a", f->now - 1000 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, "198.51.100.68", "a", f->now - 500 * S), MR_LEARN_BAN);
}

static void test_ipv6(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 3 in 10m; }\n");

	failure(f, "2001:db8::1", "a", f->now);
	failure(f, "2001:db8::2", "a", f->now);
	assert_int_equal(failure(f, "2001:db8::3", "a", f->now), MR_LEARN_BAN);
	assert_true(ban_ends(f, "2001:db8::ffff") > 0);
	assert_int_equal(ban_ends(f, "2001:db8:0:1::1"), 0);
	assert_int_equal(f->result.keyed.plen, 64);
	/* a live permit in the prefix: only the address that failed */
	login(f, "2001:db8:5::1", "anna", NULL, f->now);
	for (int i = 0; i < 2; i++)
		failure(f, "2001:db8:5::2", "a", f->now);
	assert_int_equal(failure(f, "2001:db8:5::2", "a", f->now), MR_LEARN_BAN);
	assert_true(ban_ends(f, "2001:db8:5::2") > 0);
	assert_int_equal(ban_ends(f, "2001:db8:5::1"), 0);
}

/* Its neighbour must not pay: a proxy, an excepted host. */
static void test_ipv6_neighbours(void **state)
{
	struct fixture *f =
		fixture(state, "proxies { 2001:db8:0:1::200; 2001:db8:0:2:8000::/66; }\n"
			       "ban { on failure 2 in 10m; except { 2001:db8:0:3::5; } }\n");
	static const char *const net[] = { "2001:db8:0:1", "2001:db8:0:2", "2001:db8:0:3" };
	char a[40], b[40];

	for (size_t i = 0; i < MR_ARRAY_SIZE(net); i++) {
		snprintf(a, sizeof(a), "%s::7", net[i]);
		snprintf(b, sizeof(b), "%s::8", net[i]);
		failure(f, a, "a", f->now);
		assert_int_equal(failure(f, a, "a", f->now), MR_LEARN_BAN);
		assert_int_equal(f->result.keyed.plen, 128);
		assert_true(ban_ends(f, a) > 0);
		assert_int_equal(ban_ends(f, b), 0);
	}
	failure(f, "2001:db8:0:4::7", "a", f->now);
	assert_int_equal(failure(f, "2001:db8:0:4::8", "a", f->now), MR_LEARN_BAN);
	assert_int_equal(f->result.keyed.plen, 64);
}

static uint64_t ban_again(struct fixture *f)
{
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
	return ban_ends(f, BAD) - f->now;
}

static void test_escalate(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 1h; on failure 1; escalate 4 max 20h; }\n");

	assert_int_equal(ban_again(f), 3600 * S);
	f->now += 3601 * S;
	assert_int_equal(ban_again(f), 4 * 3600 * S);
	f->now += 4 * 3601 * S;
	assert_int_equal(ban_again(f), 16 * 3600 * S);
	f->now += 16 * 3601 * S;
	assert_int_equal(ban_again(f), 20 * 3600 * S);
	f->now += 20 * 3601 * S;
	assert_int_equal(ban_again(f), 20 * 3600 * S);
	/* who behaved for as long as the longest ban begins anew */
	f->now += 41 * 3600 * S;
	assert_int_equal(ban_again(f), 3600 * S);
}

static void test_services(void **state)
{
	struct fixture *f =
		fixture(state, "ban { on failure 1; services { imap } }\nservice imap { }\n");
	struct mr_addr a = addr(BAD);

	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
	assert_int_equal(mr_book_find(f->book, MR_BAN, &a, f->now, NULL)->services, bit(f, "imap"));
	f = fixture(state, "ban { on failure 1; }\n");
	failure(f, BAD, "a", f->now);
	assert_true(mr_book_find(f->book, MR_BAN, &a, f->now, NULL)->services == UINT64_MAX);
}

/* Somebody closed one service by hand: what goes on at the others counts as before. */
static void test_limited_ban(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 2 in 10m; }\nservice imap { }\n");
	struct mr_addr a = addr(BAD);
	struct mr_entry hand = { .expires = f->now + 86400 * S,
				 .services = bit(f, "imap"),
				 .origin = MR_ORIGIN_HAND };

	assert_int_equal(mr_book_add(f->book, MR_BAN, &a, &hand, f->now, NULL), 0);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "b", f->now), MR_LEARN_BAN);
	assert_true(mr_book_services(f->book, MR_BAN, &a, f->now) == UINT64_MAX);
	assert_int_equal(failure(f, BAD, "c", f->now), MR_LEARN_NONE);
	/* where learning closes no more than that, there is nothing to add */
	f = fixture(state, "ban { on failure 1; services { imap } }\nservice imap { }\n");
	hand.services = bit(f, "imap");
	hand.expires = f->now + 86400 * S;
	assert_int_equal(mr_book_add(f->book, MR_BAN, &a, &hand, f->now, NULL), 0);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_NONE);
}

/* A prefix and an address of its own, each banned for another service: both count. */
static void test_two_entries(void **state)
{
	struct mr_book *b = fixture(state, "")->book;
	const struct mr_entry *v[MR_BOOK_COVERING];
	struct mr_addr a = addr("2001:db8::5"), c = addr("2001:db8::6");
	struct mr_entry e = { .expires = 9 * S, .services = 1, .plen = 128 };

	assert_int_equal(mr_book_add(b, MR_BAN, &a, &e, S, NULL), 0);
	e = (struct mr_entry){ .expires = 5 * S, .services = 6 };
	assert_int_equal(mr_book_add(b, MR_BAN, &a, &e, S, NULL), 0);
	assert_int_equal(mr_book_services(b, MR_BAN, &a, S), 7);
	assert_int_equal(mr_book_services(b, MR_BAN, &c, S), 6);
	assert_int_equal(mr_book_covering(b, MR_BAN, &a, S, v), 2);
	assert_int_equal(mr_book_services(b, MR_BAN, &a, 5 * S), 1);
	assert_int_equal(mr_book_covering(b, MR_BAN, &a, 9 * S, v), 0);
	assert_int_equal(mr_book_services(b, MR_PERMIT, &a, S), 0);
}

static void test_protected(void **state)
{
	static const char *const spared[] = { "127.0.0.1", "::1", "192.0.2.200", "203.0.113.9",
					      "10.1.2.3" };
	struct fixture *f = fixture(state, "proxies { 192.0.2.200; }\nset staff { 10.1.0.0/16; }\n"
					   "ban { on failure 1; except { 203.0.113.0/28; @staff; "
					   "} }\n");
	struct mr_prefix own = { addr("172.16.5.0"), 96 + 24 };
	struct mr_learn_stats s;

	for (size_t i = 0; i < MR_ARRAY_SIZE(spared); i++) {
		assert_int_equal(failure(f, spared[i], "a", f->now), MR_LEARN_NONE);
		assert_int_equal(event(f, MR_EV_ABUSE, SMTP, spared[i], NULL, NULL, 9, f->now),
				 MR_LEARN_NONE);
		assert_int_equal(ban_ends(f, spared[i]), 0);
	}
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.protected, 2 * MR_ARRAY_SIZE(spared));
	assert_int_equal(failure(f, "203.0.113.16", "a", f->now), MR_LEARN_BAN);
	assert_int_equal(failure(f, "172.16.5.1", "a", f->now), MR_LEARN_BAN);
	assert_int_equal(mr_set_add(&f->host->local, &own, 0, 0), 0);
	mr_set_seal(&f->host->local);
	assert_int_equal(failure(f, "172.16.5.2", "a", f->now), MR_LEARN_NONE);
}

static void test_good_login(void **state)
{
	struct fixture *f =
		fixture(state, "permit { users { nobody } }\nban { on failure 4 in 10m; }\n");
	failure(f, BAD, "anna", f->now);
	failure(f, BAD, "anna", f->now);
	failure(f, BAD, "bea", f->now);
	/* anna remembers her password: her failures go, bea's stay */
	login(f, BAD, "anna", NULL, f->now);
	assert_int_equal(failure(f, BAD, "cora", f->now), MR_LEARN_COUNT);
	assert_non_null(strstr(f->result.why, "2 of 4"));
	assert_int_equal(failure(f, BAD, "cora", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "cora", f->now), MR_LEARN_BAN);
}

static void test_permit_raises(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 3 in 10m; }\n");

	login(f, BAD, "anna", NULL, f->now);
	for (int i = 0; i < 14; i++)
		assert_int_equal(failure(f, BAD, "bea", f->now), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "bea", f->now), MR_LEARN_BAN);
}

/* One attempt that two programs tell of. */
static void test_doubles(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 100 in 10m; }\n");
	struct mr_learn_stats s;
	int want = 0;
#define HAS(n) \
	do { \
		char text[32]; \
		snprintf(text, sizeof(text), "%d of 100", n); \
		failure(f, BAD, "x", f->now); \
		assert_non_null(strstr(f->result.why, text)); \
		f->now += 11 * S; /* no pair for the next */ \
	} while (0)

	/* by session: three lines of the auth process, then the login process sums up */
	for (int i = 0; i < 3; i++)
		event(f, MR_EV_FAILURE, NONE, BAD, "a", "sessionA", 1, f->now);
	assert_int_equal(event(f, MR_EV_FAILURE, IMAP, BAD, "a", "sessionA", 3, f->now),
			 MR_LEARN_NONE);
	want += 3;
	HAS(++want);
	/* the sum is larger: the rest is new */
	event(f, MR_EV_FAILURE, NONE, BAD, "a", "sessionB", 1, f->now);
	event(f, MR_EV_FAILURE, IMAP, BAD, "a", "sessionB", 3, f->now);
	want += 3;
	HAS(++want);
	/* the other way round, as two processes may be overtaken */
	event(f, MR_EV_FAILURE, IMAP, BAD, "a", "sessionC", 1, f->now);
	assert_int_equal(event(f, MR_EV_FAILURE, NONE, BAD, "a", "sessionC", 1, f->now),
			 MR_LEARN_NONE);
	want += 1;
	HAS(++want);
	/* without a session: Dovecot's auth line, and Postfix's */
	event(f, MR_EV_FAILURE, NONE, BAD, "a", NULL, 1, f->now);
	assert_int_equal(event(f, MR_EV_FAILURE, SMTP, BAD, "a", NULL, 1, f->now), MR_LEARN_NONE);
	event(f, MR_EV_FAILURE, SMTP, BAD, "a", NULL, 1, f->now);
	assert_int_equal(event(f, MR_EV_FAILURE, NONE, BAD, "a", NULL, 1, f->now), MR_LEARN_NONE);
	want += 2;
	f->now += 11 * S;
	HAS(++want);
	/* too far apart to be one */
	event(f, MR_EV_FAILURE, NONE, BAD, "a", NULL, 1, f->now);
	f->now += 11 * S;
	event(f, MR_EV_FAILURE, SMTP, BAD, "a", NULL, 1, f->now);
	want += 2;
	f->now += 11 * S;
	HAS(++want);
	/* lines of one side are attempts of their own */
	event(f, MR_EV_FAILURE, SMTP, BAD, "a", NULL, 1, f->now);
	event(f, MR_EV_FAILURE, SMTP, BAD, "a", NULL, 1, f->now);
	want += 2;
	f->now += 11 * S;
	HAS(++want);
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.doubles, 4);
}

static void test_full_map(void **state)
{
	struct fixture *f = fixture(state, "ban { max 2; on failure 1; }\n");
	struct mr_book_stats s;

	assert_int_equal(failure(f, "198.51.100.1", "a", f->now), MR_LEARN_BAN);
	f->now += S;
	assert_int_equal(failure(f, "198.51.100.2", "a", f->now), MR_LEARN_BAN);
	f->now += S;
	assert_int_equal(failure(f, "198.51.100.3", "a", f->now), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, "198.51.100.1"), 0);
	assert_true(ban_ends(f, "198.51.100.3") > 0);
	mr_book_stats(f->book, &s);
	assert_int_equal(s.bans_evicted, 1);
}

/* More strangers than are remembered: what is pushed out is counted, caps and sessions stay. */
static void test_storm(void **state)
{
	struct fixture *f = fixture(state, "permit { addresses-per-user 1; }\n"
					   "ban { on failure 3 in 10m; }\n");
	struct mr_learn_stats s;
	char a[32];

	login(f, "203.0.113.1", "anna", "aaaaaaaa", f->now);
	for (unsigned int i = 0; i < MR_LEARN_ADDRESSES + 100000; i++) {
		snprintf(a, sizeof(a), "45.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(failure(f, a, "a", f->now), MR_LEARN_COUNT);
	}
	mr_learner_stats(f->learner, &s);
	assert_true(s.addresses <= 2 * MR_LEARN_ADDRESSES);
	assert_true(s.forgotten >= 100000);
	assert_int_equal(login(f, "203.0.113.2", "anna", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(logout(f, "203.0.113.1", "anna", "aaaaaaaa", f->now), MR_LEARN_NONE);
	assert_non_null(strstr(f->result.why, "permit lasts as long"));
	/* and it works on */
	failure(f, BAD, "a", f->now);
	failure(f, BAD, "a", f->now);
	assert_int_equal(failure(f, BAD, "a", f->now), MR_LEARN_BAN);
}

static void strangers_fail(struct fixture *f, unsigned int count)
{
	static unsigned int n;
	char a[32];

	for (; count--; n++, f->now += S / 10) {
		snprintf(a, sizeof(a), "45.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
		assert_int_equal(failure(f, a, "a", f->now), MR_LEARN_COUNT);
	}
}

/* Strangers come and go: what they did is kept as long as it counts, and no longer. */
static void test_forgets(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 30m; on failure 3 in 10m; }\n");
	struct mr_learn_stats s;
	uint64_t t;

	for (unsigned int round = 0; round < 12; round++) {
		for (unsigned int k = 0; k < 3; k++) {
			assert_int_equal(failure(f, BAD, "x", f->now),
					 k < 2 ? MR_LEARN_COUNT : MR_LEARN_BAN);
			strangers_fail(f, 2900);
		}
		f->now += 1800 * S; /* the ban ends */
	}
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.forgotten, 0);
	assert_true(s.addresses < 3 * 2900 * 4 / 3 + 100);
	/* a line that is late is counted with what happened then */
	t = f->now;
	failure(f, BAD, "x", t);
	failure(f, BAD, "x", t + 20 * S);
	strangers_fail(f, 14000);
	assert_int_equal(failure(f, BAD, "x", t + 30 * S), MR_LEARN_BAN);
}

/* Who was banned is remembered for as long as the longest ban, whoever else fails. */
static void test_history_lasts(void **state)
{
	struct fixture *f =
		fixture(state, "ban { ttl 30m; on failure 2 in 10m; escalate 2 max 2h; }\n");

	failure(f, BAD, "x", f->now);
	assert_int_equal(failure(f, BAD, "x", f->now), MR_LEARN_BAN);
	f->now += 1801 * S;
	strangers_fail(f, 60000);
	failure(f, BAD, "x", f->now);
	assert_int_equal(failure(f, BAD, "x", f->now), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, BAD), f->now + 3600 * S);
}

/* `n` lines of one second; returns how many of them counted. */
static int lines(struct fixture *f, enum mr_twice twice, uint32_t source, const char *user,
		 uint64_t second, int n)
{
	struct mr_event e = {
		.kind = MR_EV_FAILURE,
		.family = SMTP,
		.addr = addr(BAD),
		.user = { user, strlen(user) },
		.format = "test",
		.what = "event",
		.time_us = second * 1000000,
		.count = 1,
		.twice = twice,
		.source = source,
	};
	int counted = 0;

	for (int i = 0; i < n; i++) {
		assert_int_equal(
			mr_learner_event(f->learner, &e, (int64_t)f->now, f->now, &f->result), 0);
		counted += f->result.action == MR_LEARN_COUNT;
	}
	return counted;
}

/* A main and a reject log, read one after the other, in turns, or only one of them. */
static void test_twice_in_files(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 500 in 10m; }\n");
	const enum mr_twice file = MR_TWICE_ELSEWHERE;

	for (uint64_t second = 100; second < 150; second++) {
		assert_int_equal(lines(f, file, 1, "a", second, 3), 3);
		assert_int_equal(lines(f, file, 1, "b", second, 1), 1);
	}
	for (uint64_t second = 100; second < 150; second++) {
		assert_int_equal(lines(f, file, 2, "a", second, 3), 0);
		assert_int_equal(lines(f, file, 2, "b", second, 1), 0);
	}
	for (uint64_t second = 200; second < 250; second++) {
		assert_int_equal(lines(f, file, 1, "a", second, 1), 1);
		assert_int_equal(lines(f, file, 2, "a", second, 2), 1);
		assert_int_equal(lines(f, file, 1, "a", second, 1), 0);
	}
	assert_int_equal(lines(f, MR_TWICE_NEVER, 1, "a", 300, 3), 3);
}

/* One log that has each line twice, as syslog does by default, or once. */
static void test_twice_here(void **state)
{
	struct fixture *f = fixture(state, "ban { on failure 500 in 10m; }\n");
	const enum mr_twice here = MR_TWICE_HERE;
	uint64_t second = 100;
	int counted = 0;

	for (; second < 150; second += 3) {
		assert_int_equal(lines(f, here, 1, "a", second, 2), 1);
		assert_int_equal(lines(f, here, 1, "a", second + 1, 6), 3);
	}
	/* two processes at a time */
	assert_int_equal(lines(f, here, 1, "a", second, 1), 1);
	assert_int_equal(lines(f, here, 1, "b", second, 1), 1);
	assert_int_equal(lines(f, here, 1, "a", second, 1), 0);
	assert_int_equal(lines(f, here, 1, "b", second, 1), 0);
	/* switched off, of another source: learned from the first that stand alone */
	for (second = 200; second < 220; second += 2)
		counted += lines(f, here, 2, "a", second, 1);
	assert_int_equal(counted, 10);
	assert_int_equal(lines(f, here, 2, "a", second, 4), 4);
	/* on again: learned, too; meanwhile some count twice */
	for (second = 300; second < 320; second += 2)
		counted = lines(f, here, 2, "a", second, 2);
	assert_int_equal(counted, 1);
	/* and the other source is known as it was */
	assert_int_equal(lines(f, here, 1, "a", 400, 2), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_threshold),	 T(test_counted_once),	 T(test_defaults),
		T(test_kinds_apart),	 T(test_own_time),	 T(test_ipv6),
		T(test_ipv6_neighbours), T(test_escalate),	 T(test_services),
		T(test_limited_ban),	 T(test_two_entries),	 T(test_protected),
		T(test_good_login),	 T(test_doubles),	 T(test_permit_raises),
		T(test_full_map),	 T(test_storm),		 T(test_forgets),
		T(test_history_lasts),	 T(test_twice_in_files), T(test_twice_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
