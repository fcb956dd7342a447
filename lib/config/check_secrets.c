// SPDX-License-Identifier: BSD-2-Clause
/*
 * check_secrets.c - are the files that hold a password or a secret kept from others? (config.h)
 *
 * The rule is the daemon's own (secret.h), so that `check` and `status` say the same.  Looks at
 * owner and mode, never into a file.  A file that is not there, or that the caller may not look at,
 * is no error: the daemon may see more.  Called by the command; never fails.
 */
#include "parser.h"

#include <mailreeve/secret.h>
#include <string.h>

struct secret {
	const char *path, *what, *without; /* … what does not work then */
	const struct mr_place *place;
	bool made; /* by the daemon, if it is not there */
};

static bool may_read(const struct stat *st, uid_t user, gid_t group)
{
	return user == 0 || (st->st_uid == user && st->st_mode & S_IRUSR) ||
	       (st->st_uid != user && st->st_gid == group && st->st_mode & S_IRGRP);
}

static void check_secret(const struct mr_policy *p, const struct secret *s, uid_t user, gid_t group,
			 struct mr_findings *f)
{
	struct mr_spot spot = { .path = p->files[s->place->file],
				.line = s->place->line,
				.column = s->place->column };
	struct mr_error e = { "" };
	struct stat st;
	int r = stat(s->path, &st) < 0 ? -errno : mr_secret_kept(s->path, &st, user, &e);

	if (r == -ENOENT && s->made)
		return;
	if (*e.text)
		mr_findings_add(f, MR_ERROR, &spot, s->without, "%s: %s", s->what, e.text);
	else if (r == -EACCES)
		mr_findings_add(f, MR_NOTE, &spot, "run check as root", "%s: %s: not looked at: %s",
				s->what, s->path, strerror(EACCES));
	else if (r < 0)
		mr_findings_add(f, MR_RISK, &spot, s->without, "%s: %s: %s", s->what, s->path,
				strerror(-r));
	else if (!may_read(&st, user, group))
		mr_findings_add(f, MR_RISK, &spot, s->without,
				"%s: %s: mailreeved, which runs as uid %u, cannot read it: chgrp "
				"%u %s; chmod 0640 %s",
				s->what, s->path, user, group, s->path, s->path);
}

void mr_config_check_secrets(const struct mr_policy *p, uid_t user, gid_t group,
			     struct mr_findings *findings)
{
	const struct secret list[] = {
		{ p->accounts.kind == MR_ACCOUNTS_MARIADB ? p->accounts.password_file : NULL,
		  "password-file", "until then the database is not asked, and on-failure holds",
		  &p->accounts.place, false },
		{ p->dovecot.secret_file, "secret-file",
		  "until then Dovecot's reports are not believed", &p->dovecot.place, true },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(list); i++)
		if (list[i].path)
			check_secret(p, &list[i], user, group, findings);
	mr_findings_sort(findings, 0, p);
}
