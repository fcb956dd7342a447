/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * logfile.h - one open log file, read line by line from a place that can be found again.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_LOGFILE_H
#define MAILREEVE_DAEMON_SOURCE_LOGFILE_H

#include "feed.h"
#include "lines.h"

#include <sys/stat.h>

#define MR_LOGFILE_TAIL 64 /* bytes before our place that must stay what they were */

struct mr_logfile {
	int fd, wd;
	bool fifo;
	dev_t dev;
	ino_t ino;
	uint64_t offset; /* behind the last byte that was handed on */
	struct mr_lines lines;
	char tail[MR_LOGFILE_TAIL];
	size_t tail_n;
	uint64_t old_end,
		old_us; /* what was there when it was opened, and how old that is at least */
	uint64_t read_at; /* boot ns of the last bytes */
};

/* Takes the descriptor over. */
void mr_logfile_init(struct mr_logfile *l, int fd, const struct stat *st);
void mr_logfile_clear(struct mr_logfile *l);
/* To an offset; within a line, the rest of it is skipped. */
void mr_logfile_seek(struct mr_logfile *l, uint64_t offset);
/* To the first line that is not older, by bisection; a file whose lines bear no time is read from
 * its end. */
void mr_logfile_since(struct mr_logfile *l, uint64_t since_us);
/* 1: more is there; 0: read to its end; -errno.  A file that was cut off, or cut and filled again,
 * is read from its start. */
int mr_logfile_read(struct mr_logfile *l, const struct mr_feed *f, uint64_t deadline);
uint64_t mr_logfile_behind(const struct mr_logfile *l);

/* The place, for the state directory: {"inode","offset","head","print"}. */
json_t *mr_logfile_place(struct mr_logfile *l);
/* Is this the file of that place, or a copy of it? */
bool mr_logfile_is(int fd, const struct stat *st, const json_t *place);
uint64_t mr_logfile_place_offset(const json_t *place);

#endif
