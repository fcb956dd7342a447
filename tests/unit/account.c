// SPDX-License-Identifier: BSD-2-Clause
/*
 * account.c - limits of mailboxes: what they mean, in the file and in rows, the SQLite store in a
 * directory of its own, the cache.  Needs nothing.
 */
#include "_text_policy.h"

#include <mailreeve/account.h>

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* --- meaning ---------------------------------------------------------------------------------- */

struct row {
	const char *service, *mode, *ip; /* as an ISPConfig table has them */
};
struct question {
	enum mr_family family;
	const char *address; /* NULL: none known */
	bool refuses;
};
struct meaning {
	const char *what;
	struct row row[6];
	struct question question[8];
};

static const struct meaning meanings[] = {
	{ "no entry",
	  { { NULL, NULL, NULL } },
	  { { MR_FAMILY_IMAP, "192.0.2.1", false }, { MR_FAMILY_NONE, NULL, false } } },
	{ "the web shop",
	  { { "smtp", "w", "10.0.0.101" }, { "pop3", "w", "none" } },
	  { { MR_FAMILY_SMTP, "10.0.0.101", false },
	    { MR_FAMILY_SMTP, "10.0.0.102", true },
	    { MR_FAMILY_SMTP, "2001:db8::1", true },
	    { MR_FAMILY_SMTP, NULL, true },
	    { MR_FAMILY_POP3, "10.0.0.101", true },
	    { MR_FAMILY_POP3, NULL, true },
	    { MR_FAMILY_IMAP, "203.0.113.9", false },
	    { MR_FAMILY_SIEVE, "203.0.113.9", false } } },
	{ "several allows: one must match",
	  { { "imap", "w", "192.0.2.0/24" }, { "imap", "w", "2001:db8::/32" } },
	  { { MR_FAMILY_IMAP, "192.0.2.255", false },
	    { MR_FAMILY_IMAP, "192.0.3.0", true },
	    { MR_FAMILY_IMAP, "2001:db8:ffff::1", false },
	    { MR_FAMILY_IMAP, "2001:db9::1", true } } },
	{ "a deny among allows",
	  { { "imap", "w", "192.0.2.0/24" }, { "imap", "b", "192.0.2.7" } },
	  { { MR_FAMILY_IMAP, "192.0.2.8", false }, { MR_FAMILY_IMAP, "192.0.2.7", true } } },
	{ "denies alone",
	  { { "imap", "b", "192.0.2.7" }, { "imap", "b", "none" } },
	  { { MR_FAMILY_IMAP, "192.0.2.8", false },
	    { MR_FAMILY_IMAP, "192.0.2.7", true },
	    { MR_FAMILY_IMAP, NULL, false } } },
	{ "an empty service means all",
	  { { "", "w", "192.0.2.1" } },
	  { { MR_FAMILY_IMAP, "192.0.2.1", false },
	    { MR_FAMILY_SMTP, "192.0.2.2", true },
	    { MR_FAMILY_NONE, "192.0.2.2", true } } },
	{ "everybody and nobody",
	  { { "pop3", "b", "any" }, { "imap", "w", "any" } },
	  { { MR_FAMILY_POP3, "192.0.2.1", true },
	    { MR_FAMILY_POP3, NULL, true },
	    { MR_FAMILY_IMAP, NULL, false } } },
	{ "blanks, host bits, mapped addresses, names of services, case",
	  { { "IMAPS", "W", " 192.0.2.77/24 " }, { "submission", "w", "::ffff:192.0.2.9" } },
	  { { MR_FAMILY_IMAP, "192.0.2.1", false },
	    { MR_FAMILY_IMAP, "192.0.3.1", true },
	    { MR_FAMILY_SMTP, "192.0.2.9", false },
	    { MR_FAMILY_SMTP, "192.0.2.1", true } } },
	{ "what is no limit: an allow lets nobody in, a deny and an unknown service do nothing",
	  { { "imap", "w", "here" }, { "pop3", "b", "192.0.2.1/99" }, { "lmtp", "w", "none" } },
	  { { MR_FAMILY_IMAP, "192.0.2.1", true },
	    { MR_FAMILY_POP3, "192.0.2.1", false },
	    { MR_FAMILY_SMTP, "192.0.2.1", false } } },
};

static bool refuses(const struct mr_limits *l, const struct question *q)
{
	struct mr_account_tally t = { .limited = false };
	struct mr_addr a = { 0 };

	if (q->address)
		a = text_addr(q->address);
	mr_account_count(l, q->family, q->address ? &a : NULL, &t);
	return mr_account_refuses(&t);
}

static void test_meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(meanings); i++) {
		const struct meaning *m = &meanings[i];
		struct mr_limits l = { .v = NULL };

		for (const struct row *r = m->row; r->service; r++)
			assert_int_equal(mr_limits_row(&l, 0, r->service,
						       strcasecmp(r->mode, "b") != 0, r->ip),
					 0);
		for (size_t k = 0; k < MR_ARRAY_SIZE(m->question); k++) {
			const struct question *q = &m->question[k];

			if (!q->address && q->family == MR_FAMILY_NONE && k)
				break;
			if (refuses(&l, q) != q->refuses)
				fail_msg("%s: question %zu", m->what, k);
		}
		mr_limits_clear(&l);
	}
}

static void test_file(void **state)
{
	struct mr_policy *p = text_policy("set office { 192.0.2.0/24; }\n"
					  "account shop@example.com {\n"
					  "	smtp allow 10.0.0.101; pop3 allow none;\n"
					  "	imap deny @office; }\n"
					  "account Fred { allow @office; }\n");
	const struct mr_addr shop = text_addr("10.0.0.101"), office = text_addr("192.0.2.9");
	struct mr_account_index *x;
	static const struct {
		const char *name;
		enum mr_family family;
		bool shop, office;
	} given[] = {
		{ "shop@example.com", MR_FAMILY_SMTP, false, true },
		{ "SHOP@example.com", MR_FAMILY_POP3, true, true },
		{ "shop@example.com", MR_FAMILY_IMAP, false, true },
		{ "fred", MR_FAMILY_IMAP, true, false },
		{ "fred", MR_FAMILY_NONE, true, false },
		{ "fred@example.com", MR_FAMILY_IMAP, false, false },
		{ "zoe", MR_FAMILY_IMAP, false, false },
	};

	(void)state;
	assert_int_equal(mr_account_index_new(p, &x), 0);
	for (size_t i = 0; i < MR_ARRAY_SIZE(given); i++) {
		struct mr_account_tally a = { 0 }, b = { 0 };

		mr_account_index_count(x, given[i].name, given[i].family, &shop, &a);
		mr_account_index_count(x, given[i].name, given[i].family, &office, &b);
		if (mr_account_refuses(&a) != given[i].shop ||
		    mr_account_refuses(&b) != given[i].office)
			fail_msg("case %zu", i);
	}
	mr_account_index_free(x);
	mr_policy_free(p);
}

/* --- SQLite ----------------------------------------------------------------------------------- */

static char folder[64], file[128];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/mr-account.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/accounts.db", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char path[160];

	(void)state;
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", file, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		unlink(path);
	}
	return rmdir(folder);
}

static void put(struct mr_account_store *s, const char *name, const char *family, bool allow,
		const char *source)
{
	struct mr_limit l = { .action = allow ? MR_ALLOW : MR_DENY };
	struct mr_error e = { "" };

	assert_int_equal(mr_limit_family(family, &l.family), 0);
	assert_int_equal(mr_limit_source(source, &l), 0);
	if (mr_account_put(s, name, &l, &e) < 0)
		fail_msg("%s", e.text);
}

static size_t found(struct mr_account_store *s, const char *name)
{
	struct mr_limits l = { .v = NULL };
	struct mr_error e = { "" };
	size_t n;

	if (mr_account_lookup(s, name, &l, &e) < 0)
		fail_msg("%s", e.text);
	n = l.n;
	mr_limits_clear(&l);
	return n;
}

static void test_sqlite(void **state)
{
	struct mr_account_store *reader, *writer;
	struct mr_error e = { "" };
	enum mr_family pop3 = MR_FAMILY_POP3;
	struct stat st;

	(void)state;
	assert_int_equal(mr_account_sqlite_open(file, &reader, &e), 0);
	assert_int_equal(found(reader, "fred"), 0); /* no file: nobody is limited */
	assert_int_equal(stat(file, &st), -1);
	assert_int_equal(mr_account_sqlite_create(file, &writer, &e), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	put(writer, "fred@example.com", "smtp", true, "10.0.0.101");
	put(writer, "fred@example.com", "pop3", true, "none");
	put(writer, "FRED@example.com", "pop3", true, "none"); /* the same */
	put(writer, "x' OR '1'='1", "", false, "any");
	assert_int_equal(found(reader, "Fred@Example.com"), 2);
	assert_int_equal(found(reader, "x' OR '1'='1"), 1);
	assert_int_equal(found(reader, "' OR 1=1 --"), 0);
	assert_int_equal(mr_account_begin(writer, &e), 0);
	put(writer, "anna", "imap", true, "2001:db8::/32");
	assert_int_equal(found(reader, "anna"), 0); /* not before it is committed */
	assert_int_equal(mr_account_commit(writer, &e), 0);
	assert_int_equal(found(reader, "anna"), 1);
	assert_int_equal(mr_account_remove(writer, "fred@example.com", &pop3, NULL, NULL, &e), 1);
	assert_int_equal(found(reader, "fred@example.com"), 1);
	mr_account_store_free(writer);
	assert_int_equal(mr_account_sqlite_create(file, &writer, &e), 0); /* a second time */
	assert_int_equal(found(writer, "anna"), 1);
	mr_account_store_free(writer);
	unlink(file);
	assert_int_equal(found(reader, "anna"), 0);
	mr_account_store_free(reader);
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void refused(const char *words)
{
	struct mr_limits l = { .v = NULL };
	struct mr_account_store *s = NULL;
	struct mr_error e = { "" };

	assert_int_equal(mr_account_sqlite_open(file, &s, &e), 0);
	assert_true(mr_account_lookup(s, "fred", &l, &e) < 0);
	if (!strstr(e.text, words))
		fail_msg("%s", e.text);
	mr_account_store_free(s);
	assert_true(mr_account_sqlite_create(file, &s, &e) < 0);
	mr_limits_clear(&l);
}

static void test_sqlite_not_ours(void **state)
{
	FILE *f;

	(void)state;
	sql("CREATE TABLE limits (a)");
	refused("no file of accounts");
	sql("PRAGMA application_id = 1835823734; PRAGMA user_version = 2");
	refused("version 2");
	unlink(file);
	f = fopen(file, "w");
	assert_non_null(f);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", f);
	fclose(f);
	refused("not a database");
	unlink(file);
}

/* --- the cache -------------------------------------------------------------------------------- */

static struct mr_limits limits(size_t n)
{
	struct mr_limits l = { .v = NULL };

	for (size_t i = 0; i < n; i++)
		assert_int_equal(mr_limits_row(&l, 0, "imap", true, "any"), 0);
	return l;
}

static void remember(struct mr_account_cache *c, const char *name, size_t n, uint64_t until)
{
	struct mr_limits l = limits(n);

	assert_int_equal(mr_account_cache_put(c, name, &l, until), 0);
	assert_null(l.v);
}

static void test_cache(void **state)
{
	struct mr_account_cache *c;
	const struct mr_limits *l;
	char name[32];
	bool fresh;

	(void)state;
	assert_int_equal(mr_account_cache_new(10, 5, &c), 0);
	assert_null(mr_account_cache_get(c, "fred", 0, &fresh));
	remember(c, "fred", 2, 100);
	l = mr_account_cache_get(c, "FRED", 99, &fresh);
	assert_true(l && l->n == 2 && fresh);
	l = mr_account_cache_get(c, "fred", 100, &fresh);
	assert_true(l && l->n == 2 && !fresh); /* old, but the last that is known */
	remember(c, "fred", 1, 200);
	assert_int_equal(mr_account_cache_count(c), 1);
	mr_account_cache_expire(c);
	l = mr_account_cache_get(c, "fred", 100, &fresh);
	assert_true(l && l->n == 1 && !fresh);
	for (int i = 0; i < 1000; i++) { /* strangers try names: fred stays */
		snprintf(name, sizeof(name), "stranger%d", i);
		remember(c, name, 0, 300);
	}
	assert_int_equal(mr_account_cache_count(c), 6);
	assert_non_null(mr_account_cache_get(c, "fred", 100, &fresh));
	assert_non_null(mr_account_cache_get(c, "stranger999", 100, &fresh));
	assert_null(mr_account_cache_get(c, "stranger1", 100, &fresh));
	for (int i = 0; i < 12; i++) { /* the one that was asked for longest ago goes */
		snprintf(name, sizeof(name), "user%d", i);
		remember(c, name, 1, 300);
		assert_non_null(mr_account_cache_get(c, "fred", 100, &fresh));
	}
	assert_null(mr_account_cache_get(c, "user0", 100, &fresh));
	assert_int_equal(mr_account_cache_count(c), 15);
	remember(c, "fred", 0, 300); /* from one list to the other */
	assert_int_equal(mr_account_cache_count(c), 14);
	mr_account_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_file),
		cmocka_unit_test_setup_teardown(test_sqlite, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_sqlite_not_ours, make_folder, remove_folder),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
