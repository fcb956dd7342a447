// SPDX-License-Identifier: BSD-2-Clause
/*
 * stamp.c - the time that a log line begins with (stamp.h).
 *
 * Knows the stamps that syslog daemons and mail servers write.  Those that repeat from line to line
 * are read once: the clock remembers the last.  Called by line.c alone.  Moves nothing on a
 * mismatch and fails in no other way; never allocates.
 */
#include "stamp.h"

#include <time.h>

#define US_PER_S    1000000u
#define AHEAD_US    60000000u /* the clock of a line's writer may be so far ahead of ours */
#define DAY_S	    86400
#define UNIX_MIN_S  1000000000 /* seconds: a number below is no time, in a log of this century */
#define TAI_AHEAD_S 10 /* seconds; multilog adds no later leap second without a table */
#define BSD_DATE    7 /* bytes of "Nov 21 " */
#define ISO_BYTES   19 /* "2026-11-21T20:43:50" */
#define FUTURE_SLACK_DAYS \
	2 /* a stamp without a year further ahead of now belongs to last year \
	   */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly n digits at p; -1 if there is anything else. */
static int digits(const char *p, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static int month_of(const char *p)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int m = 0; m < 12; m++)
		if (memcmp(p, names + 3 * m, 3) == 0)
			return m + 1;
	return 0;
}

/* Days since 1970-01-01 of a Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era;
	int64_t yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

static int year_of(int64_t days)
{
	time_t t = (time_t)(days * DAY_S);
	struct tm tm;

	gmtime_r(&t, &tm);
	return tm.tm_year + 1900;
}

/* "hh:mm:ss" at p (8 bytes) -> seconds of the day, or -1. */
static int clock_time(const char *p)
{
	int h = digits(p, 2), m = digits(p + 3, 2), s = digits(p + 6, 2);

	if (p[2] != ':' || p[5] != ':' || h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
		return -1;
	return h * 3600 + m * 60 + s;
}

static uint64_t stamp(int64_t days, int seconds, uint32_t us, long gmtoff)
{
	int64_t s = days * DAY_S + seconds - gmtoff;

	return s <= 0 ? 0 : (uint64_t)s * US_PER_S + us;
}

/* Of a log that is old the line before tells which of the two it is.  Lines may be a little out of
 * order. */
#define OLD_US	    7200000000u /* no line of now: that one is judged by our own clock */
#define DISORDER_US 120000000u
static bool goes_on(const struct mr_clock *c, uint64_t earlier, uint64_t later)
{
	return c->last_us && later + OLD_US < c->now_us && earlier + DISORDER_US >= c->last_us;
}

/*
 * A stamp that names no zone, by the zone that was in force then.  What the clocks of autumn show
 * twice is the later one, unless that is still to come, or the log that is read is before it.
 */
static uint64_t local(const struct mr_clock *c, int64_t days, int seconds, uint32_t us)
{
	const struct mr_zone *z = &c->zone;
	uint64_t t = stamp(days, seconds, us, z->gmtoff), earlier;

	for (size_t i = 0; i < MR_ZONE_CHANGES && z->before[i].until_us; i++) {
		earlier = stamp(days, seconds, us, z->before[i].gmtoff);
		if (t >= z->before[i].until_us &&
		    (earlier >= z->before[i].until_us ||
		     (t <= c->now_us + AHEAD_US && !goes_on(c, earlier, t))))
			return t;
		t = earlier;
	}
	return t;
}

/* ".123456" -> microseconds; eats it. */
static uint32_t fraction(struct mr_str *s)
{
	uint32_t us = 0, scale = US_PER_S / 10;

	if (!(s->n > 1 && (s->p[0] == '.' || s->p[0] == ',') && is_digit(s->p[1])))
		return 0;
	s->p++;
	s->n--;
	while (s->n && is_digit(*s->p)) {
		us += scale * (uint32_t)(*s->p - '0');
		scale /= 10;
		s->p++;
		s->n--;
	}
	return us;
}

/* "Z", "+01:00", "+0100", with an optional blank before it; eats it and sets *gmtoff.  false: none.
 */
static bool zone(struct mr_str *s, long *gmtoff)
{
	struct mr_str t = *s;
	int sign, h, m;

	if (MR_CUT(s, "Z")) {
		*gmtoff = 0;
		return true;
	}
	MR_CUT(&t, " ");
	if (t.n < 5 || (*t.p != '+' && *t.p != '-'))
		return false;
	sign = *t.p == '-' ? -1 : 1;
	if (t.p[3] == ':' && t.n < 6)
		return false;
	h = digits(t.p + 1, 2);
	m = digits(t.p + 3 + (t.p[3] == ':'), 2);
	if (h < 0 || m < 0)
		return false;
	*gmtoff = sign * (h * 3600L + m * 60L);
	t.n -= 5 + (size_t)(t.p[3] == ':');
	t.p += 5 + (t.p[3] == ':');
	*s = t;
	return true;
}

/* The latest such day that is not in the future.  Another host's clock may be ahead, and ours moves
 * on while lines are read: on New Year's Eve the next year is asked too. */
static int64_t latest_date(const struct mr_clock *c, int month, int day)
{
	int64_t now_days = (int64_t)((c->now_us / US_PER_S + (uint64_t)c->zone.gmtoff) / DAY_S);
	int64_t year = year_of(now_days) + 1, days;

	do
		days = days_from_civil(year--, month, day);
	while (days > now_days + FUTURE_SLACK_DAYS);
	return days;
}

/* "Nov 21 20:43:50" or "Nov  1 …"; no year, local zone. */
static bool cut_bsd(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	int month, day, sec;

	if (s->n < MR_STAMP_BSD || s->p[3] != ' ' || s->p[6] != ' ')
		return false;
	if (memcmp(s->p, c->last, MR_STAMP_BSD) == 0) { /* many lines a second: the stamp repeats */
		*out = c->last_us;
		goto cut;
	}
	sec = clock_time(s->p + 7);
	if (sec < 0)
		return false;
	if (memcmp(s->p, c->last, BSD_DATE) != 0) {
		month = month_of(s->p);
		day = s->p[4] == ' ' ? digits(s->p + 5, 1) : digits(s->p + 4, 2);
		if (!month || day < 1 || day > 31)
			return false;
		c->last_days = latest_date(c, month, day);
	}
	*out = local(c, c->last_days, sec, 0);
	memcpy(c->last, s->p, MR_STAMP_BSD);
	c->last_us = *out;
cut:
	s->p += MR_STAMP_BSD;
	s->n -= MR_STAMP_BSD;
	if (s->n && *s->p == '.')
		*out += fraction(s);
	return true;
}

/* "Nov 1 20:43:50": the same by a daemon that does not pad the day. */
static bool cut_unpadded(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	char text[16];
	struct mr_str padded = { text, 15 };

	if (s->n < 14 || s->p[3] != ' ' || !is_digit(s->p[4]) || s->p[5] != ' ')
		return false;
	memcpy(text, s->p, 4);
	text[4] = ' ';
	memcpy(text + 5, s->p + 4, 10);
	if (!cut_bsd(&padded, c, out))
		return false;
	s->p += 14;
	s->n -= 14;
	return true;
}

/* "@400000006a60b7f6077a9e94": TAI64N of multilog, seconds from 1970 with the 10 leap seconds that
 * TAI was ahead then. */
static bool cut_tai64n(struct mr_str *s, uint64_t *out)
{
	struct mr_str t = *s, hex;
	uint64_t seconds = 0;

	if (!MR_CUT(&t, "@40000000") || !mr_cut_class(&t, MR_CLASS_HEX, &hex) || hex.n != 16)
		return false;
	for (size_t i = 0; i < 8; i++)
		seconds =
			seconds << 4 | (uint64_t)(is_digit(hex.p[i]) ? hex.p[i] - '0'
								     : (hex.p[i] | 32) - 'a' + 10);
	if (seconds <= TAI_AHEAD_S)
		return false;
	*out = (seconds - TAI_AHEAD_S) * US_PER_S;
	*s = t;
	return true;
}

/* "Nov 21 2026 20:43:50" (Apple) and "Sun Nov 21 20:43:50 2026" (ctime). */
static bool cut_with_year(struct mr_str *s, const struct mr_clock *c, uint64_t *out)
{
	const char *date = s->p, *clock, *year;
	size_t n;
	int month, day, sec, y;

	if (s->n >= 20 && s->p[3] == ' ' && s->p[6] == ' ' && s->p[11] == ' ') {
		year = date + 7;
		clock = date + 12;
		n = 20;
	} else if (s->n >= 24 && s->p[3] == ' ' && s->p[7] == ' ' && s->p[10] == ' ' &&
		   s->p[19] == ' ') {
		date = s->p + 4;
		clock = date + 7;
		year = date + 16;
		n = 24;
	} else {
		return false;
	}
	month = month_of(date);
	day = date[4] == ' ' ? digits(date + 5, 1) : digits(date + 4, 2);
	sec = clock_time(clock);
	y = digits(year, 4);
	if (!month || day < 1 || day > 31 || sec < 0 || y < 1970)
		return false;
	*out = local(c, days_from_civil(y, month, day), sec, 0);
	s->p += n;
	s->n -= n;
	return true;
}

/* "2026-11-21T20:43:50.123+00:00", "2026-11-21 20:43:50", "2026/11/21 20:43:50". */
bool mr_stamp_iso(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	int y, m, d, sec;
	long gmtoff;
	uint32_t us;
	char sep;

	if (s->n < ISO_BYTES)
		return false;
	if (*c->last_iso && memcmp(s->p, c->last_iso, ISO_BYTES) == 0)
		goto cut; /* all but fraction and zone repeats */
	y = digits(s->p, 4);
	m = digits(s->p + 5, 2);
	d = digits(s->p + 8, 2);
	sep = s->p[4];
	if (y < 1970 || m < 1 || m > 12 || d < 1 || d > 31 || (sep != '-' && sep != '/') ||
	    s->p[7] != sep || (s->p[10] != 'T' && s->p[10] != ' '))
		return false;
	sec = clock_time(s->p + 11);
	if (sec < 0)
		return false;
	memcpy(c->last_iso, s->p, ISO_BYTES);
	c->last_iso_days = days_from_civil(y, m, d);
	c->last_iso_second = sec;
cut:
	s->p += ISO_BYTES;
	s->n -= ISO_BYTES;
	us = fraction(s);
	*out = zone(s, &gmtoff) ? stamp(c->last_iso_days, c->last_iso_second, us, gmtoff)
				: local(c, c->last_iso_days, c->last_iso_second, us);
	return true;
}

/* "Sat 2026-11-21 20:43:50 UTC" and "1795293830.123456": short-full and short-unix of journalctl.
 */
static bool cut_journalctl(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	struct mr_str t = *s, zone_name;
	uint64_t seconds;

	if (t.n > 4 && t.p[3] == ' ' && is_digit(t.p[4])) {
		t.p += 4;
		t.n -= 4;
		if (!mr_stamp_iso(&t, c, out) || !MR_CUT(&t, " ") ||
		    !mr_cut_class(&t, MR_CLASS_WORD, &zone_name))
			return false;
		if (mr_str_is(zone_name, "UTC"))
			*out = stamp(c->last_iso_days, c->last_iso_second,
				     (uint32_t)(*out % US_PER_S), 0);
	} else {
		if (!mr_cut_number(&t, &seconds) || seconds < UNIX_MIN_S || seconds > UINT32_MAX ||
		    t.n == 0 || *t.p != '.')
			return false;
		*out = seconds * US_PER_S;
		*out += fraction(&t);
	}
	if (t.n == 0 || *t.p != ' ')
		return false;
	*s = t;
	return true;
}

/* "[21-Nov-2026 20:43:50 +0000]:" (Roundcube) and "[21/Nov/2026 20:43:50]" (Kerio). */
bool mr_stamp_bracket(struct mr_str *s, const struct mr_clock *c, uint64_t *out)
{
	struct mr_str t = *s;
	int y, m, d, sec;
	long gmtoff;
	uint32_t us;
	bool named;

	if (t.n < 22 || *t.p != '[' || (t.p[3] != '-' && t.p[3] != '/') || t.p[7] != t.p[3] ||
	    (t.p[12] != ' ' && t.p[12] != ':'))
		return false;
	d = digits(t.p + 1, 2);
	m = month_of(t.p + 4);
	y = digits(t.p + 8, 4);
	sec = clock_time(t.p + 13);
	if (y < 1970 || !m || d < 1 || d > 31 || sec < 0)
		return false;
	t.p += 21;
	t.n -= 21;
	us = fraction(&t);
	named = zone(&t, &gmtoff);
	if (!MR_CUT(&t, "]"))
		return false;
	MR_CUT(&t, ":");
	*out = named ? stamp(days_from_civil(y, m, d), sec, us, gmtoff)
		     : local(c, days_from_civil(y, m, d), sec, us);
	*s = t;
	return true;
}

bool mr_stamp_cut(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	return cut_bsd(s, c, out) || mr_stamp_iso(s, c, out) || cut_with_year(s, c, out) ||
	       cut_unpadded(s, c, out) || cut_tai64n(s, out) || cut_journalctl(s, c, out);
}
