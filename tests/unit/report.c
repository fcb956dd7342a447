// SPDX-License-Identifier: BSD-2-Clause
/*
 * report.c - the JSON of status, rules and monitor; text that is not UTF-8; words for times.
 *
 * Needs nothing.
 */
#include <mailreeve/nearest.h>
#include <mailreeve/report.h>

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void text_is(const char *bytes, const char *want)
{
	json_t *j = mr_report_text(bytes);

	assert_non_null(j);
	assert_string_equal(json_string_value(j), want);
	json_decref(j);
}

#define BAD "\xef\xbf\xbd"

static void test_text(_unused_ void **state)
{
	json_t *j = mr_report_text(NULL);

	assert_true(json_is_null(j));
	text_is("", "");
	text_is("plain", "plain");
	text_is("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f");
	text_is("\xe2\x82\xac\xf0\x9f\x93\xac", "\xe2\x82\xac\xf0\x9f\x93\xac");
	text_is("\xff", BAD);
	text_is("a\xc3", "a" BAD); /* cut off at the end */
	text_is("a\xe2\x82", "a" BAD BAD);
	text_is("\xc3(", BAD "(");
	text_is("\xc0\xaf", BAD BAD); /* overlong */
	text_is("\xe0\x9f\xbf", BAD BAD BAD);
	text_is("\xed\xa0\x80", BAD BAD BAD); /* a surrogate */
	text_is("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
	text_is("\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD);
}

/* Whatever the bytes: what comes out is taken by a strict encoder. */
static void test_text_any_bytes(_unused_ void **state)
{
	unsigned int seed = 20261121;
	char bytes[24];

	for (unsigned int round = 0; round < 20000; round++) {
		size_t n = 1 + (seed >> 8) % (sizeof(bytes) - 1);
		json_t *j, *again;
		char *dump;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (char)(seed >> 16 & 1 ? 0x80 | (seed >> 17) : (seed >> 17));
			bytes[i] = bytes[i] ? bytes[i] : 'x';
		}
		bytes[n] = '\0';
		j = mr_report_text(bytes);
		again = json_string(json_string_value(j)); /* checks, as _nocheck did not */
		assert_non_null(again);
		dump = json_dumps(j, JSON_ENCODE_ANY);
		assert_non_null(dump);
		free(dump);
		json_decref(j);
		json_decref(again);
	}
}

static void test_times(_unused_ void **state)
{
	char buf[MR_REPORT_TIME], left[MR_REPORT_LEFT];

	assert_string_equal(mr_report_time(1700000000123456, true, buf),
			    "2023-11-14T22:13:20.123Z");
	assert_string_equal(mr_report_time(1700000000999999, false, buf), "2023-11-14T22:13:20Z");
	assert_string_equal(mr_report_left(0.04, left), "0.0s");
	assert_string_equal(mr_report_left(-3, left), "0.0s");
	assert_string_equal(mr_report_left(59.4, left), "59s");
	assert_string_equal(mr_report_left(59.6, left), "1m 0s");
	assert_string_equal(mr_report_left(1799.9, left), "30m 0s");
	assert_string_equal(mr_report_left(86399, left), "23h 59m");
	assert_string_equal(mr_report_left(90000, left), "1d 1h");
}

static void test_names(_unused_ void **state)
{
	for (unsigned int w = 0; w < MR_WHY_N; w++)
		for (unsigned int v = 0; v <= w; v++)
			assert_int_equal(strcmp(mr_report_why_name(w), mr_report_why_name(v)) == 0,
					 v == w);
	for (unsigned int c = 0; c < MR_COUNTED_N; c++)
		assert_string_not_equal(mr_report_counted_name(c), "unknown");
	assert_string_equal(mr_report_why_name(MR_WHY_N), "unknown");
}

static void test_summary(_unused_ void **state)
{
	struct mr_attachment eth = { .name = "eth0", .ifindex = 2, .mode = MR_ATTACH_NATIVE };
	struct mr_attachment gone = { .name = "wg0", .ifindex = 0, .mode = MR_ATTACH_GENERIC };
	json_t *devices = json_array(), *generation = json_object(), *s;
	bool guarded = true;

	s = mr_report_summary(devices, generation, &guarded);
	assert_string_equal(json_string_value(s), "UNGUARDED: attached to no device");
	assert_false(guarded);
	json_decref(s);
	json_array_append_new(devices, mr_report_device(&gone));
	s = mr_report_summary(devices, generation, &guarded);
	assert_false(guarded); /* a link whose device is gone guards nothing */
	json_decref(s);
	json_array_append_new(devices, mr_report_device(&eth));
	s = mr_report_summary(devices, generation, &guarded);
	assert_string_equal(json_string_value(s), "guarding eth0 (native)");
	assert_true(guarded);
	json_decref(s);
	s = mr_report_summary(devices, NULL, &guarded);
	assert_string_equal(json_string_value(s), "UNGUARDED: no policy is loaded");
	assert_false(guarded);
	json_decref(s);
	json_decref(devices);
	json_decref(generation);
}

static void test_decision(_unused_ void **state)
{
	json_t *g = json_loads("{\"generation\":3,\"services\":[{\"name\":\"smtp\",\"id\":5}],"
			       "\"rules\":[{\"number\":1,\"file\":\"a\",\"line\":2,\"text\":\"x\"},"
			       "{\"number\":2,\"file\":\"a\",\"line\":3,\"text\":\"deny any\"}]}",
			       0, NULL);
	struct mr_event_packet ev = { .time = 1000000000,
				      .generation = 3,
				      .sport = 4711,
				      .dport = 25,
				      .rule = 2,
				      .why = MR_WHY_DENY,
				      .verdict = XDP_DROP,
				      .service = 5,
				      .flags = MR_EVENT_SYN };
	struct mr_addr a = mr_addr_from4(0xc0000207);
	json_t *d;

	memcpy(ev.source, a.b, 16);
	memcpy(ev.destination, a.b, 16);
	d = mr_report_decision(g, &ev, 1699999999000000);
	assert_string_equal(json_string_value(json_object_get(d, "time")),
			    "2023-11-14T22:13:20.000Z");
	assert_string_equal(json_string_value(json_object_get(d, "verdict")), "drop");
	assert_string_equal(json_string_value(json_object_get(d, "source")), "192.0.2.7");
	assert_string_equal(json_string_value(json_object_get(d, "service")), "smtp");
	assert_string_equal(json_string_value(json_object_get(json_object_get(d, "rule"), "text")),
			    "deny any");
	assert_true(json_is_true(json_object_get(d, "new")));
	json_decref(d);
	ev.generation = 2; /* rule 2 was another rule then */
	ev.service = 255;
	ev.verdict = XDP_TX;
	d = mr_report_decision(g, &ev, 0);
	assert_true(json_is_null(json_object_get(d, "rule")));
	assert_true(json_is_null(json_object_get(d, "service")));
	assert_string_equal(json_string_value(json_object_get(d, "verdict")), "reject");
	json_decref(d);
	json_decref(g);
}

/* Rules stand in the order of their numbers, though `global` stands between the services. */
static void test_generation(_unused_ void **state)
{
	struct mr_rule smtp[] = { { .implied = true, .text = "deny banned" },
				  { .number = 1, .text = "allow any", .place = { 0, 1, 2 } } };
	struct mr_rule global[] = { { .number = 2, .text = "deny @x", .place = { 1, 1, 7 } } };
	struct mr_rule imap[] = { { .number = 3, .text = "deny local", .place = { 0, 1, 9 } } };
	struct mr_service services[] = {
		{ .name = "smtp", .ports = { 25, 26 }, .n_ports = 2, .rules = smtp, .n_rules = 2 },
		{ .name = "imap",
		  .ports = { 143 },
		  .n_ports = 1,
		  .mode = MR_MODE_SHADOW,
		  .rules = imap,
		  .n_rules = 1 },
	};
	const char *files[] = { "a.conf", "b\xff.conf" };
	struct mr_policy p = { .files = files,
			       .n_files = 2,
			       .interface_default = true,
			       .global = global,
			       .n_global = 1,
			       .services = services,
			       .n_services = 2,
			       .n_numbered = 3 };
	struct mr_image image = { .columns = 2, .service = { &services[0], &services[1] } };
	_free_ uint16_t *counter = calloc(MR_RULES_MAX + 1, sizeof(*counter));
	struct mr_generation_spec spec = { &p, &image, 12, { 4, 9 }, counter };
	json_t *g, *want;

	assert_non_null(counter);
	counter[1] = 100;
	counter[2] = 7;
	counter[3] = 16000;
	g = mr_report_generation(&spec, 1700000000000000);
	want = json_loads(
		"{\"generation\":12,\"applied\":\"2023-11-14T22:13:20Z\",\"abi\":1,\"services\":["
		"{\"name\":\"smtp\",\"id\":4,\"column\":0,\"ports\":[25,26],\"mode\":\"enforce\"},"
		"{\"name\":\"imap\",\"id\":9,\"column\":1,\"ports\":[143],\"mode\":\"shadow\"}],"
		"\"rules\":[{\"number\":1,\"counter\":100,\"service\":\"smtp\",\"file\":\"a.conf\","
		"\"line\":2,\"text\":\"allow any\"},{\"number\":2,\"counter\":7,\"service\":null,"
		"\"file\":\"b\xef\xbf\xbd.conf\",\"line\":7,\"text\":\"deny @x\"},{\"number\":3,"
		"\"counter\":16000,\"service\":\"imap\",\"file\":\"a.conf\",\"line\":9,"
		"\"text\":\"deny local\"}],\"interfaces\":[\"default\"]}",
		0, NULL);
	assert_non_null(want);
	json_object_set_new(want, "abi", json_integer(MR_ABI));
	assert_true(json_equal(g, want));
	json_decref(g);
	json_decref(want);
}

static const char *word(size_t i, const void *userdata)
{
	return ((const char *const *)userdata)[i];
}

static void test_nearest(_unused_ void **state)
{
	static const char *const words[] = { "apply", "status", "stats", "rules", NULL };

	assert_string_equal(mr_nearest("aply", word, words), "apply");
	assert_string_equal(mr_nearest("satus", word, words), "status");
	assert_string_equal(mr_nearest("stats", word, words), "stats");
	assert_null(mr_nearest("frobnicate", word, words));
	assert_null(mr_nearest("a-word-that-is-much-longer-than-any-name-we-know-of", word, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),	   cmocka_unit_test(test_text_any_bytes),
		cmocka_unit_test(test_times),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_summary),	   cmocka_unit_test(test_decision),
		cmocka_unit_test(test_generation), cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
