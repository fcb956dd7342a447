/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.h - the head of a line that begins as the one before did; private to line.c and reader.c.
 *
 * Of most lines nothing else is looked at: their program is known, and tells nothing.  That is
 * settled here, in registers; everything else is line.c's.
 */
#ifndef MAILREEVE_LIB_FORMAT_LINE_H
#define MAILREEVE_LIB_FORMAT_LINE_H

#include "stamp.h"

#include <endian.h>

/* "[155]" at *p, which moves behind it; false: something else stands there. */
bool mr_line_long_pid(const char **p, const char *end, uint32_t *pid);
/* The rest of a line whose head mr_line_head() has read. */
void mr_line_complete(const char *p, size_t n, const struct mr_clock *clock, const char *message,
		      struct mr_line *out);

static inline size_t mr_line_first_byte(uint64_t hit)
{
	return (size_t)__builtin_ctzll(hit) / 8;
}

/*
 * The same, eight bytes at once: numbers have three to seven digits, and a loop that ends now here,
 * now there is guessed wrong for every line.  The digits go to the end of eight, behind zeroes;
 * pairs of them are added up, then fours, then all.
 */
static inline bool mr_line_pid(const char **p, const char *end, uint32_t *pid)
{
	const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
	uint64_t v, others;
	size_t n;

	if (end - *p < 10)
		return mr_line_long_pid(p, end, pid);
	memcpy(&v, *p + 1, sizeof(v));
	v = le64toh(v) ^ ones * '0';
	others = ((v + ones * (0x80 - 10)) | v) & tops;
	if (!others)
		return mr_line_long_pid(p, end, pid);
	n = mr_line_first_byte(others);
	if (n == 0 || (*p)[1 + n] != ']')
		return false;
	v <<= 64 - 8 * n;
	v = v * 10 + (v >> 8);
	v = (v & 0x00ff00ff00ff00ffu) * 100 + (v >> 16 & 0x00ff00ff00ff00ffu);
	v = (v & 0x0000ffff0000ffffu) * 10000 + (v >> 32 & 0x0000ffffu);
	*pid = (uint32_t)v;
	*p += 2 + n;
	return true;
}

typedef uint8_t mr_line_bytes16 __attribute__((vector_size(16)));

/* Where a word ends: the first blank, '[' or ':' from p on; `end` if there is none. */
static inline const char *mr_line_word_end(const char *p, const char *end)
{
	for (; end - p >= 16; p += 16) {
		uint64_t hit[2];
		mr_line_bytes16 v;

		memcpy(&v, p, sizeof(v));
		v = (mr_line_bytes16)((v == ' ') | (v == '[') | (v == ':'));
		memcpy(hit, &v, sizeof(hit));
		if (hit[0])
			return p + mr_line_first_byte(le64toh(hit[0]));
		if (hit[1])
			return p + 8 + mr_line_first_byte(le64toh(hit[1]));
	}
	while (p < end && *p != ' ' && *p != '[' && *p != ':')
		p++;
	return p;
}

/* Both are n bytes long: eight at a time, and the last eight in any case. */
static inline bool mr_line_same(const char *a, const char *b, size_t n)
{
	uint64_t v, w, differ = 0;

	if (n < 8)
		return memcmp(a, b, n) == 0;
	for (size_t i = 0; i < n; i += 8) {
		size_t at = i + 8 < n ? i : n - 8;

		memcpy(&v, a + at, 8);
		memcpy(&w, b + at, 8);
		differ |= v ^ w;
	}
	return !differ;
}

/* Stamp and host are those of the line before. */
static inline bool mr_line_repeats(const struct mr_clock *c, const char *p, size_t n)
{
	size_t head = MR_STAMP_BSD + 1 + c->host_n;

	return c->host_n && n >= head && p[3] == ' ' && mr_line_same(p, c->last, head);
}

/* "program[pid]: " or "program: ", and nothing else: returns where the message begins; NULL: look
 * closer. */
static inline const char *mr_line_message(const char *start, const char *end, struct mr_line *l)
{
	const char *p = mr_line_word_end(start, end);
	uint32_t pid = 0;

	l->program = (struct mr_str){ start, (size_t)(p - start) };
	if (p == start || p == end || (*p == '[' && !mr_line_pid(&p, end, &pid)) || end - p < 2 ||
	    p[0] != ':' || p[1] != ' ')
		return NULL;
	l->pid = pid;
	return p + 2;
}

/* Behind stamp, host and program, if stamp and host are those of the line before: where the message
 * begins, with program and pid in *out; NULL: look closer. */
static inline const char *mr_line_head(const char *p, size_t n, const struct mr_clock *c,
				       struct mr_line *out)
{
	return mr_line_repeats(c, p, n)
		       ? mr_line_message(p + MR_STAMP_BSD + 1 + c->host_n, p + n, out)
		       : NULL;
}

/* The same line's other parts. */
static inline void mr_line_fill(const char *p, size_t n, const struct mr_clock *c,
				const char *message, struct mr_line *out)
{
	const char *body = p + MR_STAMP_BSD + 1;

	out->syslog = true;
	out->repeated = 0;
	out->time_us = c->last_us;
	out->text = (struct mr_str){ p, n };
	out->body = (struct mr_str){ body, (size_t)(p + n - body) };
	out->message = (struct mr_str){ message, (size_t)(p + n - message) };
}

#endif
