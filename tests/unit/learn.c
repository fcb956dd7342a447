// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn.c - permits: who earns one, how long it lasts, how sessions keep it, which caps bite.
 *
 * Needs nothing; the clock is a number in the test.
 */
#include "_learn.h"

#define HOME "192.0.2.10"
#define BAD  "198.51.100.66"

static void test_ttl_from_the_line(void **state)
{
	struct fixture *f = fixture(state, "");

	f->now = 10000 * S;
	assert_int_equal(login(f, HOME, "anna", NULL, 10000 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, HOME), 11800 * S);
	/* from the line's own time if that lies in the past */
	assert_int_equal(login(f, "192.0.2.11", "anna", NULL, 9000 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, "192.0.2.11"), 10800 * S);
	/* longer ago than a permit lasts: none */
	assert_int_equal(login(f, "192.0.2.12", "anna", NULL, 8200 * S), MR_LEARN_NONE);
	assert_int_equal(permit_ends(f, "192.0.2.12"), 0);
	/* from the future: never more than now */
	assert_int_equal(login(f, "192.0.2.13", "anna", NULL, 20000 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, "192.0.2.13"), 11800 * S);
	/* an older line behind a newer one takes nothing away */
	assert_int_equal(login(f, HOME, "anna", NULL, 9999 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, HOME), 11800 * S);
}

/* The book's clock begins at the boot; what a login before it earned is not over then. */
static void test_before_the_boot(void **state)
{
	struct fixture *f = fixture(state, "ban { ttl 1h; on failure 3 in 10m; }\n");
	size_t n = 0;

	f->now = 60 * S;
	assert_int_equal(login(f, HOME, "anna", "one", -300 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, HOME), 1500 * S);
	assert_non_null(strstr(f->result.why, "6 minutes ago"));
	assert_int_equal(login(f, "192.0.2.11", "anna", NULL, -1740 * S), MR_LEARN_NONE);
	assert_int_equal(login(f, "192.0.2.12", "anna", NULL, INT64_MIN), MR_LEARN_NONE);
	/* its end was logged too */
	assert_int_equal(login(f, "192.0.2.13", "ben", "two", -2000 * S), MR_LEARN_NONE);
	assert_int_equal(login(f, "192.0.2.13", "ben", "three", -1000 * S), MR_LEARN_PERMIT);
	assert_int_equal(logout(f, "192.0.2.13", "ben", "three", -100 * S), MR_LEARN_PERMIT);
	assert_int_equal(permit_ends(f, "192.0.2.13"), 1700 * S);
	/* a session without an end ended with the machine */
	f->now = 1400 * S;
	assert_int_equal(mr_learner_tick(f->learner, f->now, SIZE_MAX, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(permit_ends(f, HOME), 1500 * S);
	/* failures are as far apart as they were */
	assert_int_equal(failure(f, BAD, "anna", -4000 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "anna", -3000 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "anna", -2000 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "anna", -200 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "anna", -100 * S), MR_LEARN_COUNT);
	assert_int_equal(failure(f, BAD, "anna", -100 * S), MR_LEARN_BAN);
	assert_int_equal(ban_ends(f, BAD), 3500 * S);
}

static void test_who_earns(void **state)
{
	struct fixture *f = fixture(state, "permit { users { anna bea@example.org } }\n");

	assert_int_equal(login(f, HOME, "anna", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, HOME, "BEA@example.org", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "192.0.2.9", "bea", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(login(f, "192.0.2.9", "ann", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(login(f, "192.0.2.9", "annaa", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(permit_ends(f, "192.0.2.9"), 0);
}

static void test_what_it_opens(void **state)
{
	struct fixture *f = fixture(state, "permit { services { imap } }\nservice imap { }\n");
	const struct mr_entry *v;
	struct mr_addr a = addr(HOME);

	login(f, HOME, "anna", NULL, f->now);
	v = mr_book_find(f->book, MR_PERMIT, &a, f->now, NULL);
	assert_non_null(v);
	/* the fixture's own service names permitted, and is not in the list */
	assert_int_equal(v->services, bit(f, "imap"));
	f = fixture(state, "service imap { allow permitted; }\nservice pop3 { }\n");
	login(f, HOME, "anna", NULL, f->now);
	v = mr_book_find(f->book, MR_PERMIT, &a, f->now, NULL);
	assert_int_equal(v->services, bit(f, "imap") | bit(f, "smtp"));
}

static void test_protected(void **state)
{
	struct fixture *f = fixture(state, "proxies { 192.0.2.200; }\n");

	assert_int_equal(login(f, "127.0.0.1", "anna", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(login(f, "::1", "anna", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(login(f, "192.0.2.200", "anna", NULL, f->now), MR_LEARN_NONE);
	assert_int_equal(permit_ends(f, "127.0.0.1"), 0);
	assert_int_equal(permit_ends(f, "192.0.2.200"), 0);
}

/* Ticks as the daemon does, a session at a time; every second or so would do as well. */
static void pass(struct fixture *f, uint64_t until)
{
	size_t n;

	for (; f->now < until; f->now += 300 * S)
		while (mr_learner_tick(f->learner, f->now, 1, &n) > 0)
			assert_true(n <= 1);
	f->now = until;
	while (mr_learner_tick(f->learner, f->now, 1, &n) > 0)
		;
}

static void test_session_keeps(void **state)
{
	struct fixture *f = fixture(state, "");
	uint64_t t = f->now;

	login(f, "192.0.2.12", "anna", "session1", t);
	/* nobody has seen this server log an end: its sessions keep nothing */
	pass(f, t + 7200 * S);
	assert_int_equal(permit_ends(f, "192.0.2.12"), 0);

	t = f->now;
	login(f, HOME, "anna", "session2", t);
	login(f, "192.0.2.11", "bea", "session3", t);
	f->now += 60 * S;
	logout(f, "192.0.2.11", "bea", "session3", f->now);
	assert_int_equal(permit_ends(f, "192.0.2.11"), f->now + 1800 * S);
	/* now that logouts are seen, a session that stands keeps its permit */
	pass(f, t + 7200 * S);
	assert_int_equal(permit_ends(f, "192.0.2.11"), 0);
	assert_true(permit_ends(f, HOME) > f->now + 600 * S);
	assert_true(permit_ends(f, HOME) <= f->now + 1800 * S);
	logout(f, HOME, "anna", "session2", f->now);
	assert_int_equal(permit_ends(f, HOME), f->now + 1800 * S);
	pass(f, f->now + 1801 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
}

static void test_sessions_of_one_address(void **state)
{
	struct fixture *f = fixture(state, "");
	uint64_t t = f->now;

	login(f, HOME, "anna", "aaaaaaaa", t);
	login(f, HOME, "anna", "bbbbbbbb", t);
	logout(f, HOME, "anna", "aaaaaaaa", t);
	/* an id is believed only with its address: a proxy may have asserted it */
	assert_int_equal(logout(f, "192.0.2.99", "anna", "bbbbbbbb", t), MR_LEARN_NONE);
	pass(f, t + 7200 * S);
	assert_true(permit_ends(f, HOME) > f->now);
	logout(f, HOME, "anna", "bbbbbbbb", f->now);
	pass(f, f->now + 1801 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
}

/* Courier, UW: no ids, so sessions of a user at an address are counted. */
static void test_sessions_without_ids(void **state)
{
	struct fixture *f = fixture(state, "");
	uint64_t t = f->now;

	login(f, HOME, "anna", NULL, t);
	login(f, HOME, "anna", NULL, t);
	login(f, HOME, "bea", NULL, t);
	logout(f, HOME, "anna", NULL, t);
	logout(f, HOME, "bea", NULL, t);
	pass(f, t + 7200 * S);
	assert_true(permit_ends(f, HOME) > f->now);
	logout(f, HOME, "anna", NULL, f->now);
	pass(f, f->now + 1801 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
	assert_int_equal(logout(f, HOME, "anna", NULL, f->now), MR_LEARN_NONE);
}

static void test_max_age(void **state)
{
	struct fixture *f = fixture(state, "permit { max-age 2h; }\n");
	struct mr_learn_stats s;
	uint64_t t = f->now;

	login(f, "192.0.2.11", "bea", "bbbbbbbb", t);
	logout(f, "192.0.2.11", "bea", "bbbbbbbb", t);
	login(f, HOME, "anna", "aaaaaaaa", t);
	pass(f, t + 7100 * S);
	assert_int_equal(permit_ends(f, HOME), t + 7200 * S);
	/* nor does the end of the session reach further */
	logout(f, HOME, "anna", "aaaaaaaa", f->now);
	assert_int_equal(permit_ends(f, HOME), t + 7200 * S);
	login(f, "192.0.2.12", "cora", "cccccccc", t);
	pass(f, t + 7201 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
	/* nor is a session remembered whose end was lost */
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.sessions, 0);
}

static void test_caps(void **state)
{
	struct fixture *f = fixture(state, "permit { addresses-per-user 3; users-per-address 2; "
					   "per-prefix 4; }\n");
	struct mr_learn_stats s;
	char a[32];

	for (int i = 1; i <= 4; i++) {
		snprintf(a, sizeof(a), "198.51.%d.1", i);
		assert_int_equal(login(f, a, "anna", NULL, f->now),
				 i <= 3 ? MR_LEARN_PERMIT : MR_LEARN_NONE);
	}
	/* one that stands is renewed */
	assert_int_equal(login(f, "198.51.2.1", "anna", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "198.51.1.1", "bea", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "198.51.1.1", "cora", NULL, f->now), MR_LEARN_NONE);
	for (int i = 1; i <= 5; i++) {
		snprintf(a, sizeof(a), "203.0.113.%d", i);
		assert_int_equal(login(f, a, i % 2 ? "dora" : "emma", NULL, f->now),
				 i <= 4 ? MR_LEARN_PERMIT : MR_LEARN_NONE);
	}
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.capped_user, 1);
	assert_int_equal(s.capped_address, 1);
	assert_int_equal(s.capped_prefix, 1);
	/* when they have run out there is room again */
	f->now += 1801 * S;
	assert_int_equal(login(f, "198.51.4.1", "anna", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "203.0.113.5", "dora", NULL, f->now), MR_LEARN_PERMIT);
}

/* Lists that ran out stand until somebody needs the room: not while one of them is written to. */
static void test_caps_of_old_lists(void **state)
{
	struct fixture *f = fixture(state, "permit { per-prefix 2; users-per-address 2; }\n");

	login(f, "203.0.113.1", "anna", NULL, f->now);
	f->now += 1810 * S;
	/* the network's list is old, the user's is made */
	assert_int_equal(login(f, "203.0.113.2", "bea", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "203.0.113.3", "cora", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "203.0.113.4", "dora", NULL, f->now), MR_LEARN_NONE);
	/* the user's is old, the address's is made */
	f->now += 1810 * S;
	assert_int_equal(login(f, "203.0.113.5", "bea", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "203.0.113.5", "emma", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "203.0.113.5", "fay", NULL, f->now), MR_LEARN_NONE);
}

/* What sessions keep counts for the caps as long as it is kept. */
static void test_caps_of_kept_permits(void **state)
{
	struct fixture *f = fixture(state, "permit { addresses-per-user 2; }\n");
	uint64_t t = f->now;

	login(f, "198.51.1.1", "anna", "aaaaaaaa", t);
	login(f, "198.51.2.1", "anna", "bbbbbbbb", t);
	login(f, "198.51.3.1", "bea", "cccccccc", t);
	logout(f, "198.51.3.1", "bea", "cccccccc", t);
	pass(f, t + 7200 * S);
	assert_true(permit_ends(f, "198.51.1.1") > f->now);
	assert_int_equal(login(f, "198.51.3.1", "anna", NULL, f->now), MR_LEARN_NONE);
}

/* Hosts that make up addresses within what one permit covers are one address. */
static void test_caps_by_prefix(void **state)
{
	struct fixture *f = fixture(state, "permit { addresses-per-user 2; ipv6-prefix 64; }\n");
	char a[48];

	for (int i = 1; i <= 9; i++) {
		snprintf(a, sizeof(a), "2001:db8::%d", i);
		assert_int_equal(login(f, a, "anna", NULL, f->now), MR_LEARN_PERMIT);
	}
	assert_int_equal(login(f, "2001:db8:1::1", "anna", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "2001:db8:2::1", "anna", NULL, f->now), MR_LEARN_NONE);
}

static void test_full_map(void **state)
{
	struct fixture *f = fixture(state, "permit { max 2; }\n");

	assert_int_equal(login(f, "198.51.1.1", "a", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "198.51.2.1", "b", NULL, f->now), MR_LEARN_PERMIT);
	assert_int_equal(login(f, "198.51.3.1", "c", NULL, f->now), MR_LEARN_NONE);
	assert_non_null(strstr(f->result.why, "full"));
	assert_true(permit_ends(f, "198.51.1.1") > f->now);
}

static void test_hand_given_stays(void **state)
{
	struct fixture *f = fixture(state, "");
	struct mr_entry v = { .expires = f->now + 100 * S,
			      .granted = f->now,
			      .services = 1,
			      .origin = MR_ORIGIN_HAND };
	struct mr_addr a = addr(HOME);

	mr_book_add(f->book, MR_PERMIT, &a, &v, f->now, NULL);
	login(f, HOME, "anna", "aaaaaaaa", f->now);
	logout(f, HOME, "anna", "aaaaaaaa", f->now);
	assert_true(permit_ends(f, HOME) >= f->now + 1800 * S);
}

/* Logins of others, one a second, from as many addresses, with ticks, until `until`. */
static void others_log_in(struct fixture *f, uint64_t until)
{
	static unsigned int n;
	char a[32], session[32], user[32];
	size_t extended;

	for (; f->now < until; f->now += S, n++) {
		snprintf(a, sizeof(a), "45.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
		snprintf(user, sizeof(user), "user%u", n);
		snprintf(session, sizeof(session), "session%u", n);
		login(f, a, user, session, f->now);
		if (n % 300 == 0)
			mr_learner_tick(f->learner, f->now, SIZE_MAX, &extended);
	}
}

/* Memory is for what counts at the time: it does not grow with the log, and nothing is pushed out.
 */
static void test_forgets(void **state)
{
	struct fixture *f = fixture(state, "permit { addresses-per-user 1; }\n");
	struct mr_learn_stats s;

	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(login(f, HOME, "anna", NULL, f->now), MR_LEARN_PERMIT);
		others_log_in(f, f->now + 1700 * S);
		assert_int_equal(login(f, "192.0.2.99", "anna", NULL, f->now), MR_LEARN_NONE);
	}
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.forgotten, 0);
	/* half an hour of them, a third more that wait for the broom, in three lists each */
	assert_true(s.sessions < 1800 * 4 / 3 + 100);
	assert_true(s.addresses < 3 * (1800 * 4 / 3 + 100));
}

/* A session that began before the first end of one was seen counts from then on. */
static void test_first_logout(void **state)
{
	struct fixture *f = fixture(state, "");
	uint64_t t = f->now;

	login(f, HOME, "anna", "aaaaaaaa", t);
	login(f, "192.0.2.11", "bea", "bbbbbbbb", t);
	others_log_in(f, t + 1600 * S);
	logout(f, "192.0.2.11", "bea", "bbbbbbbb", f->now);
	others_log_in(f, t + 10000 * S);
	assert_true(permit_ends(f, HOME) > f->now);
	assert_int_equal(permit_ends(f, "192.0.2.11"), 0);
	logout(f, HOME, "anna", "aaaaaaaa", f->now);
	assert_int_equal(permit_ends(f, HOME), f->now + 1800 * S);
}

/* The daemon ends and starts again: the book stays, the learner is another. */
static void restart(struct fixture *f, bool same_boot)
{
	const struct mr_learn_setup setup = { f->policy, f->host, mr_learn_permits(f->policy, NULL),
					      mr_learn_bans(f->policy, NULL) };
	char *data = NULL;
	size_t n = 0;
	FILE *m = open_memstream(&data, &n);

	assert_non_null(m);
	assert_int_equal(mr_learner_save(f->learner, m), 0);
	assert_int_equal(fclose(m), 0);
	mr_learner_free(f->learner);
	assert_int_equal(mr_learner_new(f->book, NULL, NULL, &f->learner), 0);
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(
			mr_learner_restore(f->learner, (struct mr_str){ data, cut }, same_boot),
			-EBADMSG);
	assert_int_equal(mr_learner_restore(f->learner, (struct mr_str){ data, n }, same_boot), 0);
	free(data);
	mr_learner_setup(f->learner, &setup);
}

static void test_restart(void **state)
{
	struct fixture *f = fixture(state, "");
	struct mr_learn_stats s;
	uint64_t t = f->now;

	login(f, HOME, "anna", "aaaaaaaa", t);
	login(f, "192.0.2.11", "bea", NULL, t);
	login(f, "192.0.2.11", "bea", NULL, t);
	login(f, "192.0.2.12", "cora", "cccccccc", t);
	logout(f, "192.0.2.12", "cora", "cccccccc", t);
	pass(f, t + 1000 * S);
	restart(f, true);
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.sessions, 2);
	/* sessions that stand keep their permits, and their ends are known */
	pass(f, t + 7200 * S);
	assert_true(permit_ends(f, HOME) > f->now);
	assert_true(permit_ends(f, "192.0.2.11") > f->now);
	assert_int_equal(permit_ends(f, "192.0.2.12"), 0);
	logout(f, HOME, "anna", "aaaaaaaa", f->now);
	logout(f, "192.0.2.11", "bea", NULL, f->now);
	restart(f, true);
	pass(f, f->now + 1801 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
	assert_true(permit_ends(f, "192.0.2.11") > f->now);
	logout(f, "192.0.2.11", "bea", NULL, f->now);
	pass(f, f->now + 1801 * S);
	assert_int_equal(permit_ends(f, "192.0.2.11"), 0);
	/* of another boot: no session stands, but new ones count from their first moment */
	login(f, HOME, "anna", "dddddddd", f->now);
	restart(f, false);
	mr_learner_stats(f->learner, &s);
	assert_int_equal(s.sessions, 0);
	login(f, "192.0.2.12", "cora", "eeeeeeee", f->now);
	pass(f, f->now + 7200 * S);
	assert_int_equal(permit_ends(f, HOME), 0);
	assert_true(permit_ends(f, "192.0.2.12") > f->now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ttl_from_the_line),
		T(test_before_the_boot),
		T(test_who_earns),
		T(test_what_it_opens),
		T(test_protected),
		T(test_session_keeps),
		T(test_sessions_of_one_address),
		T(test_sessions_without_ids),
		T(test_max_age),
		T(test_caps),
		T(test_caps_of_old_lists),
		T(test_caps_of_kept_permits),
		T(test_caps_by_prefix),
		T(test_full_map),
		T(test_hand_given_stays),
		T(test_forgets),
		T(test_first_logout),
		T(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
