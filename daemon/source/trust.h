/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trust.h - whose records of the journal are believed to be a mail server's.
 */
#ifndef MAILREEVE_DAEMON_SOURCE_TRUST_H
#define MAILREEVE_DAEMON_SOURCE_TRUST_H

#include "feed.h"

struct mr_trust; /* the uids behind the names of the table, as /etc/passwd has them */

int mr_trust_new(const char *passwd, struct mr_trust **out);
void mr_trust_free(struct mr_trust *t);
MR_DEFINE_CLEANUP(struct mr_trust *, mr_trust_free)
/* May this writer have written a line of this format?  Names that the table does not know are those
 * of own formats. */
bool mr_trust_writer(struct mr_trust *t, const struct mr_writer *w, const char *format);
/* … of any format? */
bool mr_trust_any(struct mr_trust *t, const struct mr_writer *w, bool own);
/* Does a server's own program write this beside its log, where nothing is to be learned from it? */
bool mr_trust_aside(const struct mr_writer *w);

#endif
