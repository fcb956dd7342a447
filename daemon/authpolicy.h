/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * authpolicy.h - the HTTP side of Dovecot's authentication policy: who may log in, and reports of
 * who did.
 */
#ifndef MAILREEVE_DAEMON_AUTHPOLICY_H
#define MAILREEVE_DAEMON_AUTHPOLICY_H

#include "manager.h"

/* The policy is another one than before, or there is none: listens where it says, or nowhere. */
void mr_authpolicy_apply(struct mr_manager *m);
void mr_authpolicy_stop(struct mr_manager *m);

json_t *mr_authpolicy_json(const struct mr_manager *m); /* `dovecot` of status; NULL: not asked */
void mr_authpolicy_warnings(const struct mr_manager *m,
			    void (*warn)(json_t *list, const char *fmt, ...), json_t *list);

#endif
