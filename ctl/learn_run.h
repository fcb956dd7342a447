/* SPDX-License-Identifier: BSD-2-Clause */
/* learn_run.h - the dry run and the explanation of `learn`: logs in, decisions out, on the log's
 * own clock. */
#ifndef MAILREEVE_CTL_LEARN_RUN_H
#define MAILREEVE_CTL_LEARN_RUN_H

#include "ctl.h"
#include "learn_print.h"

struct mr_learn_run {
	const struct mr_policy *policy;
	struct mr_learn_setup setup;
	struct mr_reader *reader;
	struct mr_learner *learner;
	struct mr_book *book;
	struct mr_learn_print print;
	uint32_t files; /* begun so far */
	uint64_t now; /* ns, realtime when it began: stamps beyond are from the future */
	uint64_t clock; /* ns: the log's own */
	uint64_t tick; /* ns: when the learner looks after sessions next */
	unsigned int strikes; /* stamps in a row that do not fit the clock */
};

/* `run` is zeroed but for policy, setup and print.json. */
enum mr_exit mr_learn_run_open(struct mr_learn_run *run, const char *const *formats, size_t n);
void mr_learn_run_close(struct mr_learn_run *run);
enum mr_exit mr_learn_run_file(struct mr_learn_run *run, const char *path);

/* learn_explain.c: which format takes each of the lines, and what it reads. */
enum mr_exit mr_learn_explain(struct mr_reader *reader, const struct mr_ctl *ctl);

#endif
