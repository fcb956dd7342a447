/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * why.h - the explanation of one verdict: which rule, which list line, which entry, and what a
 * login would still be asked.  One shape for the daemon, for `why -c` and for the login layer's log
 * lines.
 */
#ifndef MAILREEVE_WHY_H
#define MAILREEVE_WHY_H

#include <jansson.h>
#include <mailreeve/account.h>
#include <mailreeve/entry.h>
#include <mailreeve/match.h>
#include <mailreeve/relay.h>

/* What is known of a mailbox: the limits of the file, and what a store said, or why not. */
enum mr_why_store {
	MR_WHY_STORE_NONE, /* there is no store */
	MR_WHY_STORE_ANSWERED,
	MR_WHY_STORE_FAILED, /* on-failure says what holds; `limits` are the last known, or NULL */
	MR_WHY_STORE_UNREAD, /* not asked here: the daemon would */
};
struct mr_why_account {
	const struct mr_account_index *index;
	enum mr_why_store state;
	const struct mr_limits *limits; /* of the store; NULL: none */
	const char *store; /* its name */
	const char *error; /* of FAILED and UNREAD */
};

/* What the book holds of the address: its own entry, and that of its prefix. */
struct mr_why_entry {
	uint64_t services; /* bits by id; 0: none */
	uint64_t expires_in_us;
};

struct mr_why_query {
	const struct mr_policy *policy;
	const struct mr_host *host;
	struct mr_addr address;
	const struct mr_addr *to; /* NULL: any */
	const char *user; /* NULL: not asked; else what the rules say of this login */
	const struct mr_why_account *account; /* … and its limits; NULL: not asked */
	/* Postfix's questions about a mail; both NULL, or no lists: not asked */
	const char *sender, *recipient;
	const struct mr_relay_lists *lists;
	bool permitted, banned; /* pretended: for all services, without an end */
	struct mr_why_entry permit[MR_BOOK_COVERING], ban[MR_BOOK_COVERING];
	const uint8_t *service_id; /* by position in policy->services, NULL: no entries */
};

/* What `why ADDRESS [SERVICE|PORT]` answers: an array of objects, one for each service that was
 * asked; service NULL or "": all of them.  A port that is no service is an answer, a name that is
 * none is -ENOENT, and *e says which was probably meant; -EINVAL: a port out of range. */
int mr_why_ask(const struct mr_why_query *q, const char *service, json_t **out, struct mr_error *e);

/* The object of `why --json` for one service; service NULL: a port that is none.  Never NULL but
 * for want of memory.  *allowed: the verdict of the packet layer is allow. */
json_t *mr_why(const struct mr_why_query *q, const struct mr_service *s, uint16_t port,
	       bool *allowed);
/* why_account.c: the "account" of one service, NULL if none is asked; *refuses: its verdict. */
json_t *mr_why_account(const struct mr_why_query *q, enum mr_family family, bool *refuses);
void mr_why_account_print(const json_t *why, FILE *out);
/* No layer that was asked says no: what the command's exit status is. */
bool mr_why_allows(const json_t *why);
/* The same for people: several lines. */
int mr_why_print(const json_t *why, FILE *out);

#endif
