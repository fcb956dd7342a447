// SPDX-License-Identifier: BSD-2-Clause
/*
 * words.c - single words: durations, quotes, near misses, UTF-8.
 *
 * Pure functions over text, used by all of lib/config.  Never fails but for want of memory, where
 * a message then says less.
 */
#include "parser.h"

#include <string.h>

#define NEAR_MAX    48 /* bytes of a word that is compared for a near miss */
#define QUOTE_BYTES 40 /* of a token that a message quotes */

static const struct unit {
	const char *name;
	uint64_t us;
} units[] = { /* largest first: the order of the normal form */
	      { "d", 86400000000ull }, { "h", 3600000000ull }, { "m", 60000000ull },
	      { "s", 1000000ull },     { "ms", 1000ull },      { "w", 7 * 86400000000ull }
};

static const struct unit *unit_of(const char *text, size_t len)
{
	for (size_t i = 0; i < MR_ARRAY_SIZE(units); i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, text, len) == 0)
			return &units[i];
	return NULL;
}

int mr_word_duration(const char *text, size_t len, uint64_t *us, const char **why)
{
	uint64_t total = 0;
	size_t i = 0;

	*why = "a duration is written 30s, 10m, 1h30m or 7d";
	if (len == 0)
		return -EINVAL;
	while (i < len) {
		size_t start = i, digits;
		const struct unit *u;
		uint64_t n = 0;

		for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
			n = n * 10 + (uint64_t)(text[i] - '0');
			if (n > MR_DURATION_MAX)
				goto big;
		}
		digits = i;
		while (i < len && (text[i] < '0' || text[i] > '9'))
			i++;
		if (digits == start)
			return -EINVAL;
		if (i == digits) {
			*why = "a number needs a unit: 30s, 30m, 30h or 30d";
			return -EINVAL;
		}
		u = unit_of(text + digits, i - digits);
		if (!u) {
			*why = "the units are ms, s, m, h, d and w";
			return -EINVAL;
		}
		if (n > MR_DURATION_MAX / u->us)
			goto big;
		total += n * u->us;
		if (total > MR_DURATION_MAX)
			goto big;
	}
	*us = total;
	return 0;
big:
	*why = "ten years (3650d) are the most";
	return -ERANGE;
}

const char *mr_word_duration_text(struct mr_arena **a, uint64_t us)
{
	char buf[96];
	size_t n = 0;

	for (size_t i = 0; i < MR_ARRAY_SIZE(units) - 1; i++) {
		uint64_t count = us / units[i].us;

		if (!count)
			continue;
		us %= units[i].us;
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%llu%s", (unsigned long long)count,
				      units[i].name);
	}
	return n ? mr_arena_copy(a, buf, n) : mr_arena_copy(a, "0s", 2);
}

bool mr_word_is(const struct mr_token *t, const char *word)
{
	return t->kind == MR_TOKEN_WORD && strlen(word) == t->len &&
	       memcmp(word, t->text, t->len) == 0;
}

const char *mr_word_quote(struct mr_arena **a, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = len < QUOTE_BYTES ? len : QUOTE_BYTES;
	char buf[QUOTE_BYTES * 4 + 8], *to = buf;
	bool utf8;

	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	utf8 = mr_word_utf8(text, n);
	*to++ = '"';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !utf8)) {
			*to++ = '\\';
			*to++ = 'x';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else {
			*to++ = (char)c;
		}
	}
	if (n < len) {
		memcpy(to, "…", 3);
		to += 3;
	}
	*to++ = '"';
	text = mr_arena_copy(a, buf, (size_t)(to - buf));
	return text ? text : "\"…\"";
}

const char *mr_word_print(struct mr_arena **a, const char *text)
{
	size_t len = strlen(text);
	bool bare = len > 0 && strcmp(text, "include") != 0;
	char *copy, *to;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f || strchr("{};\"#\\", c))
			bare = false;
	}
	if (bare)
		return text;
	copy = mr_arena_alloc(a, len * 2 + 3);
	if (!copy)
		return NULL;
	to = copy;
	*to++ = '"';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*to++ = '\\';
		*to++ = text[i];
	}
	*to = '"';
	return copy;
}

/* Edits from one word to the other (a swap of neighbours is one), at most `max` + 1. */
static unsigned int edits(const char *a, size_t n, const char *b, size_t m)
{
	unsigned int row[3][NEAR_MAX + 1];

	for (unsigned int j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int d = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < d)
				d = up[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < d)
				d = up2[j - 2] + 1;
			now[j] = d;
		}
	}
	return row[n % 3][m];
}

void mr_word_closer(const char *text, size_t len, const char *candidate, const char **best,
		    unsigned int *distance)
{
	size_t m = strlen(candidate);
	unsigned int d;

	if (len == 0 || m == 0 || len > NEAR_MAX || m > NEAR_MAX)
		return;
	d = edits(text, len, candidate, m);
	if (d > (m < 4 ? 1u : m < 8 ? 2u : 3u) || d >= len)
		return;
	if (!*best || d < *distance) {
		*best = candidate;
		*distance = d;
	}
}

bool mr_word_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	while (s < end) {
		unsigned int more, min, v;

		if (*s < 0x80) {
			s++;
			continue;
		}
		if ((*s & 0xe0) == 0xc0)
			more = 1, min = 0x80, v = *s & 0x1f;
		else if ((*s & 0xf0) == 0xe0)
			more = 2, min = 0x800, v = *s & 0x0f;
		else if ((*s & 0xf8) == 0xf0)
			more = 3, min = 0x10000, v = *s & 0x07;
		else
			return false;
		if ((size_t)(end - s) <= more)
			return false;
		for (unsigned int i = 1; i <= more; i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
			v = v << 6 | (s[i] & 0x3f);
		}
		if (v < min || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
			return false;
		s += more + 1;
	}
	return true;
}
