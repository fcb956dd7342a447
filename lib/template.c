// SPDX-License-Identifier: BSD-2-Clause
/*
 * template.c - matches messages against a stated wording (template.h).
 *
 * A template is a list of parts, literal text and variables by turns.  A match counts in how many
 * ways each tail of the message can be read as each tail of the parts, from the end, each count
 * from the one behind it: as many steps as the message is long, for each part, whatever a client
 * put into it.  Counts stop at two, because two readings are as good as none.  If there is exactly
 * one, walking forward along the ones gives the variables.
 *
 * An address ends where no byte of an address follows: "192.0.2.1" is not read out of "192.0.2.10".
 * Allocates only when a template is made; never logs.  Called by the reader and by the
 * configuration, which shows its errors in the file.
 */
#include <mailreeve/nearest.h>
#include <mailreeve/template.h>

#include <string.h>

#define PARTS_MAX 16 /* of one template; nobody writes that many variables */

enum part_kind { LITERAL, USER, ADDR, SESSION, ANY };
static const char *const variables[] = {
	[USER] = "<user>", [ADDR] = "<addr>", [SESSION] = "<session>", [ANY] = "<any>"
};
struct part {
	enum part_kind kind;
	size_t n;
	char *text; /* LITERAL, NUL-terminated */
};
struct mr_template {
	enum mr_event_kind kind;
	size_t parts;
	struct part part[PARTS_MAX];
};

/* --- compiling */

static int fault(struct mr_template_error *e, size_t at, size_t n, const char *message,
		 const char *hint)
{
	*e = (struct mr_template_error){ at, n, message, hint };
	return -EINVAL;
}

/* The variable at the left of the text, or LITERAL. */
static enum part_kind variable_at(const char *p, size_t n)
{
	for (enum part_kind k = USER; k <= ANY; k++)
		if (n >= strlen(variables[k]) && memcmp(p, variables[k], strlen(variables[k])) == 0)
			return k;
	return LITERAL;
}

static int add_part(struct mr_template *t, enum part_kind kind, const char *text, size_t n)
{
	struct part *p = &t->part[t->parts];

	if (text) {
		p->text = strndup(text, n);
		if (!p->text)
			return -ENOMEM;
		p->n = n;
	}
	p->kind = kind;
	t->parts++;
	return 0;
}

static bool names(const struct mr_template *t, enum part_kind kind)
{
	for (size_t i = 0; i < t->parts; i++)
		if (t->part[i].kind == kind)
			return true;
	return false;
}

static int add_variable(struct mr_template *t, enum part_kind kind, size_t at,
			struct mr_template_error *e)
{
	size_t n = strlen(variables[kind]);

	if (t->parts && t->part[t->parts - 1].kind != LITERAL)
		return fault(e, at, n, "two variables without text between them",
			     "write the text that tells where one ends and the other begins");
	if (kind != ANY && names(t, kind))
		return fault(e, at, n, "the template names this twice",
			     "<any> is for what need not be known");
	return add_part(t, kind, NULL, 0);
}

static int read_parts(struct mr_template *t, const char *text, size_t n,
		      struct mr_template_error *e)
{
	size_t literal = 0;
	int r = 0;

	for (size_t i = 0; i <= n && r == 0; i++) {
		enum part_kind kind = i < n ? variable_at(text + i, n - i) : LITERAL;

		if (i < n && kind == LITERAL)
			continue;
		if (t->parts + 2 > PARTS_MAX)
			return fault(e, i, 1, "more than eight variables", "join them to <any>");
		if (i > literal)
			r = add_part(t, LITERAL, text + literal, i - literal);
		if (r == 0 && i < n) {
			r = add_variable(t, kind, i, e);
			i += strlen(variables[kind]) - 1;
			literal = i + 1;
		}
	}
	return r;
}

static const char *variable(size_t i, const void *userdata)
{
	const char *const *wanted = userdata;

	return i == 0 ? *wanted : NULL;
}

/* A variable that must be there is not: points at what is nearly called so, else at all of it. */
static int missing(enum part_kind kind, const char *text, size_t n, const char *message,
		   const char *hint, struct mr_template_error *e)
{
	for (size_t i = 0; i < n; i++) {
		char word[16] = "";
		size_t len = 0;

		while (text[i] == '<' && i + len < n && len < sizeof(word) - 1) {
			word[len] = (char)(text[i + len] | 0x20); /* <ADDR> is one, too */
			len++;
			if (text[i + len - 1] == '>' || (i + len < n && text[i + len] == ' '))
				break;
		}
		word[len] = '\0';
		if (len && variable_at(text + i, n - i) == LITERAL &&
		    mr_nearest(word, variable, &variables[kind]))
			return fault(e, i, len, "this is no variable but text", hint);
	}
	return fault(e, 0, n, message, hint);
}

int mr_template_new(const char *text, size_t n, enum mr_event_kind kind, struct mr_template **out,
		    struct mr_template_error *e)
{
	_cleanup_(mr_template_freep) struct mr_template *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->kind = kind;
	r = read_parts(t, text, n, e);
	if (r < 0)
		return r;
	if (!names(t, ADDR))
		return missing(ADDR, text, n, "the template names no address",
			       "write <addr> where the address stands", e);
	if (kind == MR_EV_LOGIN && !names(t, USER))
		return missing(USER, text, n, "the template names no user",
			       "write <user> where the name stands", e);
	*out = MR_TAKE_PTR(t);
	return 0;
}

void mr_template_free(struct mr_template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->parts; i++)
		free(t->part[i].text);
	free(t);
}

/* --- matching */

static bool blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

static bool of_address(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == ':' || c == '.';
}

/* The address at position i, and where it ends; false: none. */
static bool address_at(struct mr_str m, size_t i, size_t *end, struct mr_addr *a)
{
	bool dots = false;
	size_t j = i;

	/* behind the dots of IPv4 a colon begins something else: a port */
	while (j < m.n && j - i < MR_ADDR_TEXT && of_address(m.p[j]) && !(dots && m.p[j] == ':'))
		dots |= m.p[j++] == '.';
	while (j > i && (m.p[j - 1] == ':' || m.p[j - 1] == '.') &&
	       !(j - i > 1 && m.p[j - 2] == ':'))
		j--; /* "192.0.2.1:" and "from 192.0.2.1." end with punctuation */
	if (j == i || mr_addr_parse(m.p + i, j - i, a) < 0)
		return false;
	*end = j;
	return true;
}

/* Ways to read m[i…] from part `p` on, given the ways `next` of the part behind it. */
static void count_part(const struct part *p, struct mr_str m, const uint8_t *next, uint8_t *ways)
{
	unsigned int sum = 0;
	struct mr_addr a;
	size_t end;

	for (size_t i = m.n + 1; i-- > 0;) {
		switch (p->kind) {
		case LITERAL:
			sum = m.n - i >= p->n && next[i + p->n] &&
					      memcmp(m.p + i, p->text, p->n) == 0
				      ? next[i + p->n]
				      : 0;
			break;
		case ADDR:
			sum = i < m.n && of_address(m.p[i]) && address_at(m, i, &end, &a)
				      ? next[end]
				      : 0;
			break;
		case USER:
		case SESSION: /* at least one byte: what ends at i + 1, i + 2, … */
			sum = i == m.n || blank(m.p[i]) ? 0 : sum + next[i + 1];
			break;
		case ANY:
			sum += next[i];
			break;
		}
		if (sum > 2)
			sum = 2;
		ways[i] = (uint8_t)sum;
	}
}

/* Walks the only reading.  `ways` holds a row for each part, and one for the end. */
static void fill(const struct mr_template *t, struct mr_str m,
		 uint8_t ways[PARTS_MAX + 1][MR_TEMPLATE_LINE + 1], struct mr_event *out)
{
	size_t at = 0, end = 0;

	for (size_t k = 0; k < t->parts; k++) {
		const struct part *p = &t->part[k];

		if (p->kind == LITERAL) {
			at += p->n;
			continue;
		}
		if (p->kind == ADDR) {
			address_at(m, at, &end, &out->addr);
		} else {
			for (end = at + (p->kind != ANY); !ways[k + 1][end]; end++)
				;
		}
		if (p->kind == USER)
			out->user = (struct mr_str){ m.p + at, end - at };
		else if (p->kind == SESSION)
			out->session = (struct mr_str){ m.p + at, end - at };
		at = end;
	}
}

bool mr_template_match(const struct mr_template *t, struct mr_str m, struct mr_event *out)
{
	uint8_t ways[PARTS_MAX + 1][MR_TEMPLATE_LINE + 1];
	const struct part *first = &t->part[0];

	if (m.n > MR_TEMPLATE_LINE ||
	    (first->kind == LITERAL && (m.n < first->n || memcmp(m.p, first->text, first->n) != 0)))
		return false;
	memset(ways[t->parts], 0, m.n);
	ways[t->parts][m.n] = 1;
	for (size_t k = t->parts; k-- > 0;)
		count_part(&t->part[k], m, ways[k + 1], ways[k]);
	if (ways[0][0] != 1)
		return false;
	fill(t, m, ways, out);
	out->kind = t->kind;
	return true;
}
