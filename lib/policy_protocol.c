// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy_protocol.c - cuts Postfix's policy requests out of a stream (policy_protocol.h).
 *
 * Lines are gathered until an empty one, then read in place.  A request says request=
 * smtpd_access_policy somewhere; a name is not empty, and no line holds a NUL.  Fails with
 * -EBADMSG, -EMSGSIZE or -ENOMEM; touches nothing but its own buffer.  Called by the daemon.
 */
#include <mailreeve/policy_protocol.h>

#include <string.h>

void mr_policy_parser_clear(struct mr_policy_parser *p)
{
	free(p->data);
	*p = (struct mr_policy_parser){ 0 };
}

static const struct {
	const char *name;
	size_t len, offset;
} attributes[] = {
#define ATTRIBUTE(n) \
	{ \
#n, sizeof(#n) - 1, offsetof(struct mr_policy_request, n) \
	}
	ATTRIBUTE(protocol_state), ATTRIBUTE(client_address), ATTRIBUTE(client_name),
	ATTRIBUTE(server_address), ATTRIBUTE(server_port),    ATTRIBUTE(sender),
	ATTRIBUTE(recipient),	   ATTRIBUTE(sasl_username),  ATTRIBUTE(policy_context),
	ATTRIBUTE(instance),
#undef ATTRIBUTE
};

static const char **attribute_at(struct mr_policy_request *r, size_t i)
{
	return (const char **)((char *)r + attributes[i].offset);
}

/* Lengths first: most of the names that Postfix sends are none of ours. */
static const char **attribute(struct mr_policy_request *r, const char *name, size_t len)
{
	for (size_t i = 0; i < MR_ARRAY_SIZE(attributes); i++)
		if (attributes[i].len == len && memcmp(attributes[i].name, name, len) == 0)
			return attribute_at(r, i);
	return NULL;
}

/* One line, NUL-terminated in place. */
static int take_line(struct mr_policy_request *r, char *line, const char **kind, struct mr_error *e)
{
	static const char request[] = "request";
	char *equals = strchr(line, '=');
	const char **to;
	size_t len;

	if (!equals || equals == line)
		return mr_error(e, -EBADMSG, "a line that is no name=value");
	len = (size_t)(equals - line);
	to = len == sizeof(request) - 1 && memcmp(line, request, len) == 0
		     ? kind
		     : attribute(r, line, len);
	if (to && !*to)
		*to = equals + 1;
	return 0;
}

/* A database takes "fred   " for fred: blanks behind a name are no way around its limits. */
static void cut_user(struct mr_policy_parser *p, const char *user)
{
	char *begin = user ? p->data + (user - p->data) : NULL;

	for (size_t n = user ? strlen(user) : 0; n > 0 && begin[n - 1] == ' '; n--)
		begin[n - 1] = '\0';
}

static int take_request(struct mr_policy_parser *p, struct mr_policy_request *out,
			struct mr_error *e)
{
	struct mr_policy_request r = { 0 };
	const char *kind = NULL;

	if (memchr(p->data, '\0', p->len))
		return mr_error(e, -EBADMSG, "a NUL within a request");
	for (char *line = p->data, *end = p->data + p->len; line < end;) {
		char *eol = memchr(line, '\n', (size_t)(end - line));
		int n;

		*eol = '\0';
		if (eol > line && eol[-1] == '\r')
			eol[-1] = '\0';
		n = take_line(&r, line, &kind, e);
		if (n < 0)
			return n;
		line = eol + 1;
	}
	cut_user(p, r.sasl_username);
	if (!kind || strcmp(kind, "smtpd_access_policy") != 0)
		return mr_error(e, -EBADMSG,
				kind ? "a request of another kind"
				     : "no line says request=smtpd_access_policy");
	for (size_t i = 0; i < MR_ARRAY_SIZE(attributes); i++) {
		const char **to = attribute_at(&r, i);

		if (!*to)
			*to = "";
	}
	*out = r;
	return 1;
}

static bool line_is_empty(const struct mr_policy_parser *p)
{
	size_t n = p->len - p->line; /* with its newline */

	return n == 1 || (n == 2 && p->data[p->line] == '\r');
}

static int add(struct mr_policy_parser *p, const char *data, size_t len)
{
	int r;

	if (p->len + len > MR_POLICY_REQUEST_MAX)
		return -EMSGSIZE;
	r = mr_grow(&p->data, &p->allocated, p->len + len, 1);
	if (r < 0)
		return r;
	memcpy(p->data + p->len, data, len);
	p->len += len;
	return p->len - p->line > MR_POLICY_LINE_MAX ? -EMSGSIZE : 0;
}

int mr_policy_feed(struct mr_policy_parser *p, const char *data, size_t len, size_t *used,
		   struct mr_policy_request *out, struct mr_error *e)
{
	size_t at = 0;

	while (at < len) {
		const char *eol = memchr(data + at, '\n', len - at);
		size_t n = (eol ? (size_t)(eol - data) + 1 : len) - at;
		int r = add(p, data + at, n);

		if (r == 0 && eol && p->lines > MR_POLICY_LINES_MAX)
			r = -EMSGSIZE;
		if (r < 0)
			return mr_error(e, r,
					r == -EMSGSIZE ? "a request that is too long"
						       : "out of memory");
		at += n;
		if (!eol)
			break;
		if (!line_is_empty(p)) {
			p->line = p->len;
			p->lines++;
			continue;
		}
		p->len = p->line;
		r = take_request(p, out, e);
		p->len = p->line = 0;
		p->lines = 0;
		if (r == 1)
			*used = at;
		return r;
	}
	*used = at;
	return 0;
}
