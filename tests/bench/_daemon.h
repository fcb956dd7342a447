/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _daemon.h - the real daemon in a directory and a network namespace of its own.
 */
#ifndef BENCH_DAEMON_H
#define BENCH_DAEMON_H

#include "_bench.h"

struct bench_daemon {
	struct bench *b;
	struct bench_wire wire; /* its device; ns < 0: none yet */
	unsigned int number; /* of the wire */
	char dir[96]; /* mailreeve.conf, run/, state/, pins/, log */
	char command[256], path[256];
	pid_t pid; /* 0: not running */
};

/* Makes directory and wire; starts nothing. */
int bench_daemon_new(struct bench *b, const char *name, unsigned int number,
		     struct bench_daemon *out, struct mr_error *e);
int bench_daemon_config(struct bench_daemon *d, const char *text);
/* Returns when it guards its device; -ENOENT: not built.  Failure is told, with the end of its log.
 */
int bench_daemon_start(struct bench_daemon *d);
/* One subcommand of mailreeve. */
int bench_daemon_command(struct bench_daemon *d, const char *verb, struct mr_error *e);
void bench_daemon_log(const struct bench_daemon *d); /* its end, to standard error */
double bench_daemon_peak_mib(const struct bench_daemon *d);
void bench_daemon_clear(struct bench_daemon *d);

#endif
