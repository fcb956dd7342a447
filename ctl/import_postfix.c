// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_postfix.c - Postfix: who may relay and who may talk, from main.cf and its tables.
 *
 * Reads main.cf or what `postconf -n` prints, follows the tables that mynetworks and the
 * restrictions name, and prints rules for smtp, submission and submissions, with the local domains.
 * Everything else that Postfix checks stays with Postfix.  Called by import.c.
 */
#include "import_postfix.h"

#include <ctype.h>

#define BLANKS	       " \t,"
#define PARAMETERS_MAX 10000 /* of main.cf; Postfix itself knows about a thousand */
#define EXPAND_DEPTH   10
#define EXPAND_MAX     MR_IMPORT_LINE_MAX /* bytes of a value, variables put in */

struct parameter {
	char *name, *value;
	const char *path; /* of the file that says it */
	unsigned int line;
};
struct postfix {
	struct mr_import *i;
	struct parameter *parameter;
	size_t n, allocated;
	struct mr_import_rules access, networks; /* who may talk; mynetworks */
	FILE *local, *to, *notes;
	bool trusted_first; /* permit_mynetworks before the access tables */
	bool any_main;
	unsigned int tables; /* of clients, as asked */
};

/* --- main.cf ---------------------------------------------------------------------------------- */

static struct parameter *find(const struct postfix *p, const char *name, size_t n)
{
	for (size_t k = p->n; k-- > 0;) /* the last one counts */
		if (strlen(p->parameter[k].name) == n && memcmp(p->parameter[k].name, name, n) == 0)
			return &p->parameter[k];
	return NULL;
}

static bool is_parameter(const struct mr_text *line)
{
	size_t n = 0;

	while (n < line->n && (isalnum((unsigned char)line->p[n]) || line->p[n] == '_'))
		n++;
	if (n == 0)
		return false;
	while (n < line->n && (line->p[n] == ' ' || line->p[n] == '\t'))
		n++;
	return n < line->n && line->p[n] == '=';
}

static int add_parameter(struct postfix *p, const struct mr_text *line)
{
	struct parameter q = { .path = p->i->path, .line = p->i->line };
	const char *eq = memchr(line->p, '=', line->n), *v;
	size_t n;
	int r;

	if (!is_parameter(line)) {
		mr_import_error(p->i, "\"name = value\" was expected");
		return 0;
	}
	if (p->n >= PARAMETERS_MAX) {
		mr_import_error(p->i, "more than %d parameters", PARAMETERS_MAX);
		return 0;
	}
	n = (size_t)(eq - line->p);
	while (n && (line->p[n - 1] == ' ' || line->p[n - 1] == '\t'))
		n--;
	for (v = eq + 1; v < line->p + line->n && (*v == ' ' || *v == '\t'); v++)
		;
	r = mr_grow(&p->parameter, &p->allocated, p->n, sizeof(q));
	if (r < 0)
		return r;
	q.name = strndup(line->p, n);
	q.value = strndup(v, (size_t)(line->p + line->n - v));
	p->parameter[p->n++] = q;
	return q.name && q.value ? 0 : -ENOMEM;
}

/* $name, ${name}, $(name).  What is not said in the file stays as it is written. */
static int expand(const struct postfix *p, const char *value, unsigned int depth, FILE *out,
		  size_t *written)
{
	for (const char *c = value; *c; c++) {
		const struct parameter *q;
		const char *name = c + 1, *end;
		char close = 0;

		if (*c != '$' || depth == 0) {
			if (++*written > EXPAND_MAX)
				return -EMSGSIZE;
			fputc(*c, out);
			continue;
		}
		if (*name == '{' || *name == '(')
			close = *name++ == '{' ? '}' : ')';
		for (end = name; isalnum((unsigned char)*end) || *end == '_'; end++)
			;
		q = find(p, name, (size_t)(end - name));
		if (!q || (close && *end != close)) {
			++*written;
			fputc(*c, out);
			continue;
		}
		if (expand(p, q->value, depth - 1, out, written) < 0)
			return -EMSGSIZE;
		c = close ? end : end - 1;
	}
	return 0;
}

/* The value of a parameter with its place in p->i; NULL: not said (*r 0) or *r < 0. */
static char *value_of(struct postfix *p, const char *name, int *r)
{
	const struct parameter *q = find(p, name, strlen(name));
	size_t len = 0, written = 0;
	char *text = NULL;
	FILE *f;

	*r = 0;
	if (!q)
		return NULL;
	p->i->path = q->path;
	p->i->line = q->line;
	f = open_memstream(&text, &len);
	if (!f) {
		*r = -ENOMEM;
		return NULL;
	}
	if (expand(p, q->value, EXPAND_DEPTH, f, &written) < 0)
		mr_import_error(p->i, "%s: more than %d bytes with its variables", name,
				EXPAND_MAX);
	if (fclose(f) != 0) {
		free(text);
		*r = -ENOMEM;
		return NULL;
	}
	return text;
}

/* The next word of a list; { … } is one word, and what Postfix calls a file is told apart later. */
static bool list_word(struct mr_text *rest, struct mr_text *word)
{
	unsigned int depth = 0;

	while (rest->n && strchr(BLANKS, *rest->p))
		rest->p++, rest->n--;
	if (!rest->n || *rest->p != '{')
		return mr_import_word(rest, BLANKS, word);
	*word = (struct mr_text){ rest->p, 0 };
	do {
		depth += *rest->p == '{';
		depth -= *rest->p == '}';
		rest->p++, rest->n--, word->n++;
	} while (rest->n && depth);
	return true;
}

/* "hash:/etc/postfix/x": the type into buf, the path behind it; NULL: no table */
#define TYPE_MAX 32
static char *table_path(const struct mr_text *word, char type[static TYPE_MAX])
{
	const char *colon = memchr(word->p, ':', word->n);
	size_t n = colon ? (size_t)(colon - word->p) : 0;

	if (!colon || n == 0 || n >= TYPE_MAX || n + 1 >= word->n)
		return NULL;
	for (size_t k = 0; k < n; k++)
		if (!islower((unsigned char)word->p[k]))
			return NULL;
	memcpy(type, word->p, n);
	type[n] = '\0';
	return strndup(colon + 1, word->n - n - 1);
}

/* --- mynetworks ------------------------------------------------------------------------------- */

static int network_word(struct postfix *p, struct mr_text word, unsigned int depth);

/* A file with more of the same. */
static int network_file(struct postfix *p, const struct mr_text *word, unsigned int depth)
{
	_free_ char *path = strndup(word->p, word->n), *data = NULL;
	const char *was = p->i->path, *at;
	unsigned int was_line = p->i->line;
	struct mr_text line, w;
	size_t len;
	int r = 0;

	if (!path)
		return -ENOMEM;
	if (depth == 0 || access(path, R_OK) < 0) {
		mr_import_left(p->i, word,
			       depth ? "the file cannot be read"
				     : "files that name files, too deep");
		return 0;
	}
	if (mr_import_read(p->i, path, false, &data, &len)) {
		at = data;
		while (r == 0 && mr_import_line(p->i, &at, data + len, &line)) {
			const char *hash = memchr(line.p, '#', line.n);

			if (hash)
				line.n = (size_t)(hash - line.p);
			while (r == 0 && list_word(&line, &w))
				r = network_word(p, w, depth - 1);
		}
	}
	p->i->path = was;
	p->i->line = was_line;
	return r;
}

static int network_name(struct postfix *p, const struct mr_text *word, bool not )
{
	bool dot = *word->p == '.';
	struct mr_import_rule rule = { .noauth = !not, .action = MR_IMPORT_ALLOW };
	_free_ char *domain = NULL;

	if (not || !mr_import_domain(word->p + dot, word->n - dot)) {
		mr_import_left(p->i, word, "no address, network, file or name");
		return 0;
	}
	domain = strndup(word->p + dot, word->n - dot);
	if (!domain)
		return -ENOMEM;
	rule.domain = domain;
	fputs("# a name is believed because the DNS says so in both directions: an address is "
	      "safer\n",
	      p->i->out);
	return mr_import_add(p->i, &p->networks, &rule);
}

static int network_word(struct postfix *p, struct mr_text word, unsigned int depth)
{
	struct mr_text none = { NULL, 0 }, whole = word;
	struct mr_import_rule rule = { .action = MR_IMPORT_ALLOW, .noauth = true };
	char type[TYPE_MAX], text[MR_IMPORT_BRACKETS];
	_free_ char *path = NULL;
	bool not = *word.p == '!', cut;

	if (not ) {
		rule.noauth = false; /* may talk, may not relay */
		word.p++, word.n--;
	}
	if (!word.n || *word.p == '$') {
		mr_import_left(p->i, &whole, "the file does not say what this is");
		return 0;
	}
	if (*word.p == '/')
		return network_file(p, &word, depth);
	word = mr_import_unbracket(word, text);
	if (mr_import_prefix(&word, &none, &rule.prefix, &cut) == 0) {
		if (!cut)
			return mr_import_add(p->i, &p->networks, &rule);
		mr_import_left(p->i, &whole, "bits behind the prefix: Postfix does not start so");
		return 0;
	}
	path = table_path(&word, type);
	if (!path)
		return network_name(p, &word, not );
	if (not ) {
		mr_import_left(p->i, &whole, "everybody in a table but …");
		return 0;
	}
	return mr_import_table(p->i, type, path, MR_IMPORT_NETWORKS, &p->networks);
}

static int networks(struct postfix *p)
{
	_free_ char *value = NULL;
	struct mr_text rest, word;
	int r;

	value = value_of(p, "mynetworks", &r);
	if (!value && r == 0 && p->any_main)
		fputs("# mynetworks is not set: only this host relays without a login\n",
		      p->i->out);
	if (!value)
		return r;
	rest = mr_text_of(value);
	while (r == 0 && list_word(&rest, &word))
		r = network_word(p, word, EXPAND_DEPTH);
	return r;
}

/* --- restrictions ----------------------------------------------------------------------------- */

static bool decides_relay(const struct mr_text *word)
{
	return mr_text_is(word, "reject_unauth_destination") ||
	       mr_text_is(word, "defer_unauth_destination") || mr_text_is(word, "reject");
}

static int asked_table(struct postfix *p, const struct mr_text *check, const struct mr_text *table,
		       bool relays)
{
	char type[TYPE_MAX];
	_free_ char *path = table_path(table, type);
	bool sender = mr_text_is(check, "check_sender_access");
	struct mr_import_rules none = { 0 };

	if (!path) {
		mr_import_left(p->i, table, "the table of %.*s", (int)check->n, check->p);
		return 0;
	}
	p->tables += !sender;
	if (!sender)
		return mr_import_table(p->i, type, path,
				       relays ? MR_IMPORT_RELAY : MR_IMPORT_ACCESS, &p->access);
	fprintf(p->i->out, "# Refused senders of %s can become a kill file, one a line:\n", path);
	return mr_import_table(p->i, type, path, MR_IMPORT_SENDERS, &none);
}

static int restriction_list(struct postfix *p, const char *name, bool relay)
{
	_free_ char *value = NULL;
	struct mr_text rest, word, table;
	bool trusted = false;
	int r;

	value = value_of(p, name, &r);
	if (!value)
		return r;
	rest = mr_text_of(value);
	while (r == 0 && list_word(&rest, &word)) {
		trusted |= mr_text_is(&word, "permit_mynetworks");
		relay &= !decides_relay(&word);
		if (mr_text_is(&word, "check_sender_access") ||
		    mr_text_is(&word, "check_client_access")) {
			if (mr_text_is(&word, "check_client_access"))
				p->trusted_first |= trusted;
			if (list_word(&rest, &table))
				r = asked_table(p, &word, &table, relay);
		} else if (mr_text_is(&word, "check_helo_access") ||
			   mr_text_is(&word, "check_recipient_access") ||
			   mr_text_is(&word, "check_reverse_client_hostname_access")) {
			if (list_word(&rest, &table))
				mr_import_left(p->i, &table, "%.*s stays with Postfix", (int)word.n,
					       word.p);
		}
	}
	return r;
}

static int restrictions(struct postfix *p)
{
	static const struct {
		const char *name;
		bool relay;
	} lists[] = {
		{ "smtpd_client_restrictions", false },	  { "smtpd_helo_restrictions", false },
		{ "smtpd_sender_restrictions", false },	  { "smtpd_relay_restrictions", true },
		{ "smtpd_recipient_restrictions", true },
	};
	int r = 0;

	for (size_t k = 0; r == 0 && k < MR_ARRAY_SIZE(lists); k++)
		r = restriction_list(p, lists[k].name, lists[k].relay);
	return r;
}

/* --- domains ---------------------------------------------------------------------------------- */

static int domains(struct postfix *p, const char *name, FILE *to)
{
	_free_ char *value = NULL;
	struct mr_text rest, word;
	int r;

	value = value_of(p, name, &r);
	if (!value)
		return r;
	rest = mr_text_of(value);
	while (list_word(&rest, &word)) {
		if (!mr_import_domain(word.p, word.n)) {
			mr_import_left(p->i, &word, "%s: not a name", name);
			continue;
		}
		fputc(' ', to);
		mr_import_quote(to, word.p, word.n);
	}
	return 0;
}

/* --- output ----------------------------------------------------------------------------------- */

/* Who may talk by an access table and is in mynetworks may still relay. */
static void keep_relaying(struct postfix *p)
{
	const struct mr_import_rules *nets = &p->networks;

	for (size_t k = 0; k < p->access.n; k++) {
		struct mr_import_rule *r = &p->access.v[k];

		for (size_t j = 0; r->action == MR_IMPORT_ALLOW && !r->domain && j < nets->n; j++) {
			const struct mr_import_rule *n = &nets->v[j];

			if (n->domain || n->prefix.plen > r->prefix.plen ||
			    !mr_prefix_contains(&n->prefix, &r->prefix.addr))
				continue;
			r->noauth |= n->noauth;
			break;
		}
	}
}

static void print(struct postfix *p, const char *notes, const char *local, const char *to,
		  FILE *out)
{
	static const char *const services[] = { "smtp", "submission", "submissions" };
	_free_ char *access = NULL, *nets = NULL;
	size_t len[2];
	FILE *a = open_memstream(&access, &len[0]), *n = open_memstream(&nets, &len[1]);

	if (*notes)
		fprintf(out, "%s\n", notes);
	if (p->tables > 1)
		fputs("# Several tables are one list here: the first rule that fits decides.\n",
		      out);
	if (!p->trusted_first)
		keep_relaying(p);
	if (n && p->any_main && !find(p, "mynetworks", strlen("mynetworks")))
		fputs("\tallow loopback noauth;\n", n);
	if (n)
		mr_import_rules_put(&p->networks, "mynetworks", out, n);
	if (a)
		mr_import_rules_put(&p->access, "access", out, a);
	if (!a || !n || fclose(a) != 0 || fclose(n) != 0) {
		mr_import_error(p->i, "out of memory");
		return;
	}
	if (p->any_main) {
		fputs("relay {\n\tmode addresses;\n", out);
		if (*local)
			fprintf(out, "\tlocal-domains {%s }\n", local);
		else
			fputs("\t# Until your domains are listed nobody is refused relaying here.\n"
			      "\t#local-domains { example.com }\n",
			      out);
		if (*to)
			fprintf(out, "\tto {%s }\t# names are exact here: add subdomains\n", to);
		fputs("}\n", out);
	}
	for (size_t k = 0; k < MR_ARRAY_SIZE(services); k++)
		fprintf(out, "service %s {\n%s%s\tallow permitted noauth;\n\tallow any;\n}\n",
			services[k], p->trusted_first ? nets : access,
			p->trusted_first ? access : nets);
}

/* --- files ------------------------------------------------------------------------------------ */

/* What a file is that nobody says it of: by its first line. */
static const char *guess(const char *data, size_t len)
{
	struct mr_import quiet = { .path = "", .errors = 1u << 30 };
	_free_ char *buf = NULL;
	struct mr_text line, word, none = { NULL, 0 };
	struct mr_prefix prefix;
	const char *at = data;
	bool cut;

	if (mr_import_logical(&quiet, &at, data + len, &buf, &line) <= 0 || is_parameter(&line))
		return NULL;
	mr_import_word(&line, " \t", &word);
	return memchr(word.p, '/', word.n) && mr_import_prefix(&word, &none, &prefix, &cut) == 0
		       ? "cidr"
		       : "hash";
}

static int read_arg(struct postfix *p, const char *arg)
{
	static const char *const kinds[] = { "cidr", "hash", "main", NULL };
	_free_ char *data = NULL, *buf = NULL;
	const char *path, *at, *type;
	struct mr_text line;
	size_t len;
	int kind = mr_import_kind(arg, kinds, &path), r;

	if (kind >= 0 && kind < 2) {
		p->i->line = 0;
		return mr_import_table(p->i, kinds[kind], path, MR_IMPORT_ACCESS, &p->access);
	}
	if (!mr_import_read(p->i, path, false, &data, &len))
		return 0;
	type = kind < 0 ? guess(data, len) : NULL;
	if (type && strcmp(path, "-") != 0)
		return mr_import_table(p->i, type, path, MR_IMPORT_ACCESS, &p->access);
	p->any_main = true;
	at = data;
	while ((r = mr_import_logical(p->i, &at, data + len, &buf, &line)) > 0) {
		r = add_parameter(p, &line);
		if (r < 0)
			return r;
	}
	return r;
}

static void clear(struct postfix *p)
{
	for (size_t k = 0; k < p->n; k++) {
		free(p->parameter[k].name);
		free(p->parameter[k].value);
	}
	free(p->parameter);
	for (size_t k = 0; k < p->access.n; k++)
		free(p->access.v[k].domain);
	for (size_t k = 0; k < p->networks.n; k++)
		free(p->networks.v[k].domain);
	free(p->access.v);
	free(p->networks.v);
}

static int import(struct postfix *p)
{
	int r = 0;

	for (int k = 0; r == 0 && k < p->i->n_args; k++)
		r = read_arg(p, p->i->args[k]);
	if (r == 0)
		r = networks(p);
	if (r == 0)
		r = restrictions(p);
	if (r == 0)
		r = domains(p, "mydestination", p->local);
	if (r == 0)
		r = domains(p, "virtual_mailbox_domains", p->local);
	if (r == 0)
		r = domains(p, "virtual_alias_domains", p->local);
	return r < 0 ? r : domains(p, "relay_domains", p->to);
}

int mr_import_postfix(struct mr_import *i)
{
	struct postfix p = { .i = i };
	_free_ char *notes = NULL, *local = NULL, *to = NULL;
	size_t len[3];
	FILE *out = i->out, **const texts[] = { &p.notes, &p.local, &p.to };
	int r = -ENOMEM;

	p.notes = open_memstream(&notes, &len[0]);
	p.local = open_memstream(&local, &len[1]);
	p.to = open_memstream(&to, &len[2]);
	if (p.notes && p.local && p.to) {
		i->out = p.notes; /* comments of every file, above what they became */
		r = import(&p);
		i->out = out;
	}
	for (size_t k = 0; k < MR_ARRAY_SIZE(texts); k++)
		if (*texts[k] && fclose(*texts[k]) != 0)
			r = -ENOMEM;
	if (r == 0)
		print(&p, notes, local, to, out);
	clear(&p);
	return r;
}
