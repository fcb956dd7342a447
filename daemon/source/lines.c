// SPDX-License-Identifier: BSD-2-Clause
/*
 * lines.c - bytes to lines (lines.h).
 *
 * Half lines wait for their end.  A line longer than MR_LINE_MAX is none of a mail server: it is
 * skipped up to its newline and counted, and its tail is never taken for a line, for that tail may
 * be text that a client chose.  NUL bytes before a line are the hole that a writer leaves which
 * goes on at its old offset in a truncated file; they are dropped.  Bounded memory, linear time.
 * Never reads, never logs.  Called by the file and stream sources.
 */
#include "lines.h"

#define ROOM (MR_LINE_MAX + 1 + MR_LINES_READ)

void mr_lines_clear(struct mr_lines *l)
{
	free(l->buf);
	*l = (struct mr_lines){ 0 };
}

void mr_lines_reset(struct mr_lines *l, bool skipping)
{
	l->start = l->scanned = l->end = 0;
	l->skipping = skipping;
}

char *mr_lines_room(struct mr_lines *l, size_t *room)
{
	if (!l->buf)
		l->buf = malloc(ROOM);
	if (!l->buf)
		return NULL;
	if (l->start) {
		memmove(l->buf, l->buf + l->start, l->end - l->start);
		l->end -= l->start;
		l->scanned -= l->start;
		l->start = 0;
	}
	*room = ROOM - l->end;
	return l->buf + l->end;
}

void mr_lines_added(struct mr_lines *l, size_t n)
{
	l->end += n;
}

static void drop(struct mr_lines *l, size_t n, uint64_t *used)
{
	l->start += n;
	if (l->scanned < l->start)
		l->scanned = l->start;
	*used += n;
}

static void drop_hole(struct mr_lines *l, uint64_t *used)
{
	size_t n = 0;

	while (l->start + n < l->end && l->buf[l->start + n] == '\0')
		n++;
	if (n)
		drop(l, n, used);
}

bool mr_lines_next(struct mr_lines *l, struct mr_str *line, uint64_t *used)
{
	for (;;) {
		const char *p, *nl;
		size_t n;

		if (!l->skipping)
			drop_hole(l, used);
		if (l->start == l->end)
			return false;
		p = l->buf + l->start;
		nl = memchr(l->buf + l->scanned, '\n', l->end - l->scanned);
		l->scanned = l->end;
		if (!nl && !l->skipping && l->end - l->start <= MR_LINE_MAX)
			return false;
		if (!nl) {
			l->skipped += !l->skipping;
			l->skipping = true;
			drop(l, l->end - l->start, used);
			return false;
		}
		n = (size_t)(nl - p);
		l->scanned = l->start + n + 1;
		drop(l, n + 1, used);
		if (l->skipping) {
			l->skipping = false;
			continue;
		}
		if (n > MR_LINE_MAX) {
			l->skipped++;
			continue;
		}
		if (n == 0)
			continue;
		*line = (struct mr_str){ p, n };
		return true;
	}
}
