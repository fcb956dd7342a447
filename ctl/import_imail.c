// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_imail.c - IMail's relay settings: addresses that may relay, accept.txt, kill.lst.
 *
 * The two lists of names are read by the daemon as they are; they are checked here, and named.  The
 * addresses, single ones and groups with a mask, become rules that say noauth.  Called by import.c.
 */
#include "import.h"

#include <mailreeve/names.h>

#define BLANKS " \t,"

enum kind { RELAY, ACCEPT, KILL };
static const char *const kinds[] = { "relay", "accept", "kill", NULL };

struct imail {
	struct mr_import *i;
	FILE *rules;
	size_t n_rules;
	const char *name[3]; /* of accept and kill, without their folders */
};

static void relay_line(struct imail *m, const struct mr_text *line)
{
	struct mr_text rest = *line, addr, mask = { NULL, 0 }, more;
	struct mr_prefix p;
	char buf[MR_PREFIX_TEXT];
	bool cut;
	int r;

	if (!line->n || *line->p == '#' || *line->p == ';' || !mr_import_word(&rest, BLANKS, &addr))
		return;
	if (mr_import_named(&addr)) {
		m->i->out = m->rules;
		fputc('\t', m->rules);
		mr_import_left(m->i, line, "a name: IMail knew addresses here, and so do rules");
		return;
	}
	more = rest;
	if (mr_import_word(&more, BLANKS, &mask) && !mr_import_named(&mask))
		rest = more;
	else
		mask.n = 0;
	r = mr_import_prefix(&addr, &mask, &p, &cut);
	if (r == -EINVAL) {
		mr_import_error(m->i, "an address, or an address and a mask, was expected");
		return;
	}
	m->i->out = m->rules;
	if (r == -EDOM) {
		fputc('\t', m->rules);
		mr_import_left(m->i, line, "the netmask has holes");
		return;
	}
	m->n_rules++;
	fprintf(m->rules, "\tallow %s noauth;", mr_import_source(&p, buf));
	if (p.plen == 0 || (p.plen == 96 && mr_addr_is4(&p.addr)))
		fputs("\t# an open relay, as it was in IMail", m->rules);
	if (mr_import_word(&rest, BLANKS, &more)) {
		fputs("\t# ", m->rules);
		mr_import_print(m->rules, more.p, (size_t)(line->p + line->n - more.p));
	}
	fputc('\n', m->rules);
}

static void read_names(struct imail *m, const char *path, enum kind kind, const char *data,
		       size_t len)
{
	_cleanup_(mr_names_freep) struct mr_names *names = NULL;
	struct mr_error e = { "" };
	const char *slash = strrchr(path, '/');

	if (mr_names_parse(data, len, m->i->path, kind == KILL ? MR_NAMES_KILL : MR_NAMES_ACCEPT,
			   &names, &e) < 0) {
		const char *text = e.text;
		size_t skip = strlen(m->i->path);

		/* the message begins with the place, which the importer says by itself */
		if (strncmp(text, m->i->path, skip) == 0 && text[skip] == ':') {
			m->i->line = (unsigned int)strtoul(text + skip + 1, NULL, 10);
			text = strstr(text + skip, ": ") ? strstr(text + skip, ": ") + 2 : text;
		}
		mr_import_error(m->i, "%s", *text ? text : "out of memory");
		return;
	}
	if (m->name[kind])
		mr_import_error(m->i, "a second %s file: join the two", kinds[kind]);
	m->name[kind] = slash ? slash + 1 : path;
}

static void read_file(struct imail *m, const char *arg)
{
	_free_ char *data = NULL;
	struct mr_text line;
	const char *path, *at;
	size_t len;
	int kind = mr_import_kind(arg, kinds, &path);

	if (!mr_import_read(m->i, path, false, &data, &len))
		return;
	if (kind < 0)
		kind = strcasestr(path, "kill")	    ? KILL
		       : strcasestr(path, "accept") ? ACCEPT
						    : RELAY;
	if (kind != RELAY) {
		read_names(m, path, (enum kind)kind, data, len);
		return;
	}
	at = data;
	while (mr_import_line(m->i, &at, data + len, &line))
		relay_line(m, &line);
}

static void print_file(const struct imail *m, enum kind kind, FILE *out)
{
	if (!m->name[kind])
		return;
	fprintf(out, "\t%s file \"", kinds[kind]);
	for (const char *c = m->name[kind]; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c, out);
	}
	fputs("\";\t# the file as it is: put it beside this one\n", out);
}

static void print(const struct imail *m, const char *rules, FILE *out)
{
	static const char *const services[] = { "smtp", "submission", "submissions" };

	fputs("relay {\n"
	      "\t# As it was set in IMail: addresses; none (nobody); local-hosts; local-users;\n"
	      "\t# anyone.  The last three believe a sender's address, which anybody can write.\n"
	      "\tmode addresses;\n"
	      "\t# Your own domains; until they are listed, nobody is refused relaying here.\n"
	      "\t#local-domains { example.com }\n",
	      out);
	if (m->name[ACCEPT])
		fputs("\t# asked in the modes local-hosts and local-users only\n", out);
	print_file(m, ACCEPT, out);
	print_file(m, KILL, out);
	fputs("\t#check-sender yes;\t# if \"check valid sender\" was on\n"
	      "\t#groups file \"groups.txt\";\t# if groups were closed to remote mail\n"
	      "}\n",
	      out);
	for (size_t s = 0; s < MR_ARRAY_SIZE(services); s++)
		fprintf(out, "service %s {\n%s\tallow permitted noauth;\n\tallow any;\n}\n",
			services[s], rules);
}

int mr_import_imail(struct mr_import *i)
{
	struct imail m = { .i = i };
	FILE *out = i->out;
	_free_ char *rules = NULL;
	size_t len = 0;

	m.rules = open_memstream(&rules, &len);
	if (!m.rules)
		return -ENOMEM;
	for (int k = 0; k < i->n_args; k++)
		read_file(&m, i->args[k]);
	i->out = out;
	if (fclose(m.rules) != 0)
		return -ENOMEM;
	print(&m, rules, out);
	return 0;
}
