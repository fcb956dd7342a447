/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * journal_match.h - which records of the journal a source wants to see.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_JOURNAL_MATCH_H
#define MAILREEVE_DAEMON_SOURCE_JOURNAL_MATCH_H

#include "journal.h"

#include <systemd/sd-journal.h>

struct mr_journal_match {
	char **units, **identifiers, **facilities;
};

int mr_journal_match_init(struct mr_journal_match *m, const struct mr_journal_options *o);
void mr_journal_match_clear(struct mr_journal_match *m);
/* Tells libsystemd: records of the units, and what journald says of records that it dropped. */
int mr_journal_match_add(const struct mr_journal_match *m, sd_journal *j, struct mr_error *e);
/* Is this one of the units?  Slices hold more than the instances that were asked for. */
bool mr_journal_match_unit(const struct mr_journal_match *m, const char *unit);

#endif
