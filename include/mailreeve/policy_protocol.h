/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy_protocol.h - requests of Postfix's policy delegation protocol: name=value lines, an empty
 * line behind them.
 *
 * An incremental parser over bytes as they come.  Any order, unknown names, CRLF and missing
 * attributes are fine; of a name that stands twice the first counts.  What is no request ends the
 * conversation: the protocol has no way to say so.
 */
#ifndef MAILREEVE_POLICY_PROTOCOL_H
#define MAILREEVE_POLICY_PROTOCOL_H

#include <mailreeve/util.h>

#define MR_POLICY_REQUEST_MAX (64u << 10) /* bytes of one request; Postfix sends some 700 */
#define MR_POLICY_LINE_MAX    8192 /* bytes of one line; Postfix cuts a command line at 2048 */
#define MR_POLICY_LINES_MAX   256 /* attributes of one request; Postfix 3.12 sends 32 */

/* Those that are read here; "" if they were not sent. */
struct mr_policy_request {
	const char *protocol_state, *client_address, *client_name, *server_address, *server_port,
		*sender, *recipient, *sasl_username, *policy_context, *instance;
};

struct mr_policy_parser {
	char *data; /* the request so far */
	size_t len, allocated;
	size_t line; /* where the current line begins */
	unsigned int lines;
};
void mr_policy_parser_clear(struct mr_policy_parser *p);

/*
 * Eats bytes up to the end of one request at most; *used says how many.  1: *out is a request, its
 * texts live until the next call.  0: more is needed.  -EBADMSG: no request, *e says why;
 * -EMSGSIZE: too long.  After a failure nothing more can be read.
 */
int mr_policy_feed(struct mr_policy_parser *p, const char *data, size_t len, size_t *used,
		   struct mr_policy_request *out, struct mr_error *e);
/* Bytes of a request have come, but not its end. */
static inline bool mr_policy_pending(const struct mr_policy_parser *p)
{
	return p->len > 0;
}

#endif
