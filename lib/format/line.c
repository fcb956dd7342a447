// SPDX-License-Identifier: BSD-2-Clause
/*
 * line.c - cuts one log line into its frame: time, host, program, pid, message.
 *
 * Knows the stamps that syslog daemons and mail servers write: "Nov 21 20:43:50", ISO 8601 with or
 * without fraction and zone ("T" or blank between), RFC 5424, nginx's 2026/11/21, Roundcube's and
 * Kerio's [21-Nov-2026 …], multilog's @4000…, a <PRI> before any of them, or no stamp at all.
 * Never looks into the message, never allocates.  Called by the learner for every line, by the dry
 * run and by the fuzz harness.  -EINVAL for an empty line and for one above MR_LINE_MAX.
 *
 * Nothing here is proof of anything: the frame is what the file says.  Which program may be
 * believed is decided by where the line came from (source rules), not by its text.
 */
#include <mailreeve/format.h>

#include <time.h>

#define US_PER_S     1000000u
#define DAY_S	     86400
#define UNIX_MIN_S   1000000000 /* seconds: a number below is no time, in a log of this century */
#define REPEATED_MAX 1000000 /* times: no daemon waits longer before it says so */
#define TAI_AHEAD_S  10 /* seconds; multilog adds no later leap second without a table */
#define ISO_BYTES    19 /* "2026-11-21T20:43:50" */
#define FUTURE_SLACK_DAYS \
	2 /* a stamp without a year this far ahead of now belongs to last year \
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

/* "Z", "+01:00", "+0100", with an optional blank before it; eats it and sets *gmtoff. */
static void zone(struct mr_str *s, long *gmtoff)
{
	struct mr_str t = *s;
	int sign, h, m;

	if (MR_CUT(s, "Z")) {
		*gmtoff = 0;
		return;
	}
	MR_CUT(&t, " ");
	if (t.n < 5 || (*t.p != '+' && *t.p != '-'))
		return;
	sign = *t.p == '-' ? -1 : 1;
	if (t.p[3] == ':' && t.n < 6)
		return;
	h = digits(t.p + 1, 2);
	m = digits(t.p + 3 + (t.p[3] == ':'), 2);
	if (h < 0 || m < 0)
		return;
	*gmtoff = sign * (h * 3600L + m * 60L);
	t.n -= 5 + (size_t)(t.p[3] == ':');
	t.p += 5 + (t.p[3] == ':');
	*s = t;
}

/* "Nov 21 20:43:50" or "Nov  1 …"; no year, local zone. */
static bool cut_bsd(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	int month, day, sec;
	int64_t now_days, days;

	if (s->n < 15 || s->p[3] != ' ' || s->p[6] != ' ')
		return false;
	if (memcmp(s->p, c->last, 15) == 0) { /* many lines a second: the stamp repeats */
		*out = c->last_us;
		goto cut;
	}
	month = month_of(s->p);
	day = s->p[4] == ' ' ? digits(s->p + 5, 1) : digits(s->p + 4, 2);
	sec = clock_time(s->p + 7);
	if (!month || day < 1 || day > 31 || sec < 0)
		return false;
	now_days = (int64_t)((c->now_us / US_PER_S + (uint64_t)c->gmtoff) / DAY_S);
	days = days_from_civil(year_of(now_days), month, day);
	if (days > now_days + FUTURE_SLACK_DAYS)
		days = days_from_civil(year_of(now_days) - 1, month, day);
	*out = stamp(days, sec, 0, c->gmtoff);
	memcpy(c->last, s->p, 15);
	c->last_us = *out;
cut:
	s->p += 15;
	s->n -= 15;
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
	*out = stamp(days_from_civil(y, month, day), sec, 0, c->gmtoff);
	s->p += n;
	s->n -= n;
	return true;
}

/* "2026-11-21T20:43:50.123+00:00", "2026-11-21 20:43:50", "2026/11/21 20:43:50". */
static bool cut_iso(struct mr_str *s, struct mr_clock *c, uint64_t *out)
{
	int y, m, d, sec;
	long gmtoff = c->gmtoff;
	uint32_t us;
	char sep;

	if (s->n < ISO_BYTES)
		return false;
	if (memcmp(s->p, c->last_iso, ISO_BYTES) == 0)
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
	zone(s, &gmtoff);
	*out = stamp(c->last_iso_days, c->last_iso_second, us, gmtoff);
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
		if (!cut_iso(&t, c, out) || !MR_CUT(&t, " ") ||
		    !mr_cut_class(&t, MR_CLASS_WORD, &zone_name))
			return false;
		if (mr_str_is(zone_name, "UTC"))
			*out += (uint64_t)c->gmtoff * US_PER_S;
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
static bool cut_bracket(struct mr_str *s, const struct mr_clock *c, uint64_t *out)
{
	struct mr_str t = *s;
	int y, m, d, sec;
	long gmtoff = c->gmtoff;
	uint32_t us;

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
	zone(&t, &gmtoff);
	if (!MR_CUT(&t, "]"))
		return false;
	MR_CUT(&t, ":");
	*out = stamp(days_from_civil(y, m, d), sec, us, gmtoff);
	*s = t;
	return true;
}

/* Up to the next blank; the blank is eaten. */
static bool cut_token(struct mr_str *s, struct mr_str *token)
{
	const char *q = memchr(s->p, ' ', s->n);

	if (!q || q == s->p)
		return false;
	*token = (struct mr_str){ s->p, (size_t)(q - s->p) };
	s->n -= token->n + 1;
	s->p = q + 1;
	return true;
}

/* "[155]" at *p, which moves behind it; false: something else stands there. */
static bool cut_pid(const char **p, const char *end, uint32_t *pid)
{
	const char *q = *p + 1;
	uint64_t v = 0;

	for (; q < end && is_digit(*q); q++) {
		v = v * 10 + (uint64_t)(*q - '0');
		if (v > UINT32_MAX)
			return false;
	}
	if (q == *p + 1 || q == end || *q != ']')
		return false;
	*p = q + 1;
	*pid = (uint32_t)v;
	return true;
}

/*
 * "program[pid]:", "program:" or "program [pid]:" at the left, with the blank behind it.
 *
 * Every line of a log comes through here, so this one walks by pointers that stay in registers.
 */
static bool cut_program(struct mr_str *s, struct mr_line *l)
{
	const char *p = s->p, *end = p + s->n, *name_end;
	uint32_t pid = 0;

	while (p < end && *p != ' ' && *p != '[' && *p != ':')
		p++;
	name_end = p;
	if (p == s->p || p == end)
		return false;
	if (*p == ' ' && end - p > 1 && p[1] == '[')
		p++;
	if (*p == '[' && !cut_pid(&p, end, &pid))
		return false;
	if (p == end || *p != ':')
		return false;
	p++;
	if (p < end && *p == ' ')
		p++;
	l->program = (struct mr_str){ s->p, (size_t)(name_end - s->p) };
	l->pid = pid;
	*s = (struct mr_str){ p, (size_t)(end - p) };
	return true;
}

/* busybox writes "facility.level" between host and program */
static void cut_facility(struct mr_str *s)
{
	struct mr_str token, t = *s, facility;

	if (!cut_token(&t, &token) || token.p[token.n - 1] == ':' /* a program, most often */ ||
	    !mr_cut_to(&token, '.', &facility) || facility.n > 8)
		return;
	if (mr_str_is(token, "info") || mr_str_is(token, "notice") || mr_str_is(token, "warn") ||
	    mr_str_is(token, "err") || mr_str_is(token, "debug") || mr_str_is(token, "crit") ||
	    mr_str_is(token, "alert") || mr_str_is(token, "emerg") || mr_str_is(token, "warning"))
		*s = t;
}

/* Up to the next blank, if no '[' or ':' comes first and no '[' follows: no program, whatever comes
 * then. */
static bool cut_plain_word(struct mr_str *s)
{
	const char *p = s->p, *end = p + s->n;

	while (p < end && *p != ' ' && *p != '[' && *p != ':')
		p++;
	if (p == s->p || p == end || *p != ' ' || (end - p > 1 && p[1] == '['))
		return false;
	*s = (struct mr_str){ p + 1, (size_t)(end - p - 1) };
	return true;
}

/* A host that is told by its IPv6 address, which is no program. */
static bool cut_address(struct mr_str *s)
{
	struct mr_str t = *s, host;
	struct mr_addr a;

	if (!cut_token(&t, &host) || host.n < 2 || !memchr(host.p, ':', host.n - 1) ||
	    mr_addr_parse(host.p, host.n, &a) < 0)
		return false;
	*s = t;
	return true;
}

/*
 * Behind a syslog stamp: "host program[pid]: message", "program: message" or just a message.
 *
 * Nearly all lines are "host program[pid]: message", and that is read without a second look: a word
 * that ends in ": " is no facility.
 */
static void cut_syslog_head(struct mr_str *s, struct mr_line *l)
{
	struct mr_str t = *s, u, host, id;
	bool plain;

	if (t.n && *t.p == '<') /* "<mail.info>" of BSD's syslogd -v */
		cut_token(&t, &host);
	*s = t;
	plain = cut_plain_word(&t);
	if (!plain && !cut_address(&t) && (cut_program(s, l) || !cut_token(&t, &host)))
		return;
	u = t;
	if (cut_program(&u, l) && u.p[-1] == ' ' && l->program.p[l->program.n] != ' ') {
		t = u;
	} else {
		l->program.n = l->pid = 0;
		cut_facility(&t);
		if (!cut_program(&t, l))
			return;
	}
	*s = t;
	/* Solaris: "host program[pid]: [ID 702911 mail.info] message" */
	if (MR_CUT(&t, "[ID ") && mr_cut_to(&t, ']', &id) && MR_CUT(&t, " "))
		*s = t;
}

/* RFC 5424 behind "<PRI>1 ": TIMESTAMP HOST APP PROCID MSGID SD MSG.  SD-PARAM values escape ] as
 * \]. */
static bool cut_rfc5424(struct mr_str *s, struct mr_clock *c, struct mr_line *l)
{
	struct mr_str t = *s, token, procid;
	uint64_t pid = 0;

	if (!MR_CUT(&t, "- ") && !(cut_iso(&t, c, &l->time_us) && MR_CUT(&t, " ")))
		return false;
	if (!cut_token(&t, &token) || !cut_token(&t, &l->program) || !cut_token(&t, &procid) ||
	    !cut_token(&t, &token))
		return false;
	if (mr_str_is(l->program, "-"))
		l->program.n = 0;
	if (mr_cut_number(&procid, &pid) && procid.n == 0 && pid <= UINT32_MAX)
		l->pid = (uint32_t)pid;
	if (!MR_CUT(&t, "-")) {
		bool quoted = false;

		while (t.n && (quoted || *t.p == '[' || t.p[-1] != ']')) {
			if (quoted && *t.p == '\\' && t.n > 1) {
				t.p++;
				t.n--;
			} else if (*t.p == '"') {
				quoted = !quoted;
			}
			t.p++;
			t.n--;
		}
		if (t.p[-1] != ']')
			return false;
	}
	MR_CUT(&t, " ");
	MR_CUT(&t, "\xef\xbb\xbf");
	*s = t;
	return true;
}

static void cut_pri(struct mr_str *s, bool *v1)
{
	struct mr_str t = *s;
	uint64_t pri;

	*v1 = false;
	if (!MR_CUT(&t, "<") || !mr_cut_number(&t, &pri) || pri > 191 || !MR_CUT(&t, ">"))
		return;
	*v1 = MR_CUT(&t, "1 ");
	*s = t;
}

/* "message repeated 3 times: [ MESSAGE]": rsyslog's word for the same message again */
static void cut_repeated(struct mr_str *s, struct mr_line *l)
{
	struct mr_str t = *s;
	uint64_t n;

	if (!MR_CUT(&t, "message repeated ") || !mr_cut_number(&t, &n) || n == 0 ||
	    n > REPEATED_MAX || !MR_CUT(&t, " times: [") || !MR_TRIM(&t, "]"))
		return;
	MR_CUT(&t, " ");
	l->repeated = (uint32_t)n;
	*s = t;
}

int mr_line_parse(const char *p, size_t n, struct mr_clock *clock, struct mr_line *out)
{
	struct mr_str s;
	uint64_t time_us = 0;
	bool v1;

	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	if (n == 0 || n > MR_LINE_MAX)
		return -EINVAL;
	s = (struct mr_str){ p, n };
	*out = (struct mr_line){ .text = s };
	cut_pri(&s, &v1);
	p = s.p;
	if (v1 && cut_rfc5424(&s, clock, out)) {
		out->body = s;
	} else if (cut_bsd(&s, clock, &time_us) || cut_iso(&s, clock, &time_us) ||
		   cut_with_year(&s, clock, &time_us) || cut_unpadded(&s, clock, &time_us) ||
		   cut_tai64n(&s, &time_us) || cut_journalctl(&s, clock, &time_us)) {
		out->time_us = time_us;
		MR_CUT(&s, " ");
		out->body = s;
		/* 2026/11/21 is nginx's own log: "[info] 218#218: …", no host, no program */
		if (p[4] != '/')
			cut_syslog_head(&s, out);
	} else if (cut_bracket(&s, clock, &out->time_us)) {
		MR_CUT(&s, " ");
		out->body = s;
	} else {
		out->body = s;
		cut_program(&s, out);
	}
	if (s.n && *s.p == 'm')
		cut_repeated(&s, out);
	out->message = s;
	return 0;
}
