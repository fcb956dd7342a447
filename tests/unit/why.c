// SPDX-License-Identifier: BSD-2-Clause
/*
 * why.c - the explanation of a verdict: each field against a policy built by hand.
 *
 * Needs nothing.  The cases with a configuration file are in tests/golden/why/.
 */
#include <mailreeve/why.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SET_OFFICE, SET_LITERAL, SET_BLOCK, SETS };

struct world {
	struct mr_policy policy;
	struct mr_named_set sets[SETS];
	struct mr_service services[4];
	struct mr_rule smtp[4], submission[5], webmail[1], global[1];
	struct mr_addr to;
	const char *files[2];
	struct mr_host *host;
	struct mr_why_query q;
};

static struct mr_addr addr(const char *text)
{
	struct mr_addr a;

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	return a;
}

static void fill(struct mr_named_set *s, const char *name, const char *prefix, uint16_t file,
		 uint32_t line)
{
	struct mr_prefix p;

	s->name = name;
	assert_int_equal(mr_prefix_parse(prefix, strlen(prefix), &p), 0);
	assert_int_equal(mr_set_add(&s->set, &p, file, line), 0);
	assert_int_equal(mr_set_seal(&s->set), 0);
}

static struct mr_rule rule(unsigned int number, enum mr_action action, enum mr_source_kind kind,
			   size_t set, unsigned int line, const char *text)
{
	return (struct mr_rule){ .action = action,
				 .source = { .kind = kind, .set = set, .domain = "example.com" },
				 .number = (uint16_t)number,
				 .implied = number == 0,
				 .place = { 0, 1, line },
				 .text = text };
}

static void add(struct world *w, const char *name, uint16_t port, struct mr_rule *rules, size_t n)
{
	w->services[w->policy.n_services++] = (struct mr_service){
		.name = name,
		.ports = { port },
		.n_ports = 1,
		.rules = rules,
		.n_rules = n,
		.place = { 0, 1, 10 * (uint32_t)w->policy.n_services },
	};
}

static const char *const users[] = { "support", "webmaster" };
static const char *const barred[] = { "guest" };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->files[0] = "test.conf";
	w->files[1] = "office\xff.txt"; /* not UTF-8 */
	w->policy.files = w->files;
	w->policy.n_files = 2;
	w->policy.sets = w->sets;
	w->policy.n_sets = SETS;
	w->policy.services = w->services;
	fill(&w->sets[SET_OFFICE], "office", "192.0.2.0/24", 1, 7);
	fill(&w->sets[SET_LITERAL], NULL, "198.51.100.0/24", 0, 33);
	fill(&w->sets[SET_BLOCK], "block", "203.0.113.0/25", 1, 9);
	w->global[0] = rule(1, MR_DENY, MR_SOURCE_SET, SET_BLOCK, 3, "deny @block");
	w->policy.global = w->global;
	w->policy.n_global = 1;
	w->smtp[0] = rule(0, MR_DENY, MR_SOURCE_BANNED, 0, 0, "deny banned");
	w->smtp[1] = rule(2, MR_ALLOW, MR_SOURCE_SET, SET_OFFICE, 11, "allow @office noauth");
	w->smtp[1].noauth = true;
	w->smtp[2] = rule(3, MR_ALLOW, MR_SOURCE_PERMITTED, 0, 12, "allow permitted");
	w->smtp[3] = rule(4, MR_ALLOW, MR_SOURCE_ANY, 0, 13, "allow any");
	add(w, "smtp", 25, w->smtp, 4);
	w->submission[0] = rule(5, MR_DENY, MR_SOURCE_SET, SET_LITERAL, 20, "deny … users");
	w->submission[0].users = barred;
	w->submission[0].n_users = 1;
	w->submission[1] = rule(6, MR_ALLOW, MR_SOURCE_SET, SET_LITERAL, 21, "allow … users");
	w->submission[1].users = users;
	w->submission[1].n_users = 2;
	w->submission[2] = rule(7, MR_REJECT, MR_SOURCE_SET, SET_BLOCK, 22, "reject @block");
	w->submission[3] = rule(8, MR_ALLOW, MR_SOURCE_NAME, 0, 23, "allow name example.com");
	add(w, "submission", 587, w->submission, 3);
	w->services[1].mode = MR_MODE_SHADOW;
	w->webmail[0] = rule(9, MR_ALLOW, MR_SOURCE_ANY, 0, 31, "allow any");
	add(w, "webmail", 443, w->webmail, 1);
	w->to = addr("192.0.2.25");
	w->services[2].to = &w->to;
	w->services[2].n_to = 1;
	w->services[2].noglobal = true;
	w->policy.n_numbered = 9;
	assert_int_equal(mr_host_empty(&w->host), 0);
	w->q = (struct mr_why_query){ .policy = &w->policy, .host = w->host };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < SETS; i++)
		mr_set_clear(&w->sets[i].set);
	mr_host_free(w->host);
	free(w);
	return 0;
}

/* Asks, and compares the object with what is written here; `,more` fields are not allowed. */
static void expect(struct world *w, const char *address, const char *service, const char *want)
{
	struct mr_error e = { "" };
	json_t *list = NULL, *wanted;
	char *text;

	w->q.address = addr(address);
	assert_int_equal(mr_why_ask(&w->q, service, &list, &e), 0);
	assert_int_equal(json_array_size(list), 1);
	text = json_dumps(json_array_get(list, 0), JSON_COMPACT | JSON_PRESERVE_ORDER);
	wanted = json_loads(want, 0, NULL);
	assert_non_null(wanted);
	if (!json_equal(json_array_get(list, 0), wanted))
		fail_msg("%s at %s:\n got %s\nwant %s", address, service, text, want);
	free(text);
	json_decref(wanted);
	json_decref(list);
}

#define NO_LOGIN "\"login\":{\"users\":null,\"names\":null,\"noauth\":false}"

static void test_allow_by_set(void **state)
{
	expect(*state, "::ffff:192.0.2.9", "smtp",
	       "{\"address\":\"192.0.2.9\",\"service\":\"smtp\",\"port\":25,\"layer\":\"packet\","
	       "\"verdict\":\"allow\",\"enforced\":true,\"rule\":{\"file\":\"test.conf\",\"line\":"
	       "11,"
	       "\"text\":\"allow @office "
	       "noauth\"},\"global_rule\":null,\"set\":{\"name\":\"office\","
	       "\"file\":\"office\xef\xbf\xbd.txt\",\"line\":7,\"prefix\":\"192.0.2.0/24\"},"
	       "\"entry\":null,\"login\":{\"users\":null,\"names\":null,\"noauth\":true},"
	       "\"mode\":\"enforce\"}");
}

static void test_global_denies(void **state)
{
	expect(*state, "203.0.113.1", "25",
	       "{\"address\":\"203.0.113.1\",\"service\":\"smtp\",\"port\":25,\"layer\":\"packet\","
	       "\"verdict\":\"deny\",\"enforced\":true,\"rule\":{\"file\":\"test.conf\",\"line\":"
	       "13,"
	       "\"text\":\"allow any\"},\"global_rule\":{\"file\":\"test.conf\",\"line\":3,"
	       "\"text\":\"deny @block\"},\"set\":{\"name\":\"block\","
	       "\"file\":\"office\xef\xbf\xbd.txt\",\"line\":9,\"prefix\":\"203.0.113.0/25\"},"
	       "\"entry\":null," NO_LOGIN ",\"mode\":\"enforce\"}");
}

static void test_entries(void **state)
{
	static const uint8_t ids[] = { 4, 5, 6 };
	struct world *w = *state;

	/* two entries may hold an address, its own and its prefix's */
	w->q.permit[0] = (struct mr_why_entry){ 1 << 6, 9000000 };
	w->q.permit[1] = (struct mr_why_entry){ 1 << 4, 1500001 };
	w->q.service_id = ids;
	expect(w, "198.51.100.7", "smtp",
	       "{\"address\":\"198.51.100.7\",\"service\":\"smtp\",\"port\":25,\"layer\":"
	       "\"packet\","
	       "\"verdict\":\"allow\",\"enforced\":true,\"rule\":{\"file\":\"test.conf\",\"line\":"
	       "12,"
	       "\"text\":\"allow permitted\"},\"global_rule\":null,\"set\":null,"
	       "\"entry\":{\"kind\":\"permit\",\"expires_in\":2}," NO_LOGIN
	       ",\"mode\":\"enforce\"}");
	/* a ban that does not cover the service is none; pretended, it covers all */
	w->q.ban[0] = (struct mr_why_entry){ 1 << 5, 1000000 };
	w->q.permit[1].services = 0;
	expect(w, "198.51.100.7", "smtp",
	       "{\"address\":\"198.51.100.7\",\"service\":\"smtp\",\"port\":25,\"layer\":"
	       "\"packet\","
	       "\"verdict\":\"allow\",\"enforced\":true,\"rule\":{\"file\":\"test.conf\",\"line\":"
	       "13,"
	       "\"text\":\"allow any\"},\"global_rule\":null,\"set\":null,\"entry\":null," NO_LOGIN
	       ",\"mode\":\"enforce\"}");
	w->q.banned = true;
	expect(w, "198.51.100.7", "smtp",
	       "{\"address\":\"198.51.100.7\",\"service\":\"smtp\",\"port\":25,\"layer\":"
	       "\"packet\","
	       "\"verdict\":\"deny\",\"enforced\":true,\"rule\":{\"file\":\"test.conf\",\"line\":"
	       "10,"
	       "\"text\":\"deny banned\",\"implied\":true},\"global_rule\":null,\"set\":null,"
	       "\"entry\":{\"kind\":\"ban\",\"expires_in\":null}," NO_LOGIN
	       ",\"mode\":\"enforce\"}");
}

#define USERS_HEAD \
	"{\"address\":\"198.51.100.7\",\"service\":\"submission\",\"port\":587," \
	"\"layer\":\"packet\",\"verdict\":\"allow\",\"enforced\":false," \
	"\"rule\":{\"file\":\"test.conf\",\"line\":21,\"text\":\"allow … users\"}," \
	"\"global_rule\":null,\"set\":null,\"entry\":null,\"login\":{" \
	"\"users\":[\"support\",\"webmaster\"],\"names\":null,\"noauth\":false," \
	"\"passed_over\":[{\"file\":\"test.conf\",\"line\":20,\"text\":\"deny … users\"}]"

static void test_users(void **state)
{
	struct world *w = *state;

	expect(w, "198.51.100.7", "submission", USERS_HEAD "},\"mode\":\"shadow\"}");
	w->q.user = "support";
	expect(w, "198.51.100.7", "submission",
	       USERS_HEAD
	       ",\"user\":{\"name\":\"support\",\"verdict\":\"allow\",\"rule\":{\"file\":"
	       "\"test.conf\",\"line\":21,\"text\":\"allow … users\"}}},\"mode\":\"shadow\"}");
	w->q.user = "nobody";
	expect(w, "198.51.100.7", "submission",
	       USERS_HEAD
	       ",\"user\":{\"name\":\"nobody\",\"verdict\":\"deny\",\"rule\":{\"file\":"
	       "\"test.conf\",\"line\":21,\"text\":\"allow … users\"}}},\"mode\":\"shadow\"}");
	w->q.user = "guest";
	expect(w, "198.51.100.7", "submission",
	       USERS_HEAD
	       ",\"user\":{\"name\":\"guest\",\"verdict\":\"deny\",\"rule\":{\"file\":"
	       "\"test.conf\",\"line\":20,\"text\":\"deny … users\"}}},\"mode\":\"shadow\"}");
}

static void test_reject_and_unmatched(void **state)
{
	expect(*state, "203.0.113.1", "submission",
	       "{\"address\":\"203.0.113.1\",\"service\":\"submission\",\"port\":587,"
	       "\"layer\":\"packet\",\"verdict\":\"reject\",\"enforced\":false,\"rule\":{\"file\":"
	       "\"test.conf\",\"line\":22,\"text\":\"reject "
	       "@block\"},\"global_rule\":null,\"set\":{"
	       "\"name\":\"block\",\"file\":\"office\xef\xbf\xbd.txt\",\"line\":9,"
	       "\"prefix\":\"203.0.113.0/25\"},\"entry\":null," NO_LOGIN ",\"mode\":\"shadow\"}");
	expect(*state, "2001:db8::1", "submission",
	       "{\"address\":\"2001:db8::1\",\"service\":\"submission\",\"port\":587,"
	       "\"layer\":\"packet\",\"verdict\":\"unmatched\",\"enforced\":false,\"rule\":null,"
	       "\"global_rule\":null,\"set\":null,\"entry\":null," NO_LOGIN
	       ",\"mode\":\"shadow\"}");
}

static void test_names(void **state)
{
	struct world *w = *state;

	w->services[1].n_rules = 4;
	expect(w, "2001:db8::1", "submission",
	       "{\"address\":\"2001:db8::1\",\"service\":\"submission\",\"port\":587,"
	       "\"layer\":\"packet\",\"verdict\":\"allow\",\"enforced\":false,\"rule\":{\"file\":"
	       "\"test.conf\",\"line\":23,\"text\":\"allow name "
	       "example.com\"},\"global_rule\":null,"
	       "\"set\":null,\"entry\":null,\"login\":{\"users\":null,\"names\":[\"example.com\"],"
	       "\"noauth\":false,\"otherwise\":\"deny\"},\"mode\":\"shadow\"}");
}

#define NO_SERVICE(address, port) \
	"{\"address\":\"" address "\",\"service\":null,\"port\":" port ",\"layer\":\"packet\"," \
	"\"verdict\":\"allow\",\"enforced\":false,\"rule\":null,\"global_rule\":null," \
	"\"set\":null,\"entry\":null," NO_LOGIN

static void test_not_the_services(void **state)
{
	struct world *w = *state;
	struct mr_addr other = addr("192.0.2.26");

	expect(w, "203.0.113.1", "8080", NO_SERVICE("203.0.113.1", "8080") "}");
	/* a built-in service that the file does not name */
	expect(w, "203.0.113.1", "pop3", NO_SERVICE("203.0.113.1", "110") "}");
	w->q.to = &other;
	expect(w, "203.0.113.1", "webmail",
	       NO_SERVICE("203.0.113.1", "443") ",\"other_destination\":\"webmail\"}");
}

static void test_all_and_none(void **state)
{
	struct world *w = *state;
	struct mr_error e = { "" };
	json_t *list = NULL;

	w->q.address = addr("192.0.2.1");
	assert_int_equal(mr_why_ask(&w->q, "", &list, &e), 0);
	assert_int_equal(json_array_size(list), 3);
	json_decref(list);
	list = NULL;
	assert_int_equal(mr_why_ask(&w->q, "submision", &list, &e), -ENOENT);
	assert_string_equal(e.text, "no service 'submision': did you mean 'submission'?");
	assert_int_equal(mr_why_ask(&w->q, "65536", &list, &e), -EINVAL);
	assert_int_equal(mr_why_ask(&w->q, "0", &list, &e), -EINVAL);
	assert_int_equal(mr_why_ask(&w->q, "25x", &list, &e), -EINVAL);
	assert_null(list);
}

static void printed(struct world *w, const char *service, const char *want)
{
	struct mr_error e;
	char *text = NULL;
	size_t len = 0;
	json_t *list;
	FILE *f;

	assert_int_equal(mr_why_ask(&w->q, service, &list, &e), 0);
	f = open_memstream(&text, &len);
	assert_int_equal(mr_why_print(json_array_get(list, 0), f), 0);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
	json_decref(list);
}

static void test_print(void **state)
{
	struct world *w = *state;

	w->q.address = addr("192.0.2.1");
	printed(w, "smtp",
		"192.0.2.1 at smtp port 25: allowed\n"
		"  rule     allow @office noauth  (test.conf:11)\n"
		"  set      @office: 192.0.2.0/24  (office\xef\xbf\xbd.txt:7)\n"
		"  relay    without logging in\n");
	w->q.address = addr("198.51.100.7");
	w->q.user = "nobody";
	printed(w, "submission",
		"198.51.100.7 at submission port 587: allowed\n"
		"  rule     allow … users  (test.conf:21)\n"
		"  login    only support, webmaster\n"
		"  login    asks deny … users  (test.conf:20)\n"
		"  user     nobody: refused by the rules\n"
		"  by       allow … users  (test.conf:21)\n"
		"  shadow   not enforced: everybody passes, refusals are counted\n");
	printed(w, "8080",
		"198.51.100.7 at no service, port 8080: allowed\n"
		"  port     of no service in the file: not filtered\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_allow_by_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_global_denies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reject_and_unmatched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_the_services, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_and_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_print, setup, teardown),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
