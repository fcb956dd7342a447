/* SPDX-License-Identifier: BSD-2-Clause */
/* learn_print.h - what `learn --dry-run` shows: an event a line, progress, the summary. */
#ifndef MAILREEVE_CTL_LEARN_PRINT_H
#define MAILREEVE_CTL_LEARN_PRINT_H

#include <mailreeve/learn.h>
#include <mailreeve/reader.h>

#define MR_LEARN_BUFFER 65536 /* bytes gathered for one write */
struct mr_learn_print {
	bool json;
	uint64_t bytes, size; /* progress; size 0: unknown */
	uint64_t started_ns, shown_ns; /* boot clock */
	_Atomic bool on_show; /* progress is on the terminal: one thread sets it, one clears */
	struct {
		const char *format;
		uint64_t events[4];
	} format[128];
	size_t formats;
	uint64_t actions[4];
	const char *bold,
		*plain; /* what the terminal wants to hear around a word; NULL: not asked */
	size_t n;
	char buffer[MR_LEARN_BUFFER];
};

void mr_learn_print_event(struct mr_learn_print *p, const char *file, uint64_t line,
			  const struct mr_event *e, const struct mr_learn_result *r);
/* What was gathered goes out: before a read that may wait, and at the end. */
void mr_learn_print_flush(struct mr_learn_print *p);
void mr_learn_print_progress(struct mr_learn_print *p, size_t bytes);
void mr_learn_print_summary(struct mr_learn_print *p, const struct mr_reader_stats *s);

#endif
