// SPDX-License-Identifier: BSD-2-Clause
/*
 * source-trust.c - tests of who is believed to have written a record of the journal.
 */
#include "../../daemon/source/trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROOT	0
#define POSTFIX 101
#define DOVECOT 102
#define NULLED	103
#define VMAIL	150
#define ANNA	1000
#define UNKNOWN UINT32_MAX

static struct mr_trust *trust_new(void)
{
	char path[] = "/tmp/mr-passwd-XXXXXX";
	int fd = mkstemp(path);
	struct mr_trust *t;
	static const char text[] = "root:x:0:0::/:/bin/sh\n"
				   "postfix:x:101:101::/:/bin/false\n"
				   "dovecot:x:102:102::/:/bin/false\n"
				   "dovenull:x:103:103::/:/bin/false\n"
				   "vmail:x:150:150::/:/bin/false\n"
				   "broken line\n"
				   "anna:x:1000:1000::/:/bin/sh\n";

	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(mr_trust_new(path, &t), 0);
	unlink(path);
	return t;
}

static struct mr_str str(const char *s)
{
	return (struct mr_str){ s, strlen(s) };
}

static void test_writers(void **state)
{
	static const struct {
		const char *unit;
		uint32_t uid;
		const char *comm, *format;
		bool believed;
	} cases[] = {
		{ "dovecot.service", ROOT, "log", "dovecot", true },
		{ "dovecot.service", ROOT, "dovecot", "dovecot", true },
		{ "dovecot.service", ROOT, "logger", "dovecot", false },
		{ "dovecot.service", ROOT, "", "dovecot", false },
		{ "dovecot.service", DOVECOT, "log", "dovecot", false },
		{ "dovecot.service", NULLED, "log", "dovecot", false },
		{ "dovecot.service", VMAIL, "log", "dovecot", false },
		{ "dovecot.service", ANNA, "log", "dovecot", false },
		{ "dovecot.service", UNKNOWN, "log", "dovecot", false },
		{ "dovecot.service", ROOT, "smtpd", "postfix", false },
		{ "postfix@-.service", POSTFIX, "smtpd", "postfix", true },
		{ "postfix.service", ROOT, "postscreen", "postfix", true },
		{ "postfix@-.service", POSTFIX, "postlogd", "postfix", false },
		{ "postfix@-.service", ANNA, "smtpd", "postfix", false },
		{ "postfix@-.service", ROOT, "log", "dovecot", false },
		{ "mail.service", ROOT, "log", "dovecot", true },
		{ "mail.service", POSTFIX, "log", "dovecot", false },
		{ "uw-imapd@3.service", ANNA, "imapd", "uw", true },
		{ "uw-imapd@3.service", ANNA, "sh", "uw", false },
		{ "inetd.service", ANNA, "imapd", "uw", false },
		{ "inetd.service", ROOT, "imapd", "uw", true },
		{ "myd.service", VMAIL, "myd", "my own", true },
		{ "myd.service", ANNA, "myd", "my own", false },
		{ "dovecot.service", ROOT, "imap-next", "my own", true },
		{ "dovecot.service", VMAIL, "imap-next", "my own", false },
	};
	struct mr_trust *t = trust_new();

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_writer w = { str(cases[i].unit), str(cases[i].comm), cases[i].uid };

		if (mr_trust_writer(t, &w, cases[i].format) != cases[i].believed)
			fail_msg("%s, uid %u, %s, as %s: believed is %d", cases[i].unit,
				 cases[i].uid, cases[i].comm, cases[i].format, !cases[i].believed);
		if (cases[i].believed)
			assert_true(mr_trust_any(t, &w, true));
	}
	mr_trust_free(t);
}

static void test_any(void **state)
{
	struct mr_trust *t = trust_new();
	struct mr_writer own = { str("myd.service"), str("myd"), VMAIL };
	struct mr_writer user = { str("dovecot.service"), str("log"), ANNA };

	(void)state;
	assert_false(mr_trust_any(t, &user, true));
	assert_true(mr_trust_any(t, &own, true));
	assert_false(mr_trust_any(t, &own, false));
	mr_trust_free(t);
}

static void test_aside(void **state)
{
	static const struct {
		const char *unit;
		uint32_t uid;
		const char *comm;
		bool aside;
	} cases[] = {
		{ "dovecot.service", ROOT, "auth", true },
		{ "dovecot.service", ROOT, "auth-worker", true },
		{ "dovecot.service", ROOT, "log", false },
		{ "dovecot.service", DOVECOT, "auth", false },
		{ "dovecot.service", ANNA, "auth", false },
		{ "myd.service", ROOT, "auth", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_writer w = { str(cases[i].unit), str(cases[i].comm), cases[i].uid };

		if (mr_trust_aside(&w) != cases[i].aside)
			fail_msg("%s, uid %u, %s: aside is %d", cases[i].unit, cases[i].uid,
				 cases[i].comm, !cases[i].aside);
	}
}

/* No format that is built in goes by the rule for own ones, which believes every system account. */
static void test_every_format(void **state)
{
	struct mr_trust *t = trust_new();

	(void)state;
	for (size_t i = 0; mr_formats[i]; i++) {
		struct mr_writer w = { str("mail.service"), str("daemon"), VMAIL };

		if (mr_trust_writer(t, &w, mr_formats[i]->name))
			fail_msg("%s is believed of any system account", mr_formats[i]->name);
	}
	mr_trust_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writers),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_every_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
