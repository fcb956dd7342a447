// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_listen.c - listen { policy …; socketmap …; }: where Postfix asks.
 *
 * A unix socket, or a loopback address and a port: who may ask learns who may relay, and that is
 * nobody on the network.  Called by the parser.
 */
#include "parser.h"

#include <string.h>
#include <sys/un.h>

#define LISTEN_MAX 16 /* sockets: a handful of Postfix instances */

static int listen_path(struct mr_parser *p, const struct mr_token *t, struct mr_listen *l)
{
	int r = mr_parse_path(p, &l->path);

	if (r < 0)
		return r;
	if (strlen(l->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		mr_parse_fail(p, t, "107 bytes are the most", "%s is too long for a socket",
			      mr_parse_quote(p, t));
	return 0;
}

static int listen_port(struct mr_parser *p, const struct mr_token *t, struct mr_listen *l)
{
	static const struct mr_addr one = { .b = { [15] = 1 } };
	unsigned long port;
	int r;

	if (mr_addr_is4(&l->address) ? mr_addr_v4(&l->address) >> 24 != 127
				     : memcmp(&l->address, &one, sizeof(one)) != 0)
		mr_parse_fail(p, t, "127.0.0.1 or ::1: whoever may ask learns who may relay",
			      "%s is no loopback address", mr_parse_quote(p, t));
	mr_lexer_next(p);
	r = mr_parse_number(p, "a port", 1, UINT16_MAX, &port);
	if (r == 0)
		l->port = (uint16_t)port;
	return r;
}

static bool listen_same(const struct mr_listen *a, const struct mr_listen *b)
{
	if (!a->path != !b->path)
		return false;
	return a->path ? strcmp(a->path, b->path) == 0
		       : a->port == b->port &&
				 memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static bool listens(const struct mr_policy *y, enum mr_listen_kind kind)
{
	for (size_t i = 0; i < y->n_listen; i++)
		if (y->listen[i].kind == kind)
			return true;
	return false;
}

/* policy "PATH";  policy ADDRESS PORT;  policy off; */
static int listen_one(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_listen l = { .kind = mr_word_is(keyword, "policy") ? MR_LISTEN_POLICY
								     : MR_LISTEN_SOCKETMAP,
			       .place = mr_parse_place(p, keyword) };
	struct mr_token t = p->token;
	struct mr_policy *y = p->policy;
	int r;

	bool off = mr_word_is(&t, "off");

	(void)context;
	if (y->listen_given[l.kind] && off == listens(y, l.kind))
		mr_parse_fail(p, &t, NULL, "\"off\" beside a socket for the same question");
	y->listen_given[l.kind] = true;
	if (off) {
		mr_lexer_next(p);
		return mr_parse_end(p);
	}
	if (t.kind == MR_TOKEN_WORD && mr_addr_parse(t.text, t.len, &l.address) == 0)
		r = listen_port(p, &t, &l);
	else if (t.kind == MR_TOKEN_STRING ||
		 (t.kind == MR_TOKEN_WORD && memchr(t.text, '/', t.len)))
		r = listen_path(p, &t, &l);
	else
		return mr_parse_fail(p, &t,
				     "policy \"/var/spool/postfix/mailreeve/policy\"; or "
				     "policy 127.0.0.1 10040; or policy off;",
				     "a path, a loopback address or \"off\" was expected, not %s",
				     mr_parse_quote(p, &t));
	if (r < 0)
		return r;
	for (size_t i = 0; i < y->n_listen; i++)
		if (listen_same(&y->listen[i], &l))
			mr_parse_fail(p, &t, NULL, "%s stands twice, first in %s",
				      mr_parse_quote(p, &t), mr_parse_where(p, y->listen[i].place));
	if (y->n_listen >= LISTEN_MAX)
		return mr_parse_fail(p, &t, NULL, "more than %d sockets", LISTEN_MAX);
	r = mr_arena_grow(p->arena, &y->listen, y->n_listen, sizeof(l));
	if (r < 0)
		return r;
	y->listen[y->n_listen++] = l;
	return mr_parse_end(p);
}

int mr_parse_listen(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "policy", listen_one, false },
		{ "socketmap", listen_one, false },
		{ 0 },
	};

	(void)keyword;
	return mr_parse_block(p, table, false, context);
}
