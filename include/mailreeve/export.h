/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * export.h - the journal's export format (systemd.io/JOURNAL_EXPORT_FORMATS) as log records.
 *
 * A record is a run of fields, "NAME=value" or, with any bytes in the value, "NAME", a newline,
 * the length in 64 bits little endian and the value; an empty line ends it.
 */
#ifndef MAILREEVE_EXPORT_H
#define MAILREEVE_EXPORT_H

#include <mailreeve/format.h>

struct mr_export;

int mr_export_new(struct mr_export **out);
void mr_export_free(struct mr_export *x);
MR_DEFINE_CLEANUP(struct mr_export *, mr_export_free)

/* Does a stream that begins like this hold exported records? */
bool mr_export_is(const char *p, size_t n);
/*
 * Takes at most one field of what is there, and returns how many bytes that were; 0: more is
 * needed.  `full`: the caller cannot offer more at once, so a line without an end is skipped.
 * *record: the field ended a record, and *out (borrowed until the next call) is it.
 */
size_t mr_export_feed(struct mr_export *x, const char *p, size_t n, bool full, bool *record,
		      struct mr_line *out);
/* At the end of the stream: the last record may lack its empty line. */
bool mr_export_end(struct mr_export *x, struct mr_line *out);

#endif
