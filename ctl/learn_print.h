/* SPDX-License-Identifier: BSD-2-Clause */
/* learn_print.h - what `learn --dry-run` shows: an event a line, progress, the summary. */
#ifndef MAILREEVE_CTL_LEARN_PRINT_H
#define MAILREEVE_CTL_LEARN_PRINT_H

#include <mailreeve/learn.h>
#include <mailreeve/reader.h>

struct mr_learn_print {
	bool json;
	uint64_t bytes, shown; /* progress */
	uint64_t started_ns;
	struct {
		const char *format;
		uint64_t events[4];
	} format[64];
	size_t formats;
};

void mr_learn_print_event(struct mr_learn_print *p, const char *file, uint64_t line,
			  const struct mr_event *e, const struct mr_learn_result *r);
void mr_learn_print_progress(struct mr_learn_print *p, size_t bytes);
void mr_learn_print_summary(const struct mr_learn_print *p, const struct mr_reader_stats *s);

#endif
