// SPDX-License-Identifier: BSD-2-Clause
/*
 * import_ispconfig.c - mailboxes that may be used from some addresses only: the table
 * mail_user_ip_restriction beside ISPConfig's mail_user, as a dump or as tab-separated rows.
 *
 * Becomes account statements.  A mailbox answers to its login and to its address, so both get one.
 * An entry that allows and cannot be read becomes `allow none`: were it left out, the mailbox would
 * be open to everybody.  Called by import.c.
 */
#include "import_rows.h"

#include <ctype.h>
#include <mailreeve/account.h>

#define ID_NONE UINT64_MAX

struct user {
	uint64_t id;
	struct mr_text name[2]; /* login and email; p NULL: none */
};
struct entry {
	uint64_t id; /* ID_NONE: name tells */
	struct mr_text name[2], ip, service;
	bool allow;
	const char *path;
	unsigned int line;
};
struct line { /* of the output */
	char *account;
	const struct entry *e;
	size_t order;
};
struct isp {
	struct mr_import *i;
	struct user *user;
	struct entry *entry;
	struct line *line;
	size_t users, users_allocated, entries, entries_allocated, lines, lines_allocated;
};

/* --- rows ------------------------------------------------------------------------------------- */

static uint64_t row_id(struct mr_import *i, const struct mr_import_row *row)
{
	struct mr_text t;
	uint64_t id = 0;

	if (!mr_import_column(row, "mailuser_id", &t))
		return ID_NONE;
	for (size_t k = 0; k < t.n; k++) {
		if (!isdigit((unsigned char)t.p[k]) || k > 17) {
			mr_import_error(i, "mailuser_id is no number");
			return ID_NONE;
		}
		id = id * 10 + (uint64_t)(t.p[k] - '0');
	}
	return id;
}

static bool row_names(struct mr_import *i, const struct mr_import_row *row,
		      struct mr_text name[static 2])
{
	static const char *const columns[] = { "login", "email" };
	bool ok = true;

	for (size_t k = 0; k < 2; k++)
		if (mr_import_column(row, columns[k], &name[k]) && name[k].n)
			ok &= mr_import_sayable(i, &name[k]);
		else
			name[k].p = NULL;
	return ok;
}

static int user_row(struct mr_import *i, const struct mr_import_row *row, struct isp *s)
{
	struct user u = { .id = row_id(i, row) };
	int r;

	if (u.id == ID_NONE || !row_names(i, row, u.name))
		return 0;
	r = mr_grow(&s->user, &s->users_allocated, s->users, sizeof(u));
	if (r == 0)
		s->user[s->users++] = u;
	return r;
}

static int entry_row(struct mr_import *i, const struct mr_import_row *row, struct isp *s)
{
	struct entry e = { .id = row_id(i, row), .path = i->path, .line = i->line };
	struct mr_text mode;
	int r;

	if (!mr_import_column(row, "ip", &e.ip) || !mr_import_column(row, "mode", &mode)) {
		mr_import_error(i, "the columns ip and mode were expected");
		return 0;
	}
	if (!mr_text_is(&mode, "w") && !mr_text_is(&mode, "b")) {
		mr_import_error(i, "mode is w (white) or b (black)");
		return 0;
	}
	e.allow = mr_text_is(&mode, "w");
	if (!mr_import_column(row, "service", &e.service))
		e.service = mr_text_of("");
	if (!row_names(i, row, e.name))
		return 0;
	if (e.name[0].p || e.name[1].p)
		e.id = ID_NONE;
	else if (e.id == ID_NONE) {
		mr_import_error(i,
				"whose entry is this?  mailuser_id, login or email was expected");
		return 0;
	}
	r = mr_grow(&s->entry, &s->entries_allocated, s->entries, sizeof(e));
	if (r == 0)
		s->entry[s->entries++] = e;
	return r;
}

static int each_row(struct mr_import *i, const struct mr_import_row *row, void *userdata)
{
	struct mr_text t;
	bool entry =
		row->table ? strcmp(row->table, "mail_user") != 0 : mr_import_column(row, "ip", &t);

	return entry ? entry_row(i, row, userdata) : user_row(i, row, userdata);
}

/* --- accounts --------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_account(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcmp(x->account, y->account);

	return c ? c : x->order < y->order ? -1 : x->order > y->order;
}

/* Logins are compared in lower case, and so are accounts. */
static int add_line(struct isp *s, const struct entry *e, const struct mr_text *name)
{
	struct line l = { .e = e, .order = s->lines };
	int r = mr_grow(&s->line, &s->lines_allocated, s->lines, sizeof(l));

	if (r < 0)
		return r;
	l.account = strndup(name->p, name->n);
	if (!l.account)
		return -ENOMEM;
	for (char *c = l.account; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	s->line[s->lines++] = l;
	return 0;
}

static bool same_name(const struct mr_text name[static 2])
{
	return name[0].p && name[1].p && name[0].n == name[1].n &&
	       strncasecmp(name[0].p, name[1].p, name[0].n) == 0;
}

static int resolve(struct isp *s, const struct entry *e)
{
	const struct mr_text *name = e->name;
	const struct user key = { .id = e->id }, *u;
	int r = 0;

	if (e->id != ID_NONE) {
		u = s->users ? bsearch(&key, s->user, s->users, sizeof(key), by_id) : NULL;
		if (!u) {
			s->i->path = e->path;
			s->i->line = e->line;
			mr_import_left(s->i, &e->ip, "no mail_user has the number %llu",
				       (unsigned long long)e->id);
			return 0;
		}
		name = u->name;
	}
	if (name[0].p)
		r = add_line(s, e, &name[0]);
	if (r == 0 && name[1].p && !same_name(name))
		r = add_line(s, e, &name[1]);
	return r;
}

static const char *family(const struct mr_text *service)
{
	static const char *const words[][2] = {
		{ "", "any" },	      { "smtp", "smtp" },
		{ "smtps", "smtp" },  { "submission", "smtp" },
		{ "pop3", "pop3" },   { "pop3s", "pop3" },
		{ "imap", "imap" },   { "imaps", "imap" },
		{ "sieve", "sieve" }, { "managesieve", "sieve" },
	};

	for (size_t k = 0; k < MR_ARRAY_SIZE(words); k++)
		if (mr_text_is(service, words[k][0]))
			return words[k][1];
	return NULL;
}

/* One limit: a line of its own, or within the block of its account. */
static void put_limit(struct isp *s, const char *account, const char *family_name, bool allow,
		      const char *source)
{
	if (s->i->lines)
		fprintf(s->i->out, "%s %s %s %s\n", account, family_name, allow ? "allow" : "deny",
			source);
	else
		fprintf(s->i->out, "\t%s %s %s;\n", family_name, allow ? "allow" : "deny", source);
}

static void put_left(struct isp *s, const struct mr_text *what, const char *why)
{
	if (!s->i->lines)
		fputc('\t', s->i->out);
	mr_import_left(s->i, what, "%s", why);
}

static void put_entry(struct isp *s, const char *account, const struct entry *e)
{
	const char *f = family(&e->service);
	struct mr_text rest = e->ip, ip, none = { NULL, 0 };
	char buf[MR_PREFIX_TEXT];
	struct mr_prefix p;
	bool cut = false;

	s->i->path = e->path;
	s->i->line = e->line;
	mr_import_word(&rest, " \t", &ip);
	while (rest.n && strchr(" \t", *rest.p))
		rest.p++, rest.n--;
	if (!f) {
		put_left(s, &e->service, "no service of this name asks here");
	} else if (mr_text_is(&ip, "none") || mr_text_is(&ip, "any")) {
		put_limit(s, account, f, e->allow, mr_text_is(&ip, "any") ? "any" : "none");
	} else if (rest.n || mr_import_prefix(&ip, &none, &p, &cut) < 0) {
		put_left(s, &e->ip,
			 e->allow ? "no address; it matches nobody"
				  : "no address; it refused nobody");
		if (e->allow)
			put_limit(s, account, f, true, "none");
	} else {
		if (cut)
			put_left(s, &e->ip, "the bits behind the prefix");
		put_limit(s, account, f, e->allow, mr_prefix_text(&p, buf));
	}
}

/* A line of text has no quotes: such a name stays with the configuration. */
static bool fits_line(const char *account)
{
	return account[0] != '#' && !strpbrk(account, " \t") && strlen(account) <= MR_ACCOUNT_NAME;
}

static void put_account(struct isp *s, const struct line *l, size_t n)
{
	struct mr_text name = mr_text_of(l->account);

	if (s->i->lines && !fits_line(l->account)) {
		s->i->path = l->e->path;
		s->i->line = l->e->line;
		mr_import_left(s->i, &name,
			       "the name does not fit into a line: use an account "
			       "statement");
		return;
	}
	if (!s->i->lines) {
		fputs("account ", s->i->out);
		mr_import_quote(s->i->out, name.p, name.n);
		fputs(" {\n", s->i->out);
	}
	for (size_t k = 0; k < n; k++)
		put_entry(s, l->account, l[k].e);
	if (!s->i->lines)
		fputs("}\n", s->i->out);
}

static int print(struct isp *s)
{
	int r = 0;

	if (s->users)
		qsort(s->user, s->users, sizeof(*s->user), by_id);
	for (size_t k = 0; r == 0 && k < s->entries; k++)
		r = resolve(s, &s->entry[k]);
	if (r < 0)
		return r;
	if (s->lines)
		qsort(s->line, s->lines, sizeof(*s->line), by_account);
	for (size_t k = 0, n; k < s->lines; k += n) {
		for (n = 1; k + n < s->lines; n++)
			if (strcmp(s->line[k].account, s->line[k + n].account) != 0)
				break;
		put_account(s, &s->line[k], n);
	}
	return 0;
}

int mr_import_ispconfig(struct mr_import *i)
{
	static const char *const tables[] = { "mail_user_ip_restriction", "mail_user", NULL };
	static const char *const order[] = { "restriction_id", "mailuser_id", "ip",
					     "mode",	       "service",     NULL };
	struct isp s = { .i = i };
	char **data = calloc((size_t)i->n_args, sizeof(*data)); /* rows point into it */
	int r = data ? 0 : -ENOMEM;
	size_t len;

	for (int k = 0; r == 0 && k < i->n_args; k++)
		if (mr_import_read(i, i->args[k], true, &data[k], &len))
			r = mr_import_rows(i, data[k], len, tables, order, each_row, &s);
	if (r == 0)
		r = print(&s);
	for (size_t k = 0; k < s.lines; k++)
		free(s.line[k].account);
	free(s.line);
	free(s.entry);
	free(s.user);
	for (int k = 0; data && k < i->n_args; k++)
		free(data[k]);
	free(data);
	return r;
}
