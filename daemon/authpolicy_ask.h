/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * authpolicy_ask.h - the answers behind the HTTP of authpolicy.c.
 */
#ifndef MAILREEVE_DAEMON_AUTHPOLICY_ASK_H
#define MAILREEVE_DAEMON_AUTHPOLICY_ASK_H

#include "manager.h"

#include <mailreeve/authpolicy.h>

struct mr_authpolicy_counts {
	uint64_t allowed, refused;
	uint64_t shadow; /* would have been refused, but for shadow mode */
	uint64_t reports, ignored; /* believed, and without the secret */
	uint64_t bad; /* not understood */
	uint64_t told_since; /* boot ns: messages about refusals are rationed */
	unsigned int told;
	uint8_t *listening; /* 65536, or NULL */
	uint64_t listening_at; /* boot ns */
};

/* Is this login refused, now that the account has spoken? */
bool mr_authpolicy_refuses(struct mr_manager *m, const struct mr_authpolicy *q,
			   bool account_refuses, struct mr_authpolicy_counts *c);
void mr_authpolicy_report(struct mr_manager *m, const struct mr_authpolicy *q, bool proved,
			  struct mr_authpolicy_counts *c);
void mr_authpolicy_ask_clear(struct mr_authpolicy_counts *c);

#endif
