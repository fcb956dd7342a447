/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _load.h - many questions to a server, and how long the answers take.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "_bench.h"

#define BENCH_LOAD_CONNECTIONS 100
#define BENCH_LOAD_BYTES       4096 /* of a question, and of an answer */

struct bench_load {
	const char *path; /* a unix socket; NULL: TCP */
	uint16_t port; /* on 127.0.0.1 of the namespace */
	int ns;
	unsigned int connections;
	double rate; /* questions a second, whether or not answers come; 0: each after the last */
	double ms; /* how long */
	bool awake; /* looks for an answer a while before it sleeps: its own waking is not counted
		     */
	size_t (*ask)(uint64_t number, char out[static BENCH_LOAD_BYTES], void *userdata);
	/* Length of the first whole answer; 0: more must come; -errno: no answer. */
	ssize_t (*answer)(const char *p, size_t n);
	void *userdata;
};
struct bench_load_result {
	uint64_t answers;
	double a_second, p50, p99, worst; /* ms; with a rate: from when the question was due */
	char first[256]; /* the first answer */
};

int bench_load_run(const struct bench_load *l, struct bench_load_result *out, struct mr_error *e);

/* A process that answers policy questions with this, and with no thought (_echo.c). */
#define BENCH_ECHO_TEXT "action=DUNNO\n\n"
int bench_echo_start(const char *path, pid_t *out);
void bench_echo_stop(pid_t *pid);

#endif
