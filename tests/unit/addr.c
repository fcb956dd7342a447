// SPDX-License-Identifier: BSD-2-Clause
/* addr.c - addresses, prefixes and ranges: text both ways, refusals, arithmetic. */
#include <mailreeve/addr.h>

#include <setjmp.h>
#include <stdarg.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct mr_addr addr(const char *text)
{
	struct mr_addr a;

	if (mr_addr_parse(text, strlen(text), &a) < 0)
		fail_msg("\"%s\" is no address", text);
	return a;
}

static struct mr_prefix prefix(const char *text)
{
	struct mr_prefix p;

	if (mr_prefix_parse(text, strlen(text), &p) < 0)
		fail_msg("\"%s\" is no prefix", text);
	return p;
}

static void test_addr_text(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{ "192.0.2.1", "192.0.2.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "::", "::" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	static const char *const bad[] = {
		"",	    "192.0.2",	  "192.0.2.256", "192.0.2.1.", "192.0.2.01", "010.0.0.1",
		".1.2.3",   "1.2.3.4 ",	  " 1.2.3.4",	 "1.2.3.4a",   ":",	     ":::",
		"2001:db8", "fe80::1%lo", "1::2::3",	 "12345::",    "0x7f.0.0.1", "localhost",
		"1.2.3.-4", "[::1]",	  "1..2.3",	 "::1.2.3.04",
	};
	char buf[MR_ADDR_TEXT];
	struct mr_addr a;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(good); i++) {
		a = addr(good[i].in);
		assert_string_equal(mr_addr_text(&a, buf), good[i].out);
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(bad); i++)
		if (mr_addr_parse(bad[i], strlen(bad[i]), &a) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(mr_addr_parse("1.2.3.4\0", 8, &a), -EINVAL);
	assert_int_equal(mr_addr_parse("::1\0", 4, &a), -EINVAL);
}

static void test_prefix_text(void **state)
{
	static const struct {
		const char *in;
		int r;
		const char *out;
	} t[] = {
		{ "192.0.2.0/24", 0, "192.0.2.0/24" },
		{ "192.0.2.1/24", -EDOM, "192.0.2.0/24" },
		{ "192.0.2.1/32", 0, "192.0.2.1" },
		{ "192.0.2.1", 0, "192.0.2.1" },
		{ "0.0.0.0/0", 0, "0.0.0.0/0" },
		{ "192.0.2.0/33", -ERANGE, NULL },
		{ "192.0.2.0/", -EINVAL, NULL },
		{ "192.0.2.0/024", -EINVAL, NULL },
		{ "192.0.2.0/24 ", -EINVAL, NULL },
		{ "192.0.2.0/4294967320", -EINVAL, NULL },
		{ "2001:db8::/32", 0, "2001:db8::/32" },
		{ "2001:db8::1/32", -EDOM, "2001:db8::/32" },
		{ "2001:db8::/129", -ERANGE, NULL },
		{ "::/0", 0, "::/0" },
		{ "::ffff:192.0.2.0/120", 0, "192.0.2.0/24" },
		{ "::ffff:192.0.2.0/24", -ERANGE, NULL },
		{ "::ffff:0:0/96", 0, "0.0.0.0/0" },
	};
	char buf[MR_PREFIX_TEXT];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_SIZE(t); i++) {
		struct mr_prefix p = { .plen = 7 };
		int r = mr_prefix_parse(t[i].in, strlen(t[i].in), &p);

		if (r != t[i].r)
			fail_msg("\"%s\": %d", t[i].in, r);
		if (t[i].out)
			assert_string_equal(mr_prefix_text(&p, buf), t[i].out);
		else
			assert_int_equal(p.plen, 7);
	}
}

static void test_contains(void **state)
{
	struct mr_prefix p = prefix("192.0.2.0/25"), all4 = prefix("0.0.0.0/0"),
			 all6 = prefix("::/0"), low6 = prefix("::/64");
	struct mr_addr in = addr("192.0.2.127"), out = addr("192.0.2.128"), six = addr("::1");

	(void)state;
	assert_true(mr_prefix_contains(&p, &in));
	assert_false(mr_prefix_contains(&p, &out));
	assert_true(mr_prefix_contains(&all4, &in));
	assert_false(mr_prefix_contains(&all4, &six));
	assert_true(mr_prefix_contains(&all6, &six));
	/* the mapped block lies within ::/64, IPv4 does not */
	assert_false(mr_prefix_contains(&all6, &in));
	assert_false(mr_prefix_contains(&low6, &in));
}

static void check_range(const char *first, const char *last, const char *want)
{
	struct mr_prefix out[MR_RANGE_PREFIXES];
	struct mr_addr a = addr(first), b = addr(last);
	char got[MR_RANGE_PREFIXES * MR_PREFIX_TEXT] = "", buf[MR_PREFIX_TEXT];
	size_t n = 0;

	assert_int_equal(mr_range_prefixes(&a, &b, out, &n), 0);
	for (size_t i = 0; i < n; i++) {
		if (i)
			strcat(got, " ");
		strcat(got, mr_prefix_text(&out[i], buf));
	}
	assert_string_equal(got, want);
}

static void test_range(void **state)
{
	struct mr_prefix out[MR_RANGE_PREFIXES];
	struct mr_addr a = addr("::1"), b = addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"),
		       four = addr("192.0.2.1");
	size_t n = 0;

	(void)state;
	check_range("192.0.2.0", "192.0.2.255", "192.0.2.0/24");
	check_range("192.0.2.1", "192.0.2.1", "192.0.2.1");
	check_range("192.0.2.1", "192.0.2.6", "192.0.2.1 192.0.2.2/31 192.0.2.4/31 192.0.2.6");
	check_range("0.0.0.0", "255.255.255.255", "0.0.0.0/0");
	check_range("255.255.255.254", "255.255.255.255", "255.255.255.254/31");
	check_range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0");
	check_range("2001:db8::", "2001:db8::1:ffff", "2001:db8::/111");
	assert_int_equal(mr_range_prefixes(&a, &b, out, &n), 0);
	assert_int_equal(n, 254); /* the worst there is */
	n = 7;
	assert_int_equal(mr_range_prefixes(&b, &a, out, &n), -EINVAL);
	assert_int_equal(mr_range_prefixes(&a, &four, out, &n), -EINVAL);
	assert_int_equal(n, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr_text),
		cmocka_unit_test(test_prefix_text),
		cmocka_unit_test(test_contains),
		cmocka_unit_test(test_range),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
