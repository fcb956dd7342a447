/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socketmap.h - requests of Postfix's socketmap protocol: netstrings that hold "MAP KEY".
 *
 * An incremental parser over bytes as they come, and the netstring of an answer.
 */
#ifndef MAILREEVE_SOCKETMAP_H
#define MAILREEVE_SOCKETMAP_H

#include <mailreeve/util.h>

#define MR_SOCKETMAP_REQUEST_MAX 10000 /* bytes, as Postfix has it */
#define MR_SOCKETMAP_REPLY_MAX	 600 /* bytes of an answer: a reply text and its verdict */

struct mr_socketmap_request {
	const char *map, *key; /* NUL-terminated; the key may be empty or hold blanks */
};
struct mr_socketmap_parser {
	char *data; /* the payload so far */
	size_t len, allocated;
	size_t want; /* length that was announced */
	unsigned int digits; /* of the length, read so far */
	bool body; /* behind the colon */
};
void mr_socketmap_parser_clear(struct mr_socketmap_parser *p);

/* As mr_policy_feed: 1 a request, 0 more is needed, -EBADMSG or -EMSGSIZE: no conversation. */
int mr_socketmap_feed(struct mr_socketmap_parser *p, const char *data, size_t len, size_t *used,
		      struct mr_socketmap_request *out, struct mr_error *e);
static inline bool mr_socketmap_pending(const struct mr_socketmap_parser *p)
{
	return p->digits > 0;
}
/* "11:OK 192.0.2.1," into buf; the length, always within it. */
#define MR_SOCKETMAP_NETSTRING (MR_SOCKETMAP_REPLY_MAX + 8)
size_t mr_socketmap_reply(char buf[static MR_SOCKETMAP_NETSTRING], const char *verdict,
			  const char *text);

#endif
