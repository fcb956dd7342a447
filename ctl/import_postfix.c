// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_postfix.c - Postfix: who may relay and who may talk, from main.cf and its tables.
 *
 * Reads main.cf (import_maincf.c), follows the tables that mynetworks and the
 * restrictions name, and prints rules for smtp, submission and submissions, with the local domains.
 * Everything else that Postfix checks stays with Postfix.  Called by import.c.
 */
#include "import_postfix.h"

#define BLANKS	     " \t,"
#define EXPAND_DEPTH 10

struct postfix {
	struct mr_import *i;
	struct mr_import_maincf main;
	struct mr_import_rules access, networks; /* who may talk; mynetworks */
	FILE *local, *to, *notes;
	bool unknown; /* some of the domains are not known here */
	bool own, subnet; /* no mynetworks: what Postfix takes instead */
	bool trusted_first; /* permit_mynetworks before the access tables */
	bool any_main;
	unsigned int tables; /* of clients, as asked */
};

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
			while (r == 0 && mr_import_maincf_word(&line, &w))
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
	char type[MR_IMPORT_TYPE], text[MR_IMPORT_BRACKETS];
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
	path = mr_import_maincf_table(&word, type);
	if (!path)
		return network_name(p, &word, not );
	if (not ) {
		mr_import_left(p->i, &whole, "everybody in a table but …");
		return 0;
	}
	return mr_import_table(p->i, type, path, MR_IMPORT_NETWORKS, &p->networks);
}

/* Without mynetworks Postfix looks at its own addresses. */
static int networks_style(struct postfix *p)
{
	_free_ char *value = NULL;
	struct mr_text style;
	int r;

	value = mr_import_maincf_value(&p->main, p->i, "mynetworks_style", "host", &r);
	if (!value)
		return r;
	style = mr_text_of(value);
	p->own = true;
	p->subnet = mr_text_is(&style, "subnet");
	if (!p->subnet && !mr_text_is(&style, "host"))
		mr_import_left(p->i, &style, "mynetworks_style: name the networks in mynetworks");
	fprintf(p->i->out, "# mynetworks is not set: only this host%s without a login\n",
		p->subnet ? " and the private networks it is in relay" : " relays");
	return 0;
}

static int networks(struct postfix *p)
{
	_free_ char *value = NULL;
	struct mr_text rest, word;
	int r;

	value = mr_import_maincf_value(&p->main, p->i, "mynetworks", NULL, &r);
	if (!value)
		return r < 0 || !p->any_main ? r : networks_style(p);
	rest = mr_text_of(value);
	while (r == 0 && mr_import_maincf_word(&rest, &word))
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
	char type[MR_IMPORT_TYPE];
	_free_ char *path = mr_import_maincf_table(table, type);
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

	value = mr_import_maincf_value(&p->main, p->i, name, NULL, &r);
	if (!value)
		return r;
	rest = mr_text_of(value);
	while (r == 0 && mr_import_maincf_word(&rest, &word)) {
		trusted |= mr_text_is(&word, "permit_mynetworks");
		relay &= !decides_relay(&word);
		if (mr_text_is(&word, "check_sender_access") ||
		    mr_text_is(&word, "check_client_access")) {
			if (mr_text_is(&word, "check_client_access"))
				p->trusted_first |= trusted;
			if (mr_import_maincf_word(&rest, &table))
				r = asked_table(p, &word, &table, relay);
		} else if (mr_text_is(&word, "check_helo_access") ||
			   mr_text_is(&word, "check_recipient_access") ||
			   mr_text_is(&word, "check_reverse_client_hostname_access")) {
			if (mr_import_maincf_word(&rest, &table))
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

static int domain_word(struct postfix *p, const char *name, struct mr_text word, FILE *to,
		       unsigned int depth);

/* A file of names, or the text that a table was made of, whose keys are names. */
static int domain_file(struct postfix *p, const char *name, const char *path, FILE *to,
		       unsigned int depth)
{
	_free_ char *data = NULL, *buf = NULL;
	const char *was = p->i->path, *at;
	unsigned int was_line = p->i->line;
	struct mr_text line, word;
	size_t len;
	int r = 0;

	if (mr_import_read(p->i, path, false, &data, &len)) {
		at = data;
		while (r == 0 && (r = mr_import_logical(p->i, &at, data + len, &buf, &line)) > 0) {
			mr_import_word(&line, BLANKS, &word);
			/* a table of aliases has addresses and users as well */
			if (!memchr(word.p, '@', word.n) && memchr(word.p, '.', word.n))
				r = domain_word(p, name, word, to, depth);
			else
				r = 0;
		}
	}
	p->i->path = was;
	p->i->line = was_line;
	return r;
}

static int domain_word(struct postfix *p, const char *name, struct mr_text word, FILE *to,
		       unsigned int depth)
{
	char type[MR_IMPORT_TYPE] = "hash";
	_free_ char *path =
		*word.p == '/' ? strndup(word.p, word.n) : mr_import_maincf_table(&word, type);

	if (path && depth && mr_import_hashed(type) && access(path, R_OK) == 0)
		return domain_file(p, name, path, to, depth - 1);
	if (p->i->line == 0 && memchr(word.p, '$', word.n)) {
		p->unknown = true; /* the host's own name, and nobody said it */
		return 0;
	}
	if (!mr_import_domain(word.p, word.n)) {
		mr_import_left(p->i, &word,
			       path ? "%s: domains that stand elsewhere" : "%s: not a name", name);
		p->unknown |= *word.p != '[' && *word.p != '!';
		return 0;
	}
	fputc(' ', to);
	mr_import_quote(to, word.p, word.n);
	return 0;
}

/* `instead` counts where the parameter is not said, as with Postfix: another one, or a list. */
static int domains(struct postfix *p, const char *name, const char *instead, FILE *to)
{
	_free_ char *value = NULL;
	struct mr_text rest, word;
	int r;

	value = mr_import_maincf_value(&p->main, p->i, name, p->any_main ? instead : NULL, &r);
	if (!value)
		return r;
	rest = mr_text_of(value);
	while (r == 0 && mr_import_maincf_word(&rest, &word)) {
		if (instead && strncmp(word.p, instead, strlen(instead)) == 0)
			continue; /* neither is said */
		r = domain_word(p, name, word, to, 1);
	}
	return r;
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
	if (n && p->own)
		fprintf(n, "\tallow loopback noauth;\n%s",
			p->subnet ? "\tallow local noauth;\n" : "");
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
		if (*local && p->unknown)
			fprintf(out,
				"\t# Not all domains are known here.  Add those that "
				"are "
				"missing, then\n"
				"\t# take the # away: until then nobody is refused relaying here.\n"
				"\t#local-domains {%s }\n",
				local);
		else if (*local)
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

	if (mr_import_logical(&quiet, &at, data + len, &buf, &line) <= 0 ||
	    mr_import_maincf_is(&line))
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
		r = mr_import_maincf_add(&p->main, p->i, &line);
		if (r < 0)
			return r;
	}
	return r;
}

static void clear(struct postfix *p)
{
	mr_import_maincf_clear(&p->main);
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
		r = domains(p, "mydestination", "$mydestination", p->local);
	if (r == 0)
		r = domains(p, "virtual_mailbox_domains", "$virtual_mailbox_maps", p->local);
	if (r == 0)
		r = domains(p, "virtual_alias_domains", "$virtual_alias_maps", p->local);
	return r < 0 ? r : domains(p, "relay_domains", NULL, p->to);
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
