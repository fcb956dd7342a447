/* SPDX-License-Identifier: BSD-2-Clause */
/* account_store.h - the one shape of the stores: what account.c's callers do not see. */
#ifndef MR_ACCOUNT_STORE_H
#define MR_ACCOUNT_STORE_H

#include <mailreeve/account.h>

struct mr_account_store {
	int (*lookup)(struct mr_account_store *s, const char *name, struct mr_limits *out,
		      struct mr_error *e);
	void (*free)(struct mr_account_store *s);
};

#endif
