// SPDX-License-Identifier: BSD-2-Clause
/*
 * zone.c - stamps in local time across the change of the clocks: the zone that is told by the C
 * library, and what the lines of the hours around it mean.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <mailreeve/format.h>
#include <mailreeve/util.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define S	1000000ull
#define SPRING	(1772953200ull * S) /* 2026-03-08 07:00 UTC: 02:00 EST becomes 03:00 EDT */
#define AUTUMN	(1793512800ull * S) /* 2026-11-01 06:00 UTC: 02:00 EDT becomes 01:00 EST */
#define MINUTES (60 * S)
#define HOURS	(3600 * S)

static void zone(const char *tz)
{
	setenv("TZ", tz, 1);
	tzset();
}

static void test_changes(void **state)
{
	struct mr_zone z;

	(void)state;
	zone("EST5EDT,M3.2.0,M11.1.0");
	mr_zone_read(AUTUMN + 20 * 24 * HOURS, &z);
	assert_int_equal(z.gmtoff, -18000);
	assert_true(z.before[0].until_us == AUTUMN);
	assert_int_equal(z.before[0].gmtoff, -14400);
	assert_true(z.before[1].until_us == SPRING);
	assert_int_equal(z.before[1].gmtoff, -18000);
	assert_true(z.before[2].until_us == AUTUMN - 364ull * 24 * HOURS);
	assert_true(z.before[3].until_us == 0);
	mr_zone_read(AUTUMN - S, &z);
	assert_int_equal(z.gmtoff, -14400);
	assert_true(z.before[0].until_us == SPRING);
	mr_zone_read(AUTUMN, &z);
	assert_int_equal(z.gmtoff, -18000);
	assert_true(z.before[0].until_us == AUTUMN);
	zone("UTC0");
	mr_zone_read(AUTUMN, &z);
	assert_int_equal(z.gmtoff, 0);
	assert_true(z.before[0].until_us == 0);
}

static uint64_t read_at(uint64_t now_us, const char *stamp)
{
	struct mr_clock c = { .now_us = now_us };
	struct mr_line l;
	char line[128];

	mr_zone_read(now_us, &c.zone);
	snprintf(line, sizeof(line), "%s mx dovecot: text", stamp);
	assert_int_equal(mr_line_parse(line, strlen(line), &c, &l), 0);
	return l.time_us;
}

static void test_stamps(void **state)
{
	static const struct {
		uint64_t now;
		const char *stamp;
		uint64_t is;
	} cases[] = {
		/* read within seconds, or an hour later */
		{ SPRING - S, "Mar  8 01:59:58", SPRING - 2 * S },
		{ SPRING + S, "Mar  8 01:59:58", SPRING - 2 * S },
		{ SPRING + S, "Mar  8 03:00:00", SPRING },
		{ SPRING + 1 * HOURS, "Mar  8 01:59:58", SPRING - 2 * S },
		{ AUTUMN - S, "Nov  1 01:59:58", AUTUMN - 2 * S },
		{ AUTUMN + S, "Nov  1 01:59:58", AUTUMN - 2 * S },
		{ AUTUMN + S, "Nov  1 01:00:01", AUTUMN + S },
		{ AUTUMN + S, "Nov  1 00:59:59", AUTUMN - 1 * HOURS - S },
		{ AUTUMN + 10 * MINUTES, "Nov  1 01:09:58", AUTUMN + 10 * MINUTES - 2 * S },
		{ AUTUMN + 10 * MINUTES, "Nov  1 01:30:00", AUTUMN - 30 * MINUTES },
		/* the sender's clock is a little ahead */
		{ AUTUMN + 10 * MINUTES, "Nov  1 01:10:20", AUTUMN + 10 * MINUTES + 20 * S },
		/* both have been: the later */
		{ AUTUMN + 5 * HOURS, "Nov  1 01:30:00", AUTUMN + 30 * MINUTES },
		/* a log of the summer, of last winter, with its year, with its zone */
		{ AUTUMN + 500 * HOURS, "Jul  1 12:00:00", 1782921600ull * S },
		{ AUTUMN + 500 * HOURS, "Jan 15 12:00:00", 1768496400ull * S },
		{ AUTUMN + 500 * HOURS, "2026-07-01T12:00:00", 1782921600ull * S },
		{ AUTUMN + 500 * HOURS, "2026-07-01T12:00:00Z", 1782907200ull * S },
		{ AUTUMN + 500 * HOURS, "Wed 2026-07-01 12:00:00 EDT", 1782921600ull * S },
		{ AUTUMN + 500 * HOURS, "Wed 2026-07-01 12:00:00 UTC", 1782907200ull * S },
	};

	(void)state;
	zone("EST5EDT,M3.2.0,M11.1.0");
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		uint64_t got = read_at(cases[i].now, cases[i].stamp);

		if (got != cases[i].is)
			fail_msg("%s, read at %llu: %lld s off", cases[i].stamp,
				 (unsigned long long)(cases[i].now / S),
				 (long long)(got - cases[i].is) / (long long)S);
	}
}

/* An old log, line by line: the hour that comes twice is told from the line before. */
static void test_old_log(void **state)
{
	static const struct {
		const char *stamp;
		uint64_t is;
	} lines[] = {
		{ "Nov  1 00:59:59", AUTUMN - 1 * HOURS - S },
		{ "Nov  1 01:10:00", AUTUMN - 50 * MINUTES },
		{ "Nov  1 01:09:50", AUTUMN - 50 * MINUTES - 10 * S }, /* out of order */
		{ "Nov  1 01:59:59", AUTUMN - S },
		{ "Nov  1 01:00:01", AUTUMN + S },
		{ "Nov  1 01:10:00", AUTUMN + 10 * MINUTES },
		{ "Nov  1 01:09:50", AUTUMN + 10 * MINUTES - 10 * S },
		{ "Nov  1 01:59:59", AUTUMN + 1 * HOURS - S },
		{ "Nov  1 02:00:00", AUTUMN + 1 * HOURS },
	};
	struct mr_clock c = { .now_us = AUTUMN + 500 * HOURS };
	struct mr_line l;
	char line[128];

	(void)state;
	zone("EST5EDT,M3.2.0,M11.1.0");
	mr_zone_read(c.now_us, &c.zone);
	for (size_t i = 0; i < MR_ARRAY_SIZE(lines); i++) {
		snprintf(line, sizeof(line), "%s mx dovecot: text", lines[i].stamp);
		assert_int_equal(mr_line_parse(line, strlen(line), &c, &l), 0);
		if (l.time_us != lines[i].is)
			fail_msg("line %zu, %s: %lld s off", i, lines[i].stamp,
				 (long long)(l.time_us - lines[i].is) / (long long)S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_old_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
