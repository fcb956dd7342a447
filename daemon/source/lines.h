/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines.h - cuts a stream of bytes into lines, whatever the stream does.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_LINES_H
#define MAILREEVE_DAEMON_SOURCE_LINES_H

#include <mailreeve/format.h>

#define MR_LINES_READ \
	(64u << 10) /* bytes asked for at once: a syscall costs less than its copy \
		     */

struct mr_lines {
	char *buf;
	size_t start, scanned, end; /* unread from start; no newline in start..scanned */
	bool skipping; /* within a line that is too long, or that was not seen to begin */
	uint64_t skipped; /* lines given up */
};

void mr_lines_clear(struct mr_lines *l);
/* Begins anew; `skipping`: what comes first is the rest of a line, and no line. */
void mr_lines_reset(struct mr_lines *l, bool skipping);
/* Room for at least MR_LINES_READ bytes to be read into; NULL: out of memory. */
char *mr_lines_room(struct mr_lines *l, size_t *room);
/* `n` bytes were read into the room. */
void mr_lines_added(struct mr_lines *l, size_t n);
/* The next whole line without its newline; false: none yet.  *used grows by the bytes that are
 * done with, whether they made a line or not. */
bool mr_lines_next(struct mr_lines *l, struct mr_str *line, uint64_t *used);

#endif
