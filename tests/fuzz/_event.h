/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _event.h - what the harnesses of log formats share: text in an allocation that ends where it
 * ends, so that every read behind it is seen, and what must hold of every event.
 */
#ifndef MAILREEVE_TESTS_FUZZ_EVENT_H
#define MAILREEVE_TESTS_FUZZ_EVENT_H

#include <mailreeve/reader.h>

#include <stdlib.h>

#define EVENT_NOW_US 1795298400000000u /* 2026-11-22: the clock of stamps without a year */
/* and of those without a zone: central Europe's, with its two changes of that year */
static const struct mr_zone event_zone = {
	3600, { { 1792890000000000u, 7200 }, { 1774746000000000u, 3600 } }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of exactly n bytes: nothing stands behind them, no newline and no NUL. */
static inline char *exact_copy(const char *p, size_t n)
{
	char *copy = malloc(n);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	return copy;
}

/* Two of them: one asks every format about every line, and has to come to the same. */
struct readers {
	struct mr_reader *r, *thorough;
};

static inline struct readers readers_new(size_t size)
{
	/* without the formats of old servers, as the daemon reads, some inputs: it takes shortcuts
	 */
	struct mr_reader_options o = { .legacy = size % 4 != 3, .sessions = 16 };
	struct readers two;
	struct mr_error err;

	if (mr_reader_new(&o, &two.r, &err) < 0)
		abort();
	o.thorough = true;
	if (mr_reader_new(&o, &two.thorough, &err) < 0)
		abort();
	mr_reader_clock(two.r, EVENT_NOW_US, &event_zone);
	mr_reader_clock(two.thorough, EVENT_NOW_US, &event_zone);
	return two;
}

static inline void readers_free(struct readers two)
{
	mr_reader_free(two.r);
	mr_reader_free(two.thorough);
}

static inline bool addr_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* Whether some run of address characters, or an end of one behind a colon (U:A), a beginning of one
 * before a colon (A:port), is the address. */
static inline bool stands_in(const struct mr_addr *a, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t end = i;

		if (!addr_char(p[i]) || (i && addr_char(p[i - 1]) && p[i - 1] != ':'))
			continue;
		while (end < n && addr_char(p[end]) && end - i < MR_ADDR_TEXT)
			end++;
		for (size_t k = end; k > i; k--) {
			struct mr_addr x;

			if ((k == end || p[k] == ':' || p[k] == '.') &&
			    mr_addr_parse(p + i, k - i, &x) == 0 &&
			    memcmp(x.b, a->b, sizeof(x.b)) == 0)
				return true;
		}
	}
	return false;
}

/* Every byte is read: the sanitizer objects if it is not in anything that lives. */
static inline void touch(struct mr_str s)
{
	unsigned char sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum ^= (unsigned char)s.p[i];
	__asm__ volatile("" : : "r"(sum)); /* the reads are not optimised away */
}

/* `log`, of n bytes: all that was read so far. */
static inline void event_check(const struct mr_event *e, const char *log, size_t n)
{
	if (e->kind > MR_EV_ABUSE || !e->format || !e->what || !mr_format_find(e->format))
		abort();
	touch(e->user);
	touch(e->session);
	if (e->user.n > n || e->session.n > n || !stands_in(&e->addr, log, n))
		abort();
}

static inline void event_same(enum mr_parse result, const struct mr_event *e, enum mr_parse other,
			      const struct mr_event *x)
{
	if (other != result ||
	    (result == MR_PARSE_EVENT && (x->kind != e->kind || x->format != e->format ||
					  memcmp(&x->addr, &e->addr, sizeof(x->addr)) != 0)))
		abort();
}

/* One line, without its end. */
static inline void event_line(struct readers two, const char *p, size_t n, const char *log,
			      size_t log_n)
{
	char *line = exact_copy(p, n);
	struct mr_event e, x;
	enum mr_parse result = mr_reader_line(two.r, line, n, &e);

	if (result == MR_PARSE_EVENT)
		event_check(&e, log, log_n);
	event_same(result, &e, mr_reader_line(two.thorough, line, n, &x), &x);
	free(line);
}

#endif
