/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accounts.h - may this mailbox be used from there: the file's accounts and the store's, cached.
 */
#ifndef MAILREEVE_DAEMON_ACCOUNTS_H
#define MAILREEVE_DAEMON_ACCOUNTS_H

#include "manager.h"

#include <mailreeve/why.h>

/* The policy is another one than before, or there is none. */
void mr_accounts_apply(struct mr_manager *m);
void mr_accounts_stop(struct mr_manager *m);

typedef void (*mr_accounts_done)(void *userdata, bool refuses);
/*
 * 0 or 1: does the account refuse?  -EINPROGRESS: `done` says so later, once, from the loop, at the
 * latest when the accounts are stopped; unless it is cancelled before.  `done` may ask on, and may
 * cancel others.  `a` NULL: no address is known.
 */
int mr_accounts_ask(struct mr_manager *m, const char *name, enum mr_family family,
		    const struct mr_addr *a, mr_accounts_done done, void *userdata);
/* What is known now, after an answer of mr_accounts_ask; good until the next turn of the loop. */
void mr_accounts_why(struct mr_manager *m, const char *name, struct mr_why_account *out);
void mr_accounts_cancel(struct mr_manager *m, const void *userdata);

json_t *mr_accounts_json(const struct mr_manager *m); /* `accounts` of status; NULL: none */
void mr_accounts_warnings(const struct mr_manager *m,
			  void (*warn)(json_t *list, const char *fmt, ...), json_t *list);

#endif
