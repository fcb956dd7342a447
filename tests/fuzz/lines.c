// SPDX-License-Identifier: BSD-2-Clause
/*
 * lines.c - libFuzzer harness of all log formats: the input is a log, line by line.
 *
 * Of every event: its strings lie in the line or in the joiner, its address stands in the line
 * (a run of address characters parses to it) or was in an earlier one, counts and names are sane.
 * A reader that asks every format about every line comes to the same.
 */
#include <mailreeve/reader.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool addr_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* Whether some run of address characters, or an end of one behind a colon (U:A), a beginning of one
 * before a colon (A:port), is the address. */
static bool stands_in(const struct mr_addr *a, const char *p, size_t n)
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

static void check(const struct mr_event *e, const char *log, size_t n)
{
	unsigned char touch = 0;

	if (e->kind > MR_EV_ABUSE || !e->format || !e->what || e->count == 0 ||
	    !mr_format_find(e->format))
		abort();
	/* the sanitizer objects if these are not in anything that lives */
	for (size_t i = 0; i < e->user.n; i++)
		touch ^= (unsigned char)e->user.p[i];
	for (size_t i = 0; i < e->session.n; i++)
		touch ^= (unsigned char)e->session.p[i];
	__asm__ volatile("" : : "r"(touch)); /* the reads are not optimised away */
	if (e->user.n > n || e->session.n > n || !stands_in(&e->addr, log, n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_reader_options o = { .legacy = true, .sessions = 16 };
	const char *log = (const char *)data, *p = log, *end = log + size;
	_cleanup_(mr_reader_freep) struct mr_reader *r = NULL, *thorough = NULL;
	struct mr_error err;

	if (mr_reader_new(&o, &r, &err) < 0)
		abort();
	mr_reader_clock(r, 1795298400000000u, NULL);
	o.thorough = true;
	if (mr_reader_new(&o, &thorough, &err) < 0)
		abort();
	mr_reader_clock(thorough, 1795298400000000u, NULL);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl + 1 : end) - p);
		struct mr_event e, x;
		enum mr_parse result;
		char *line = malloc(n); /* of its own: reads behind it are seen */

		if (!line)
			abort();
		memcpy(line, p, n);
		result = mr_reader_line(r, line, n, &e);
		if (result == MR_PARSE_EVENT)
			check(&e, log, (size_t)(p - log) + n);
		if (mr_reader_line(thorough, line, n, &x) != result ||
		    (result == MR_PARSE_EVENT && (x.kind != e.kind || x.format != e.format ||
						  memcmp(&x.addr, &e.addr, sizeof(x.addr)) != 0)))
			abort();
		free(line);
		p += n;
	}
	return 0;
}
