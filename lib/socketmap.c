// SPDX-License-Identifier: BSD-2-Clause
/*
 * socketmap.c - cuts socketmap requests out of a stream (socketmap.h).
 *
 * A length without leading zeros, a colon, that many bytes without NUL, a comma.  Fails with
 * -EBADMSG, -EMSGSIZE or -ENOMEM; touches nothing but its own buffer.  Called by the daemon.
 */
#include <mailreeve/socketmap.h>

#include <string.h>

void mr_socketmap_parser_clear(struct mr_socketmap_parser *p)
{
	free(p->data);
	*p = (struct mr_socketmap_parser){ 0 };
}

static int take_length(struct mr_socketmap_parser *p, char c, struct mr_error *e)
{
	if (c == ':' && p->digits) {
		p->body = true;
		return 0;
	}
	if (c < '0' || c > '9')
		return mr_error(e, -EBADMSG, "no netstring: a length was expected");
	if (p->digits && p->want == 0)
		return mr_error(e, -EBADMSG, "no netstring: a length with a zero in front");
	p->want = p->want * 10 + (size_t)(c - '0');
	p->digits++;
	if (p->want > MR_SOCKETMAP_REQUEST_MAX)
		return mr_error(e, -EMSGSIZE, "a request that is too long");
	return 0;
}

static int take_request(struct mr_socketmap_parser *p, struct mr_socketmap_request *out,
			struct mr_error *e)
{
	char *blank = memchr(p->data, ' ', p->len);

	if (memchr(p->data, '\0', p->len))
		return mr_error(e, -EBADMSG, "a NUL within a request");
	if (!blank || blank == p->data)
		return mr_error(e, -EBADMSG, "a request that is no \"MAP KEY\"");
	p->data[p->len] = '\0';
	*blank = '\0';
	*out = (struct mr_socketmap_request){ .map = p->data, .key = blank + 1 };
	return 1;
}

static int take_body(struct mr_socketmap_parser *p, const char *data, size_t len, size_t *n,
		     struct mr_error *e)
{
	size_t rest = p->want - p->len;
	int r;

	*n = len < rest ? len : rest;
	r = mr_grow(&p->data, &p->allocated, p->len + *n, 1);
	if (r < 0)
		return mr_error(e, r, "out of memory");
	memcpy(p->data + p->len, data, *n);
	p->len += *n;
	return 0;
}

int mr_socketmap_feed(struct mr_socketmap_parser *p, const char *data, size_t len, size_t *used,
		      struct mr_socketmap_request *out, struct mr_error *e)
{
	size_t at = 0, n;
	int r;

	while (at < len) {
		if (!p->body) {
			r = take_length(p, data[at++], e);
			if (r < 0)
				return r;
			continue;
		}
		if (p->len < p->want || !p->data) {
			r = take_body(p, data + at, len - at, &n, e);
			if (r < 0)
				return r;
			at += n;
			if (p->len < p->want || at == len)
				continue;
		}
		if (data[at++] != ',')
			return mr_error(e, -EBADMSG, "no netstring: a comma was expected");
		r = take_request(p, out, e);
		p->len = p->want = 0;
		p->digits = 0;
		p->body = false;
		if (r == 1)
			*used = at;
		return r;
	}
	*used = at;
	return 0;
}

size_t mr_socketmap_reply(char buf[static MR_SOCKETMAP_NETSTRING], const char *verdict,
			  const char *text)
{
	char body[MR_SOCKETMAP_REPLY_MAX + 1];
	int n = snprintf(body, sizeof(body), "%s %s", verdict, text);

	if (n > MR_SOCKETMAP_REPLY_MAX)
		n = MR_SOCKETMAP_REPLY_MAX;
	return (size_t)snprintf(buf, MR_SOCKETMAP_NETSTRING, "%i:%.*s,", n, n, body);
}
