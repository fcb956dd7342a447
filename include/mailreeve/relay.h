/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - what Postfix is answered: may this client talk, may it relay, and if not, in what
 * words.
 *
 * Pure logic over the login layer, the relay block and its lists.  An answer OK is given only to a
 * question that was asked for relaying; a question that was put in the wrong place gets DUNNO.
 */
#ifndef MAILREEVE_RELAY_H
#define MAILREEVE_RELAY_H

#include <mailreeve/login.h>
#include <mailreeve/names.h>

/* The lists of one policy.  Files are NULL until they have been read once. */
struct mr_relay_lists {
	struct mr_names *local, *to; /* local-domains, to: of the policy itself */
	struct mr_names *file[3]; /* by enum mr_names_kind */
};
/* Those of the policy itself; files are the caller's to read. */
int mr_relay_lists_new(const struct mr_policy *p, struct mr_relay_lists **out);
void mr_relay_lists_free(struct mr_relay_lists *l);
MR_DEFINE_CLEANUP(struct mr_relay_lists *, mr_relay_lists_free)
const char *mr_relay_path(const struct mr_policy *p, enum mr_names_kind kind); /* NULL: none */

struct mr_relay_query {
	/* service NULL: no rule is asked, only the account (a port of no service, no address) */
	struct mr_login_query login;
	const struct mr_relay_lists *lists;
	const char *sender, *recipient; /* "": the null sender; no recipient known */
	bool account_refuses; /* the limits of login.user's mailbox */
	bool relay; /* asked in the relay context, about one recipient */
	bool message; /* a recipient stage outside it: a header may go before the message */
};

enum mr_relay_answer_kind { MR_RELAY_DUNNO, MR_RELAY_OK, MR_RELAY_REFUSE, MR_RELAY_PREPEND };
#define MR_RELAY_TEXT	512 /* bytes of a reply or a header */
#define MR_RELAY_REASON 256 /* bytes of a reason, for the log and for `why` */
struct mr_relay_answer {
	enum mr_relay_answer_kind kind;
	bool may_relay; /* whatever was asked */
	bool shadow; /* it would be refused; kind is DUNNO */
	char text[MR_RELAY_TEXT]; /* REFUSE: code and text; PREPEND: the header; else empty */
	char reason[MR_RELAY_REASON];
	struct mr_login_answer login;
};
void mr_relay(const struct mr_relay_query *q, struct mr_relay_answer *out);
/* Would a live permit make the answer better? */
bool mr_relay_wants_permit(const struct mr_relay_query *q, const struct mr_relay_answer *a);

/* What check-sender asks: USER@HOST with a host that could be one; the null sender is valid. */
bool mr_relay_sender_valid(const char *sender);

#endif
