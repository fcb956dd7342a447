/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * journal.h - the systemd journal as a source of log lines.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_JOURNAL_H
#define MAILREEVE_DAEMON_SOURCE_JOURNAL_H

#include "feed.h"

struct mr_journal_options { /* copied */
	const char *dir; /* a directory of journal files; NULL: the system's */
	const char *const *units; /* "dovecot.service"; "postfix@.service": every instance */
	size_t n_units;
	const char *const *identifiers, *const *facilities; /* none: any */
	size_t n_identifiers, n_facilities;
};

int mr_feed_journal(const struct mr_journal_options *o, const struct mr_feed_start *start,
		    struct mr_feed **out);

#endif
