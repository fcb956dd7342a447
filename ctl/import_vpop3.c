// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_vpop3.c - VPOP3's access restrictions, per service and global.
 *
 * Three spellings of the same list, told apart line by line: up to 2.4 "[!]ADDRESS [MASK] [USER…]",
 * later "ALLOW|DENY SOURCE [NOAUTH] [USER…]", and what the settings database stores,
 * "ALLOW|TYPE|ADDRESS|PREFIX|NOAUTH|USERS|COMMENT".  A service has rules or it has not: with some,
 * who matches none is refused, even if none of them could be carried over.  Called by import.c.
 */
#include "import.h"

#include <ctype.h>

#define BLANKS	  " \t"
#define USERS_MAX 4096 /* of one rule */

enum target { SMTP, POP3, IMAP, GLOBAL, TARGETS };
#define ALL_SERVICES (1u << SMTP | 1u << POP3 | 1u << IMAP)

static const char *const kinds[] = { "smtp", "pop3", "imap", "global", NULL };
static const char *const services[GLOBAL][4] = {
	[SMTP] = { "smtp", "submission", "submissions" },
	[POP3] = { "pop3", "pop3s" },
	[IMAP] = { "imap", "imaps" },
};

struct block {
	FILE *f;
	char *text;
	size_t len;
	bool rules, any, noglobal; /* any: the last word is said to everybody */
};

struct vpop3 {
	struct mr_import *i;
	struct block block[TARGETS];
	unsigned int targets; /* bits of enum target; 0: a service that is none of ours */
};

struct rule {
	bool allow, noauth, router, local;
	bool stated; /* ALLOW or DENY stands in front: the line is no accident */
	struct mr_prefix prefix; /* unless router, local, range */
	char range[2 * MR_ADDR_TEXT]; /* A-B, as the language has it too; "": none */
	struct mr_text users; /* the rest of the line */
	const char *user_blanks;
};

/* --- rules ------------------------------------------------------------------------------------ */

static void put_users(struct vpop3 *v, const struct rule *r, FILE *f)
{
	struct mr_text rest = r->users, word;
	size_t n = 0;

	while (mr_import_word(&rest, r->user_blanks, &word)) {
		if (!mr_import_sayable(v->i, &word))
			return;
		if (n++ == USERS_MAX) {
			mr_import_error(v->i, "more than %d users in a rule", USERS_MAX);
			return;
		}
		fputs(n == 1 ? " users { " : " ", f);
		mr_import_quote(f, word.p, word.n);
	}
	if (n)
		fputs(" }", f);
}

static void put(struct vpop3 *v, enum target t, const struct rule *r, const char *source)
{
	struct block *b = &v->block[t];

	fprintf(b->f, "\t%s %s", r->allow ? "allow" : "deny", source);
	put_users(v, r, b->f);
	if (r->noauth && r->allow && t == SMTP)
		fputs(" noauth", b->f);
	fputs(";\n", b->f);
}

/* A rule for every service that is meant. */
static void add(struct vpop3 *v, const struct rule *r)
{
	char buf[MR_PREFIX_TEXT];

	for (unsigned int t = 0; t < TARGETS; t++) {
		struct block *b = &v->block[t];

		if (!(v->targets & 1u << t))
			continue;
		b->rules = true;
		if (r->router) {
			put(v, t, r, "gateways");
		} else if (r->local) {
			if (r->allow)
				put(v, t, r, "loopback");
			put(v, t, r, "local");
		} else {
			const char *source =
				*r->range ? r->range : mr_import_source(&r->prefix, buf);

			b->any |= strcmp(source, "any") == 0 && !r->users.n;
			put(v, t, r, source);
		}
	}
}

/* It counts as a rule of its service all the same: who matches none is refused. */
static void leave(struct vpop3 *v, const struct mr_text *line, const char *why)
{
	FILE *out = v->i->out;

	for (unsigned int t = 0; t < TARGETS; t++) {
		if (!(v->targets & 1u << t))
			continue;
		v->block[t].rules = true;
		v->i->out = v->block[t].f;
		fputc('\t', v->i->out);
		mr_import_left(v->i, line, "%s", why);
		v->i->left--;
	}
	v->i->left++;
	v->i->out = out;
}

/* "192.168.*.*", "192.168.*" and "*" as a prefix. */
static bool wildcard(const struct mr_text *addr, char out[static MR_PREFIX_TEXT])
{
	const char *star = memchr(addr->p, '*', addr->n);
	size_t head = star ? (size_t)(star - addr->p) : addr->n, dots = 0;

	if (!star || head >= 16)
		return false;
	for (size_t k = head; k < addr->n; k++)
		if (addr->p[k] != ((k - head) % 2 ? '.' : '*'))
			return false;
	for (size_t k = 0; k < head; k++)
		dots += addr->p[k] == '.';
	if (dots > 3 || (addr->n - head + 1) / 2 > 4 - dots || (head && addr->p[head - 1] != '.'))
		return false;
	snprintf(out, MR_PREFIX_TEXT, "%.*s%s/%zu", (int)head, addr->p, &"0.0.0.0"[2 * dots],
		 8 * dots);
	return true;
}

/* ADDRESS-ADDRESS, into buf. */
static bool range(const struct mr_text *addr, char buf[static 2 * MR_ADDR_TEXT])
{
	const char *dash = memchr(addr->p, '-', addr->n);
	size_t n = dash ? (size_t)(dash - addr->p) : 0;
	struct mr_prefix out[MR_RANGE_PREFIXES];
	struct mr_addr a, b;
	size_t count;

	if (!dash || mr_addr_parse(addr->p, n, &a) < 0 ||
	    mr_addr_parse(dash + 1, addr->n - n - 1, &b) < 0 ||
	    mr_addr_is4(&a) != mr_addr_is4(&b) || mr_range_prefixes(&a, &b, out, &count) < 0)
		return false;
	snprintf(buf, 2 * MR_ADDR_TEXT, "%.*s", (int)addr->n, addr->p);
	return true;
}

static void add_address(struct vpop3 *v, struct rule *r, const struct mr_text *line,
			const struct mr_text *addr, const struct mr_text *mask)
{
	char text[MR_PREFIX_TEXT];
	struct mr_text whole;
	bool cut;
	int n;

	if (!mask->n && range(addr, r->range)) {
		add(v, r);
		return;
	}
	if (!mask->n && wildcard(addr, text)) {
		whole = mr_text_of(text);
		addr = &whole;
	}
	n = mr_import_prefix(addr, mask, &r->prefix, &cut);
	if (n == -EDOM && mr_import_named(addr))
		n = -EINVAL;
	if (n == -EDOM) {
		leave(v, line, "the netmask has holes");
		return;
	}
	if (n < 0 && r->stated && mr_import_named(addr)) {
		leave(v, line, "no address: names of clients stand behind `name` here");
		return;
	}
	if (n < 0) {
		mr_import_error(v->i, "an address was expected, not \"%.*s\"",
				(int)(addr->n < 60 ? addr->n : 60), addr->p);
		return;
	}
	add(v, r);
}

static bool is_mask(const struct mr_text *t)
{
	struct mr_addr a;

	return mr_addr_parse(t->p, t->n, &a) == 0 && mr_addr_is4(&a);
}

/* [!]ADDRESS [MASK] [USER…]; users behind a ! are not read by VPOP3 either. */
static void old_rule(struct vpop3 *v, const struct mr_text *line)
{
	struct rule r = { .allow = true, .user_blanks = BLANKS "," };
	struct mr_text rest = *line, addr, mask = { NULL, 0 }, ahead;

	if (*rest.p == '!') {
		r.allow = false;
		rest.p++, rest.n--;
	}
	if (!mr_import_word(&rest, BLANKS, &addr)) {
		mr_import_error(v->i, "no address behind the !");
		return;
	}
	ahead = rest;
	if (mr_import_word(&ahead, BLANKS, &mask) && is_mask(&mask))
		rest = ahead;
	else
		mask.n = 0;
	while (rest.n && strchr(BLANKS, *rest.p))
		rest.p++, rest.n--;
	if (r.allow)
		r.users = rest;
	else if (rest.n)
		leave(v, line, "VPOP3 reads no users behind a !, the rule is for everybody");
	add_address(v, &r, line, &addr, &mask);
}

/* ALLOW|DENY SOURCE [MASK] [NOAUTH] [USERS] [USER…] */
static void new_rule(struct vpop3 *v, bool allow, struct mr_text rest, const struct mr_text *line)
{
	struct rule r = { .allow = allow, .stated = true, .user_blanks = BLANKS "," };
	struct mr_text source = { NULL, 0 }, mask = { NULL, 0 }, word, ahead;
	const struct mr_text any = mr_text_of("0.0.0.0/0");

	for (ahead = rest; mr_import_word(&ahead, BLANKS, &word); rest = ahead) {
		if (mr_text_is(&word, "NOAUTH"))
			r.noauth = true;
		else if (mr_text_is(&word, "USERS") || mr_text_is(&word, "USER"))
			;
		else if (!source.n)
			source = word;
		else if (!mask.n && !memchr(source.p, '/', source.n) && is_mask(&word))
			mask = word;
		else if (!(r.local && mr_text_is(&word, "NETWORKS")))
			break;
		r.local |= mr_text_is(&source, "LOCAL") || mr_text_is(&source, "LAN");
	}
	while (rest.n && strchr(BLANKS, *rest.p))
		rest.p++, rest.n--;
	r.users = rest;
	if (mr_text_is(&source, "ROUTERS") || mr_text_is(&source, "ROUTER"))
		r.router = true;
	if (!source.n)
		mr_import_error(v->i, "%s whom?", allow ? "allow" : "deny");
	else if (r.router || r.local)
		add(v, &r);
	else if (mr_text_is(&source, "ANY") || mr_text_is(&source, "ALL"))
		add_address(v, &r, line, &any, &mask);
	else if (mr_text_is(&source, "GEOIP") || mr_text_is(&source, "COUNTRY"))
		leave(v, line, "countries are not known here: use a set with the country's list");
	else
		add_address(v, &r, line, &source, &mask);
}

/* --- as stored: 1|2|192.168.0.0|24|0|fred<TAB>bob|comment ------------------------------------- */

#define STORED_FIELDS 7

static size_t split(const struct mr_text *line, struct mr_text field[static STORED_FIELDS])
{
	const char *p = line->p, *end = line->p + line->n;
	size_t n = 0;

	while (n < STORED_FIELDS) {
		const char *bar = n < STORED_FIELDS - 1 ? memchr(p, '|', (size_t)(end - p)) : NULL;

		field[n++] = (struct mr_text){ p, (size_t)((bar ? bar : end) - p) };
		if (!bar)
			break;
		p = bar + 1;
	}
	return n;
}

/* Everybody, the local networks or the routers. */
static void stored_special(struct vpop3 *v, struct rule *r, const struct mr_text *which,
			   const struct mr_text *line)
{
	struct mr_text any = mr_text_of("0.0.0.0/0"), none = { NULL, 0 };

	r->local = mr_text_is(which, "1");
	r->router = mr_text_is(which, "2");
	if (r->local || r->router)
		add(v, r);
	else if (mr_text_is(which, "0"))
		add_address(v, r, line, &any, &none);
	else
		mr_import_error(v->i, "a special address is 0 (any), 1 (local) or 2 (routers)");
}

static void stored_rule(struct vpop3 *v, const struct mr_text *line)
{
	struct mr_text f[STORED_FIELDS], none = { NULL, 0 }, whole;
	struct rule r = { .user_blanks = "\t," };
	char text[64];
	size_t n = split(line, f);

	if (n < 6 || f[0].n != 1 || (*f[0].p != '0' && *f[0].p != '1')) {
		mr_import_error(v->i,
				"ALLOW|TYPE|ADDRESS|PREFIX|NOAUTH|USERS|COMMENT was expected");
		return;
	}
	r.allow = *f[0].p == '1';
	r.noauth = mr_text_is(&f[4], "1");
	r.users = f[5];
	if (mr_text_is(&f[1], "100")) {
		leave(v, line, "countries are not known here: use a set with the country's list");
		return;
	}
	if (mr_text_is(&f[1], "0")) {
		stored_special(v, &r, &f[3], line);
		return;
	}
	if ((!mr_text_is(&f[1], "2") && !mr_text_is(&f[1], "23")) || f[2].n > 45 || f[3].n > 3) {
		mr_import_error(v->i, "a rule's type is 0 (special), 2 (IPv4), 23 (IPv6) or 100");
		return;
	}
	snprintf(text, sizeof(text), "%.*s%s%.*s", (int)f[2].n, f[2].p, f[3].n ? "/" : "",
		 (int)f[3].n, f[3].p);
	whole = mr_text_of(text);
	add_address(v, &r, line, &whole, &none);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* "[SMTP]", "SMTP Server:", "service smtp" */
static bool header(struct vpop3 *v, const struct mr_text *line, bool bracket)
{
	static const struct {
		const char *word;
		unsigned int targets;
	} names[] = {
		{ "smtp", 1u << SMTP },	 { "pop3", 1u << POP3 }, { "pop", 1u << POP3 },
		{ "imap4", 1u << IMAP }, { "imap", 1u << IMAP }, { "global", 1u << GLOBAL },
		{ "all", ALL_SERVICES }, { "webmail", 0 },	 { "web", 0 },
		{ "password", 0 },	 { "ldap", 0 },		 { "finger", 0 },
		{ "status", 0 },	 { "admin", 0 },	 { "webdav", 0 },
		{ "nntp", 0 },
	};
	struct mr_text rest = *line, word;

	if (!mr_import_word(&rest, BLANKS ":", &word))
		return false;
	for (size_t k = 0; k < MR_ARRAY_SIZE(names); k++)
		if (mr_text_is(&word, names[k].word)) {
			v->targets = names[k].targets;
			return true;
		}
	if (bracket)
		mr_import_error(v->i, "no service of VPOP3 is called \"%.*s\"",
				(int)(word.n < 60 ? word.n : 60), word.p);
	return bracket;
}

static bool is_header(struct vpop3 *v, const struct mr_text *line)
{
	struct mr_text inner = *line, word, rest = *line;

	if (*line->p == '[' && line->p[line->n - 1] == ']') {
		inner = (struct mr_text){ line->p + 1, line->n - 2 };
		return header(v, &inner, true);
	}
	if (line->p[line->n - 1] == ':' && isalpha((unsigned char)*line->p)) {
		inner.n--;
		return header(v, &inner, !memchr(inner.p, ':', inner.n));
	}
	return mr_import_word(&rest, BLANKS, &word) && mr_text_is(&word, "service") &&
	       header(v, &rest, true);
}

static void read_line(struct vpop3 *v, const struct mr_text *line)
{
	struct mr_text rest = *line, word;

	if (!line->n || *line->p == '#' || is_header(v, line))
		return;
	if (line->n == 1 && (*line->p == '0' || *line->p == '1')) {
		/* "use global access restrictions if more restrictive", as stored */
		for (unsigned int t = 0; t < GLOBAL; t++)
			if (v->targets & 1u << t)
				v->block[t].noglobal = *line->p == '0';
		return;
	}
	if (!v->targets) {
		mr_import_left(v->i, line,
			       "no mail service: give it a service block with its ports");
		return;
	}
	mr_import_word(&rest, BLANKS, &word);
	if (mr_text_is(&word, "NOGLOBAL"))
		for (unsigned int t = 0; t < GLOBAL; t++)
			v->block[t].noglobal |= v->targets & 1u << t;
	else if (mr_text_is(&word, "ALLOW") || mr_text_is(&word, "DENY"))
		new_rule(v, mr_text_is(&word, "ALLOW"), rest, line);
	else if (memchr(line->p, '|', line->n))
		stored_rule(v, line);
	else
		old_rule(v, line);
}

static void read_file(struct vpop3 *v, const char *arg)
{
	_free_ char *data = NULL;
	struct mr_text line;
	const char *path, *at, *base;
	size_t len;
	int kind = mr_import_kind(arg, kinds, &path);

	if (!mr_import_read(v->i, path, false, &data, &len))
		return;
	v->targets = kind >= 0 ? 1u << kind : ALL_SERVICES;
	base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	for (int k = 0; kind < 0 && kinds[k]; k++) /* SMTPALLOWED.DAT */
		if (strcasestr(base, kinds[k]) && strcasestr(base, "ALLOWED"))
			v->targets = 1u << k;
	at = data;
	while (mr_import_line(v->i, &at, data + len, &line))
		read_line(v, &line);
}

/* --- output ----------------------------------------------------------------------------------- */

static void print_service(const struct block *b, const char *name, FILE *out)
{
	fprintf(out, "service %s {\n", name);
	if (b->noglobal)
		fputs("\tnoglobal;\n", out);
	if (b->rules)
		fputs("\tdefault deny;\t\t# who matches no rule is refused\n", out);
	fputs(b->text, out);
	fputs("}\n", out);
}

static void print(const struct vpop3 *v, FILE *out)
{
	const struct block *g = &v->block[GLOBAL];

	if (g->rules)
		fprintf(out, "global {\n%s%s}\n", g->text,
			g->any ? ""
			       : "\tdeny any;\t\t# VPOP3: who matches no global rule is refused\n");
	for (unsigned int t = 0; t < GLOBAL; t++)
		for (size_t k = 0; services[t][k] && (v->block[t].rules || v->block[t].noglobal);
		     k++)
			print_service(&v->block[t], services[t][k], out);
}

int mr_import_vpop3(struct mr_import *i)
{
	struct vpop3 v = { .i = i };
	int r = 0;

	for (unsigned int t = 0; t < TARGETS; t++) {
		v.block[t].f = open_memstream(&v.block[t].text, &v.block[t].len);
		r = v.block[t].f ? r : -ENOMEM;
	}
	for (int k = 0; r == 0 && k < i->n_args; k++)
		read_file(&v, i->args[k]);
	for (unsigned int t = 0; t < TARGETS; t++)
		if (v.block[t].f && fclose(v.block[t].f) != 0)
			r = -ENOMEM;
	if (r == 0)
		print(&v, i->out);
	for (unsigned int t = 0; t < TARGETS; t++)
		free(v.block[t].text);
	return r;
}
