/* SPDX-License-Identifier: BSD-2-Clause */
/* stamp.h - the time that a log line begins with; private to line.c and stamp.c. */
#ifndef MAILREEVE_LIB_FORMAT_STAMP_H
#define MAILREEVE_LIB_FORMAT_STAMP_H

#include <mailreeve/format.h>

#define MR_STAMP_BSD 15 /* bytes of "Nov 21 20:43:50" */

/* "Nov 21 20:43:50", ISO 8601, nginx's 2026/11/21, Apple's and ctime's with the year, multilog's
 * @4000…, journalctl's; *out is realtime in microseconds. */
bool mr_stamp_cut(struct mr_str *s, struct mr_clock *c, uint64_t *out);
/* "2026-11-21T20:43:50.123+00:00", "2026-11-21 20:43:50", "2026/11/21 20:43:50". */
bool mr_stamp_iso(struct mr_str *s, struct mr_clock *c, uint64_t *out);
/* "[21-Nov-2026 20:43:50 +0000]:" (Roundcube) and "[21/Nov/2026 20:43:50]" (Kerio). */
bool mr_stamp_bracket(struct mr_str *s, const struct mr_clock *c, uint64_t *out);

/* The line, of n bytes, begins with the BSD stamp that was read last (c->last_us) and a blank. */
static inline bool mr_stamp_repeats(const char *p, size_t n, const struct mr_clock *c)
{
	return n > MR_STAMP_BSD && p[3] == ' ' && p[MR_STAMP_BSD] == ' ' &&
	       memcmp(p, c->last, MR_STAMP_BSD) == 0;
}

#endif
