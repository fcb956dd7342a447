/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dovecot.h - what dovecot.c and dovecot_auth.c share: how Dovecot spells a session, and which
 * attempts the authentication side told already.
 */
#ifndef MAILREEVE_FORMAT_DOVECOT_H
#define MAILREEVE_FORMAT_DOVECOT_H

#include <mailreeve/format.h>

/* Is the whole of it a session id?  One that names nobody (zero bytes) is none. */
bool mr_dovecot_session(struct mr_str id);

/* A line of "auth", "auth-worker" or libpam; `whole` begins with the program. */
enum mr_parse mr_dovecot_auth(const struct mr_line *l, struct mr_str whole, struct mr_join *j,
			      struct mr_event *out);
/* How many of `attempts` libpam told already, without a session; they are taken off its account. */
uint32_t mr_dovecot_auth_told(struct mr_join *j, const struct mr_event *e, uint64_t time_us,
			      uint32_t attempts);

#endif
