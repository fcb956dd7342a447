// SPDX-License-Identifier: BSD-2-Clause
/*
 * account.c - `mailreeve account`: list, show, allow, deny, remove, import, in the SQLite store.
 *
 * Works on the file, with or without a daemon, which sees every change at its next question.  A
 * change is whole or not at all.  Never touches accounts of the configuration or of MariaDB.
 */
#include "ctl.h"
#include "term.h"

#include <ctype.h>
#include <mailreeve/account.h>
#include <mailreeve/config.h>

#define ARGS_MAX       256 /* sources in one go; more come in a file */
#define LINE_MAX_BYTES 4096

struct options {
	const char *db, *config;
};
static const struct mr_option options[] = {
	{ "db", 0, MR_OPTION_TEXT, offsetof(struct options, db), "FILE",
	  "the store (default: the daemon's, else the configuration's)" },
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "the configuration that names the store (default " MR_CONFIG_FILE ")" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

/* --- which file ------------------------------------------------------------------------------- */

/* What the configuration says; *path NULL: it says nothing. */
static enum mr_exit path_of_config(const char *config, bool must, char **path)
{
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	_cleanup_(mr_policy_freep) struct mr_policy *p = NULL;
	int r = mr_config_load(config, NULL, NULL, &findings, &p);

	*path = NULL;
	if (r < 0)
		return must ? mr_ctl_fail(MR_EXIT_USAGE,
					  "%s cannot be loaded: mailreeve check says "
					  "why",
					  config)
			    : MR_EXIT_DONE;
	if (p->accounts.kind != MR_ACCOUNTS_SQLITE)
		return mr_ctl_fail(
			MR_EXIT_USAGE,
			"%s keeps its accounts in %s: this command knows the SQLite store "
			"(--db names one)",
			config, p->accounts.kind == MR_ACCOUNTS_MARIADB ? "MariaDB" : "no store");
	if (p->accounts.path)
		*path = strdup(p->accounts.path);
	return MR_EXIT_DONE;
}

static enum mr_exit path_find(const struct mr_ctl *ctl, char **path)
{
	const struct options *o = ctl->options;
	_free_ char *link = NULL;
	enum mr_exit status;

	*path = NULL;
	if (o->db) {
		*path = strdup(o->db);
	} else {
		if (!o->config && asprintf(&link, "%s/" MR_ACCOUNT_FILE, ctl->runtime_dir) >= 0)
			*path = realpath(link, NULL);
		if (!*path && link) { /* a link to a file that is not there yet */
			char target[4096];
			ssize_t n = readlink(link, target, sizeof(target) - 1);

			*path = n > 0 ? strndup(target, (size_t)n) : NULL;
		}
		if (!*path) {
			status = path_of_config(o->config ? o->config : MR_CONFIG_FILE,
						o->config != NULL, path);
			if (status != MR_EXIT_DONE)
				return status;
		}
		if (!*path)
			*path = strdup(MR_STATE_DIR "/" MR_ACCOUNT_FILE);
	}
	return *path ? MR_EXIT_DONE : mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
}

static enum mr_exit fault(int r, const struct mr_error *e)
{
	if (r == -EACCES || r == -EPERM || r == -EROFS)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "%s: run as root", e->text);
	return mr_ctl_fail(MR_EXIT_USAGE, "%s", *e->text ? e->text : strerror(-r));
}

enum purpose { TO_READ, TO_REMOVE, TO_ADD };
/* DONE with *store NULL: there is no file, and it need not be made. */
static enum mr_exit store_open(const struct mr_ctl *ctl, enum purpose purpose,
			       struct mr_account_store **store)
{
	_free_ char *path = NULL;
	struct mr_error e = { "" };
	enum mr_exit status = path_find(ctl, &path);
	int r;

	*store = NULL;
	if (status != MR_EXIT_DONE)
		return status;
	if (access(path, F_OK) < 0) {
		if (errno == ENOENT && purpose != TO_ADD)
			return MR_EXIT_DONE;
		if (errno == EACCES)
			return mr_ctl_fail(MR_EXIT_UNREACHABLE,
					   "%s: permission denied: run as root", path);
	}
	r = purpose == TO_READ ? mr_account_sqlite_open(path, store, &e)
			       : mr_account_sqlite_create(path, store, &e);
	return r < 0 ? fault(r, &e) : MR_EXIT_DONE;
}

/* --- arguments -------------------------------------------------------------------------------- */

static bool name_valid(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f)
			return false;
	return n > 0 && n <= MR_ACCOUNT_NAME && name[0] != '#';
}

static enum mr_exit name_check(const char *name)
{
	return name_valid(name)
		       ? MR_EXIT_DONE
		       : mr_ctl_fail(
				 MR_EXIT_USAGE,
				 "'%s' is not the name of a mailbox: no blanks, at most %d bytes",
				 name, MR_ACCOUNT_NAME);
}

static enum mr_exit source_read(const char *text, struct mr_limit *out)
{
	if (mr_limit_source(text, out) == 0)
		return MR_EXIT_DONE;
	return mr_ctl_fail(
		MR_EXIT_USAGE,
		"'%s' is not a source: an address, a network (192.0.2.0/24), any or none", text);
}

/* MAILBOX [FAMILY] SOURCE…: *first is the first source. */
static void family_take(const struct mr_ctl *ctl, enum mr_family *family, bool *given, int *first)
{
	*family = MR_FAMILY_NONE;
	*given = false;
	*first = 2;
	if (ctl->n_args <= 2 || mr_limit_family(ctl->args[2], family) < 0)
		return;
	/* `any` alone is the source; before another source it is the family */
	if (strcasecmp(ctl->args[2], "any") == 0 && ctl->n_args == 3)
		return;
	*given = true;
	*first = 3;
}

/* --- subcommands ------------------------------------------------------------------------------ */

struct listing {
	bool json;
	size_t n;
};

static int print_limit(const char *name, const struct mr_limit *l, void *userdata)
{
	struct listing *q = userdata;
	const char *family = mr_limit_family_name(l->family);
	const char *action = l->action == MR_ALLOW ? "allow" : "deny";
	char text[MR_LIMIT_TEXT];
	const char *source = mr_limit_source_text(l, text);

	q->n++;
	if (q->json) {
		_json_ json_t *j = json_pack("{s:o,s:s,s:s,s:s}", "mailbox", mr_report_text(name),
					     "family", family, "action", action, "source", source);

		mr_term_json(j);
	} else {
		mr_term_text(name, stdout);
		printf(" %s %s %s\n", family, action, source);
	}
	return ferror(stdout) ? -EIO : 0;
}

static enum mr_exit account_list(const struct mr_ctl *ctl)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	const char *name = ctl->n_args > 1 ? ctl->args[1] : NULL;
	struct listing q = { .json = ctl->json };
	struct mr_error e = { "" };
	enum mr_exit status = store_open(ctl, TO_READ, &store);
	int r = 0;

	if (status != MR_EXIT_DONE)
		return status;
	if (store)
		r = mr_account_each(store, name, print_limit, &q, &e);
	if (r < 0)
		return fault(r, &e);
	if (q.n == 0 && !ctl->json)
		printf(name ? "%s is not limited\n" : "no mailbox is limited\n", name);
	return q.n == 0 && name ? MR_EXIT_NO : MR_EXIT_DONE;
}

static enum mr_exit account_change(const struct mr_ctl *ctl, enum mr_action action)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	struct mr_limit limit[ARGS_MAX] = { 0 };
	struct mr_error e = { "" };
	enum mr_family family;
	enum mr_exit status;
	int first, r, added = 0;
	bool given;

	status = name_check(ctl->args[1]);
	family_take(ctl, &family, &given, &first);
	if (status == MR_EXIT_DONE && first == ctl->n_args)
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "%s: from where? An address, a network, any or none",
				   ctl->args[0]);
	for (int i = first; status == MR_EXIT_DONE && i < ctl->n_args; i++) {
		status = source_read(ctl->args[i], &limit[i]);
		limit[i].family = family;
		limit[i].action = action;
	}
	if (status == MR_EXIT_DONE)
		status = store_open(ctl, TO_ADD, &store);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_account_begin(store, &e);
	for (int i = first; r >= 0 && i < ctl->n_args; i++) {
		r = mr_account_put(store, ctl->args[1], &limit[i], &e);
		added += r > 0;
	}
	if (r >= 0)
		r = mr_account_commit(store, &e);
	if (r < 0)
		return fault(r, &e);
	if (ctl->json)
		printf("{\"added\":%d}\n", added);
	else if (!added)
		puts("nothing is new");
	return MR_EXIT_DONE;
}

static enum mr_exit account_remove(const struct mr_ctl *ctl)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	struct mr_limit source;
	struct mr_error e = { "" };
	enum mr_family family;
	enum mr_exit status;
	int first, r = 0, removed = 0;
	bool given;

	status = name_check(ctl->args[1]);
	family_take(ctl, &family, &given, &first);
	for (int i = first; status == MR_EXIT_DONE && i < ctl->n_args; i++)
		status = source_read(ctl->args[i], &source);
	if (status == MR_EXIT_DONE)
		status = store_open(ctl, TO_REMOVE, &store);
	if (status != MR_EXIT_DONE)
		return status;
	if (store)
		r = mr_account_begin(store, &e);
	for (int i = first; store && r >= 0 && i < ctl->n_args + (first == ctl->n_args); i++) {
		if (i < ctl->n_args)
			(void)mr_limit_source(ctl->args[i], &source);
		r = mr_account_remove(store, ctl->args[1], given ? &family : NULL, NULL,
				      i < ctl->n_args ? &source : NULL, &e);
		removed += r > 0 ? r : 0;
	}
	if (store && r >= 0)
		r = mr_account_commit(store, &e);
	if (r < 0)
		return fault(r, &e);
	if (ctl->json)
		printf("{\"removed\":%d}\n", removed);
	else if (removed)
		printf("%d limit%s removed\n", removed, removed == 1 ? "" : "s");
	else
		puts("no such limit");
	return removed ? MR_EXIT_DONE : MR_EXIT_NO;
}

/* --- import ----------------------------------------------------------------------------------- */

/* MAILBOX [FAMILY] allow|deny SOURCE; NULL, or what is wrong. */
static const char *line_read(char *line, char **name, struct mr_limit *out)
{
	char *word[5], *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && n < MR_ARRAY_SIZE(word);
	     w = strtok_r(NULL, " \t\r\n", &save))
		word[n++] = w;
	if (n != 3 && n != 4)
		return "MAILBOX [FAMILY] allow|deny SOURCE was expected";
	*out = (struct mr_limit){ .family = MR_FAMILY_NONE };
	if (!name_valid(word[0]))
		return "no name of a mailbox";
	if (n == 4 && mr_limit_family(word[1], &out->family) < 0)
		return "the family is smtp, pop3, imap, sieve or any";
	if (strcasecmp(word[n - 2], "allow") != 0 && strcasecmp(word[n - 2], "deny") != 0)
		return "allow or deny was expected";
	out->action = strcasecmp(word[n - 2], "allow") == 0 ? MR_ALLOW : MR_DENY;
	if (mr_limit_source(word[n - 1], out) < 0)
		return "the source is an address, a network, any or none";
	*name = word[0];
	return NULL;
}

/* A remark stands behind a blank: names may hold a #. */
static void cut_remark(char *line)
{
	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
			*c = '\0';
			return;
		}
}

static int import_lines(FILE *f, const char *path, struct mr_account_store *store, size_t *added,
			struct mr_error *e)
{
	char line[LINE_MAX_BYTES], *name;
	struct mr_limit limit;
	size_t number = 0;

	while (fgets(line, sizeof(line), f)) {
		bool mark = number == 0 && strncmp(line, "\xef\xbb\xbf", 3) == 0; /* Windows' */
		const char *why = strchr(line, '\n') || feof(f) ? NULL : "the line is too long";
		char *at = line + (mark ? 3 : 0);
		int r;

		number++;
		cut_remark(at);
		if (!why && !at[strspn(at, " \t\r\n")])
			continue;
		why = why ?: line_read(at, &name, &limit);
		if (why)
			return mr_error(e, -EINVAL, "%s:%zu: %s; nothing is imported", path, number,
					why);
		r = mr_account_put(store, name, &limit, e);
		if (r < 0)
			return r;
		*added += (size_t)r;
	}
	return ferror(f) ? mr_error(e, -EIO, "%s: %s", path, strerror(errno)) : 0;
}

static enum mr_exit account_import(const struct mr_ctl *ctl)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	const char *path = ctl->args[1];
	_fclose_ FILE *f =
		strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
	struct mr_error e = { "" };
	enum mr_exit status;
	size_t added = 0;
	int r;

	if (!f)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(errno));
	status = store_open(ctl, TO_ADD, &store);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_account_begin(store, &e);
	if (r == 0)
		r = import_lines(f, path, store, &added, &e);
	if (r == 0)
		r = mr_account_commit(store, &e); /* else the end of the program takes it back */
	if (r < 0)
		return fault(r, &e);
	if (ctl->json)
		printf("{\"added\":%zu}\n", added);
	else
		printf("%zu limit%s added\n", added, added == 1 ? "" : "s");
	return MR_EXIT_DONE;
}

static enum mr_exit account_run(const struct mr_ctl *ctl)
{
	static const struct {
		const char *name;
		int min, max;
	} verbs[] = { { "list", 1, 1 },	       { "show", 2, 2 },	  { "allow", 3, ARGS_MAX },
		      { "deny", 3, ARGS_MAX }, { "remove", 2, ARGS_MAX }, { "import", 2, 2 } };
	size_t v;

	for (v = 0; v < MR_ARRAY_SIZE(verbs); v++)
		if (strcmp(verbs[v].name, ctl->args[0]) == 0)
			break;
	if (v == MR_ARRAY_SIZE(verbs))
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "account: '%s' is not list, show, allow, deny, remove or import",
				   ctl->args[0]);
	if (ctl->n_args < verbs[v].min || ctl->n_args > verbs[v].max)
		return mr_ctl_fail(MR_EXIT_USAGE, "account %s: %s", verbs[v].name,
				   ctl->n_args < verbs[v].min ? "an argument is missing"
							      : "too many arguments");
	switch (v) {
	case 0:
	case 1:
		return account_list(ctl);
	case 2:
		return account_change(ctl, MR_ALLOW);
	case 3:
		return account_change(ctl, MR_DENY);
	case 4:
		return account_remove(ctl);
	default:
		return account_import(ctl);
	}
}

const struct mr_command mr_ctl_account = {
	.name = "account",
	.usage = "list | show MAILBOX | allow|deny MAILBOX [FAMILY] SOURCE… |\n"
		 "                         remove MAILBOX [FAMILY] [SOURCE…] | import FILE",
	.summary = "mailboxes limited to addresses: list, show, allow, deny, remove, import",
	.help = "Where there is an `allow` for a family (smtp, pop3, imap, sieve; any: all),\n"
		"the address must match one; a `deny` that matches refuses; `none` matches\n"
		"nothing.  A source is an address, a network, any or none.  Dovecot asks\n"
		"(`dovecot { }` in the configuration), and sees a change at the next login.\n"
		"`import` reads what `list` prints, \"-\" from standard input; a faulty line\n"
		"imports nothing.  This is the SQLite store; accounts of the configuration\n"
		"are changed there.  Exit status 1: there is no such limit.",
	.options = options,
	.options_size = sizeof(struct options),
	.min_args = 1,
	.max_args = ARGS_MAX,
	.json = true,
	.run = account_run,
};
