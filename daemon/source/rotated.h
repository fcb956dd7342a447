/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rotated.h - the files beside a log that it was rotated into.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_ROTATED_H
#define MAILREEVE_DAEMON_SOURCE_ROTATED_H

#include "logfile.h"

#define MR_ROTATED_MAX 6 /* files read beside the log: a day of hourly rotation is none of ours */

struct mr_rotated {
	int fd;
	struct stat st;
	bool packed; /* … still; never in what mr_rotated_since() gives */
};

/* A log, a FIFO for reading and writing; the descriptor or -errno. */
int mr_rotated_open(int dir, const char *name, struct stat *st);
/* The file of that place, or a copy of it, under any name that begins like the log's; a descriptor
 * or -ENOENT.  One that was compressed is unpacked, if it was written to after `since_us`. */
int mr_rotated_find(const char *dir, const char *base, const json_t *place, uint64_t since_us,
		    struct stat *st);
/* Files that rotation named (NAME.1, NAME-20260131, NAME.2.gz): those that were born (`by_birth`)
 * or written to since; the newest ones, the oldest of them first.  The descriptors are the
 * caller's; what was compressed is unpacked, and has its own file's time. */
size_t mr_rotated_since(const char *dir, const char *base, uint64_t since_us, bool by_birth,
			struct mr_rotated out[static MR_ROTATED_MAX]);

#endif
