/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * authpolicy.h - Dovecot's authentication policy protocol: what it asks, and what it is answered.
 *
 * Pure logic: a body of JSON to a request, a request and a policy to an answer, an answer to a body
 * of JSON.  Every text of a request is hostile but the address, which Dovecot knows itself.
 */
#ifndef MAILREEVE_AUTHPOLICY_H
#define MAILREEVE_AUTHPOLICY_H

#include <mailreeve/event.h>
#include <mailreeve/login.h>

#define MR_AUTHPOLICY_BODY    (64u << 10) /* bytes of a request; Dovecot sends 130 to 600 */
#define MR_AUTHPOLICY_LOGIN   320 /* bytes: local part and domain; a longer one is nobody's */
#define MR_AUTHPOLICY_SESSION 64 /* bytes; Dovecot's have 16 */
#define MR_AUTHPOLICY_WORD    16 /* bytes of a protocol or a fail_type */

struct mr_authpolicy {
	struct mr_addr address; /* unmapped; zero if !has_address: no network client */
	bool has_address;
	enum mr_family family; /* MR_FAMILY_NONE: not told, or none of ours */
	uint16_t port; /* local port; 0: not told */
	char login[MR_AUTHPOLICY_LOGIN + 1]; /* "" with login_odd: too long, or holds a NUL */
	bool login_odd;
	char session[MR_AUTHPOLICY_SESSION + 1]; /* "": none */
	bool report; /* has `success` */
	bool success, policy_reject;
	char fail_type[MR_AUTHPOLICY_WORD + 1]; /* since Dovecot 2.4; "": none */
};

/* -EBADMSG: no request, *e says why. */
int mr_authpolicy_parse(const char *body, size_t len, struct mr_authpolicy *out,
			struct mr_error *e);

/* The event that a report tells of; false: none (a refusal of our own, or Dovecot's own trouble).
 * Borrows from *q. */
bool mr_authpolicy_event(const struct mr_authpolicy *q, struct mr_event *out);

struct mr_authpolicy_query {
	const struct mr_policy *policy;
	const struct mr_host *host;
	const struct mr_authpolicy *request;
	uint64_t permitted, banned; /* bit by position in policy->services */
	const uint8_t *listening; /* 65536, 1: somebody listens on the port here; NULL: unknown */
	bool account_refuses;
};
struct mr_authpolicy_answer {
	bool refuse;
	bool shadow; /* refused, but for a service in shadow mode */
	bool account; /* the account refuses; else the rules */
	const struct mr_service *service; /* the first that refuses, or NULL */
	struct mr_login_answer login; /* its answer */
};
/*
 * `allow`: refuses only if every service would through which this login can have come: that of its
 * port if Dovecot tells it, else all of its family.  A port of the family that the policy does not
 * filter, and where somebody listens, lets in whom the others refuse for the address alone.
 */
void mr_authpolicy_judge(const struct mr_authpolicy_query *q, struct mr_authpolicy_answer *out);

/* {"status": 0, "msg": ""}; status below 0 refuses.  malloc'ed, or NULL. */
char *mr_authpolicy_body(int status, const char *msg);

/* Does one of these header values (may be NULL) hold the secret?  X-API-Key: SECRET, or
 * Authorization: Bearer SECRET, or Basic with any user and the secret as password.  Takes as long
 * for a wrong one as for the right one. */
bool mr_authpolicy_proof(const char *secret, const char *api_key, const char *authorization);

#endif
