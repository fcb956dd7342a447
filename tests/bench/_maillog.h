/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _maillog.h - a mail log of the usual mix, the same for the same seed.
 */
#ifndef BENCH_MAILLOG_H
#define BENCH_MAILLOG_H

#include "_bench.h"

#define BENCH_LOG_LINE 512 /* bytes, more than the longest */

struct bench_maillog {
	uint64_t rng;
	uint64_t line; /* how many there were */
	uint64_t events; /* of these are a login or a failure */
};

/* One line with its newline, stamped with a second (local time); returns its length. */
size_t bench_maillog_line(struct bench_maillog *m, time_t at, char out[static BENCH_LOG_LINE]);
/* A file of n lines, 50 a second, ending now.  *events: logins and failures in it. */
int bench_maillog_write(const char *path, uint64_t seed, uint64_t n, uint64_t *events);
/* A Dovecot login alone. */
size_t bench_maillog_login(time_t at, const char *user, const char *address,
			   char out[static BENCH_LOG_LINE]);

#endif
