// SPDX-License-Identifier: BSD-2-Clause
/* _learn.c - what the tests of the learner share (_learn.h). */
#include "_learn.h"

static int clear(struct fixture *f)
{
	mr_learner_free(f->learner);
	mr_book_free(f->book);
	mr_host_free(f->host);
	mr_policy_free(f->policy);
	free(f);
	return 0;
}

int fixture_free(void **state)
{
	return *state ? clear(*state) : 0;
}

struct fixture *fixture(void **state, const char *text)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mr_findings findings = { 0 };
	char data[2048];
	struct mr_file file = { .path = (char *)"test.conf", .data = data };
	struct mr_files files = { .file = &file, .n = 1, .allocated = 1, .frozen = true };
	struct mr_learn_setup setup;

	assert_non_null(f);
	fixture_free(state);
	*state = f;
	file.len =
		(size_t)snprintf(data, sizeof(data), "%sservice smtp { allow permitted; }\n", text);
	assert_int_equal(mr_host_empty(&f->host), 0);
	if (mr_config_load("test.conf", &files, f->host, &findings, &f->policy) < 0)
		fail_msg("%s: %s", findings.list[0].message, text);
	mr_findings_clear(&findings);
	assert_int_equal(
		mr_book_new(&(struct mr_book_limits){ f->policy->permit.max, f->policy->ban.max,
						      f->policy->permit.ipv6_prefix,
						      f->policy->ban.ipv6_prefix },
			    &(struct mr_book_ops){ 0 }, NULL, &f->book),
		0);
	assert_int_equal(mr_learner_new(f->book, NULL, NULL, &f->learner), 0);
	setup = (struct mr_learn_setup){ f->policy, f->host, mr_learn_permits(f->policy, NULL),
					 mr_learn_bans(f->policy, NULL) };
	mr_learner_setup(f->learner, &setup);
	f->now = 1000000 * S;
	return f;
}

struct mr_addr addr(const char *text)
{
	struct mr_addr a = { 0 };

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	return a;
}

uint64_t bit(const struct fixture *f, const char *service)
{
	for (size_t i = 0; i < f->policy->n_services; i++)
		if (strcmp(f->policy->services[i].name, service) == 0)
			return 1ull << i;
	fail_msg("no service %s", service);
	return 0;
}

static struct mr_str str(const char *s)
{
	return (struct mr_str){ s, s ? strlen(s) : 0 };
}

enum mr_learn_action event(struct fixture *f, enum mr_event_kind kind, enum mr_family family,
			   const char *a, const char *user, const char *session, uint32_t count,
			   int64_t at)
{
	struct mr_event e = {
		.kind = kind,
		.family = family,
		.addr = addr(a),
		.user = str(user),
		.session = str(session),
		.format = "test",
		.what = "event",
		.count = count,
	};

	assert_int_equal(mr_learner_event(f->learner, &e, at, f->now, &f->result), 0);
	assert_true(f->result.why[0]);
	return f->result.action;
}

enum mr_learn_action login(struct fixture *f, const char *a, const char *user, const char *session,
			   int64_t at)
{
	return event(f, MR_EV_LOGIN, MR_FAMILY_IMAP, a, user, session, 1, at);
}

enum mr_learn_action logout(struct fixture *f, const char *a, const char *user, const char *session,
			    int64_t at)
{
	return event(f, MR_EV_LOGOUT, MR_FAMILY_IMAP, a, user, session, 1, at);
}

enum mr_learn_action failure(struct fixture *f, const char *a, const char *user, int64_t at)
{
	return event(f, MR_EV_FAILURE, MR_FAMILY_IMAP, a, user, NULL, 1, at);
}

static uint64_t ends(const struct fixture *f, enum mr_entry_kind kind, const char *a)
{
	struct mr_addr x = addr(a);
	const struct mr_entry *v = mr_book_find(f->book, kind, &x, f->now, NULL);

	return v ? v->expires : 0;
}

uint64_t permit_ends(const struct fixture *f, const char *a)
{
	return ends(f, MR_PERMIT, a);
}

uint64_t ban_ends(const struct fixture *f, const char *a)
{
	return ends(f, MR_BAN, a);
}
