// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse_dovecot.c - dovecot { … }: where Dovecot's auth policy client asks.
 *
 * Loopback addresses only: an answer tells who may log in from where.  Called by the parser.
 */
#include "parser.h"

#include <string.h>

static bool dovecot_loopback(const struct mr_addr *a)
{
	static const struct mr_addr one = { .b = { [15] = 1 } };

	return mr_addr_is4(a) ? mr_addr_v4(a) >> 24 == 127 : memcmp(a, &one, sizeof(one)) == 0;
}

static bool dovecot_same(const struct mr_dovecot_listen *a, const struct mr_dovecot_listen *b)
{
	return a->port == b->port && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

/* listen ADDRESS [PORT]; */
static int dovecot_listen(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_dovecot_options *o = context;
	struct mr_dovecot_listen l = { .port = MR_DOVECOT_PORT };
	struct mr_token t = p->token;
	unsigned long port;
	int r;

	(void)keyword;
	if (t.kind != MR_TOKEN_WORD || mr_addr_parse(t.text, t.len, &l.address) < 0)
		return mr_parse_fail(p, &t, "listen 127.0.0.1 4001;",
				     "a loopback address was expected, not %s",
				     mr_parse_quote(p, &t));
	if (!dovecot_loopback(&l.address))
		mr_parse_fail(p, &t, "127.0.0.1 or ::1: the answers are for this host's Dovecot",
			      "%s is no loopback address", mr_parse_quote(p, &t));
	mr_lexer_next(p);
	if (p->token.kind == MR_TOKEN_WORD) {
		r = mr_parse_number(p, "a port", 1, UINT16_MAX, &port);
		if (r < 0)
			return r;
		l.port = (uint16_t)port;
	}
	for (size_t i = 0; i < o->n_listen; i++)
		if (dovecot_same(&o->listen[i], &l))
			mr_parse_fail(p, &t, NULL, "%s stands twice", mr_parse_quote(p, &t));
	if (o->n_listen == MR_DOVECOT_LISTEN_MAX)
		return mr_parse_fail(p, &t, NULL, "more than %d addresses", MR_DOVECOT_LISTEN_MAX);
	o->listen[o->n_listen++] = l;
	return mr_parse_end(p);
}

static int dovecot_secret(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_dovecot_options *o = context;
	int r = mr_parse_path(p, &o->secret_file);

	(void)keyword;
	return r < 0 ? r : mr_parse_end(p);
}

static int dovecot_refuse(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	struct mr_dovecot_options *o = context;
	struct mr_token t = p->token;
	int r = mr_parse_text(p, "a text", &o->refuse_text);

	(void)keyword;
	if (r < 0)
		return r;
	if (strlen(o->refuse_text) > MR_DOVECOT_TEXT_MAX)
		mr_parse_fail(p, &t, "200 bytes are the most", "%s cannot be part of a reply",
			      mr_parse_quote(p, &t));
	for (const char *c = o->refuse_text; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			return mr_parse_fail(p, &t, "plain ASCII, one line",
					     "%s cannot be part of a reply", mr_parse_quote(p, &t));
	return mr_parse_end(p);
}

int mr_parse_dovecot(struct mr_parser *p, const struct mr_token *keyword, void *context)
{
	static const struct mr_statement table[] = {
		{ "listen", dovecot_listen, false },
		{ "secret-file", dovecot_secret, true },
		{ "refuse", dovecot_refuse, true },
		{ 0 },
	};
	struct mr_dovecot_options *o = &p->policy->dovecot;

	(void)context;
	o->given = true;
	o->place = mr_parse_place(p, keyword);
	return mr_parse_block(p, table, false, o);
}
