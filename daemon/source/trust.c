// SPDX-License-Identifier: BSD-2-Clause
/*
 * trust.c - which unit, uid and program may write the lines of which format (trust.h).
 *
 * Anybody can hand a line to the journal under any identifier, also from within a mail server's
 * cgroup: a sieve script, a .forward program and a pipe transport run there, as the user whose mail
 * it is, or as the one account that owns all mail.  So a line counts only if journald itself says
 * that its writer is one of those that the server logs with:
 *
 *   dovecot    root, from "log" or "dovecot": login and auth processes log through the log service.
 *              Not dovecot, dovenull or vmail: none logs for itself, and vmail runs scripts.
 *              What libpam says in auth itself is its own, but is not read: it tells what one
 *              passdb came to, behind which another may follow.  What the attempt came to, "log"
 *              tells.
 *
 *   postfix    root and postfix, from smtpd or postscreen.  Not postlogd: any user may write to it
 *              with postlog(1).
 *
 *   uw         any uid from imapd or ipop3d in a unit of its own (it has become the user when it
 *              logs the login); elsewhere root.
 *
 *   own        root and system accounts (uid below 1000): programs of users are no servers.
 *
 * A unit whose name belongs to one server counts for that server's format alone.  Names become uids
 * by reading /etc/passwd, never by asking a directory service, which could block.  Never logs.
 * Called by learn.c for each record.
 */
#include "trust.h"

#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define UID_SYSTEM_END 1000 /* SYS_UID_MAX + 1 of every distribution that is known to us */
#define USERS_MAX      6
#define COMMS_MAX      4
#define RELOAD_NS      10000000000ull /* /etc/passwd is looked at again after so long, if asked */

struct writer_rule {
	const char *format;
	const char *unit; /* units that begin so are this server's; NULL: none by name */
	const char *users[USERS_MAX];
	const char *comms[COMMS_MAX]; /* none: the program's name is not certain */
	bool any_uid; /* in its own unit */
};
static const struct writer_rule rules[] = {
	{ "courier", "courier", { "root", "courier", "daemon" }, { NULL }, false },
	{ "cyrus", "cyrus", { "root", "cyrus" }, { NULL }, false },
	{ "dovecot", "dovecot", { "root" }, { "log", "dovecot" }, false },
	{ "dovecot0", "dovecot", { "root" }, { NULL }, false },
	{ "exim",
	  "exim",
	  { "root", "Debian-exim", "exim", "mail", "mailnull" },
	  { "exim4", "exim" },
	  false },
	{ "horde",
	  NULL,
	  { "root", "www-data", "apache", "http", "nginx", "wwwrun" },
	  { NULL },
	  false },
	{ "nginx", "nginx", { "root", "www-data", "nginx", "http" }, { "nginx" }, false },
	{ "opensmtpd",
	  "opensmtpd",
	  { "root", "opensmtpd", "_smtpd", "smtpd" },
	  { "smtpd" },
	  false },
	{ "perdition", "perdition", { "root", "perdition" }, { NULL }, false },
	{ "postfix", "postfix", { "root", "postfix" }, { "smtpd", "postscreen" }, false },
	{ "roundcube",
	  NULL,
	  { "root", "www-data", "apache", "http", "nginx", "wwwrun" },
	  { NULL },
	  false },
	{ "sendmail", "sendmail", { "root", "smmta", "smmsp", "mail" }, { NULL }, false },
	{ "sogo", "sogo", { "root", "sogo" }, { NULL }, false },
	{ "uw", "uw-", { "root" }, { "imapd", "ipop3d" }, true },
	{ "vpopmail", "qmail", { "root", "qmaild" }, { NULL }, false },
	/* POP servers of inetd's time log as root before they become the user */
	{ "apple-imap", NULL, { "root" }, { NULL }, false },
	{ "cucipop", "cucipop", { "root" }, { NULL }, false },
	{ "gnu-pop3d", "gnu-", { "root" }, { NULL }, false },
	{ "kerio", "kerio", { "root" }, { NULL }, false },
	{ "popa3d", "popa3d", { "root", "popa3d" }, { NULL }, false },
	{ "qpopper", "qpopper", { "root" }, { NULL }, false },
	{ "solid-pop3d", "solid-pop3d", { "root" }, { NULL }, false },
	{ "teapop", "teapop", { "root" }, { NULL }, false },
	{ "vm-pop3d", "vm-pop3d", { "root" }, { NULL }, false },
};
#define RULES MR_ARRAY_SIZE(rules)

struct mr_trust {
	char *passwd;
	struct timespec changed;
	uint64_t read_at;
	uint32_t uid[RULES][USERS_MAX];
	size_t uids[RULES];
};

static void read_passwd(struct mr_trust *t)
{
	_fclose_ FILE *f = fopen(t->passwd, "re");
	struct passwd *p;
	struct stat st;

	t->read_at = mr_boottime_ns();
	memset(t->uids, 0, sizeof(t->uids));
	for (size_t i = 0; i < RULES; i++) /* root is 0 whatever its name */
		t->uid[i][t->uids[i]++] = 0;
	if (!f || fstat(fileno(f), &st) < 0)
		return;
	t->changed = st.st_mtim;
	while ((p = fgetpwent(f)))
		for (size_t i = 0; i < RULES; i++)
			for (size_t k = 0; k < USERS_MAX && rules[i].users[k]; k++)
				if (p->pw_uid && t->uids[i] < USERS_MAX &&
				    strcmp(p->pw_name, rules[i].users[k]) == 0)
					t->uid[i][t->uids[i]++] = p->pw_uid;
}

int mr_trust_new(const char *passwd, struct mr_trust **out)
{
	struct mr_trust *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->passwd = strdup(passwd);
	if (!t->passwd) {
		free(t);
		return -ENOMEM;
	}
	read_passwd(t);
	*out = t;
	return 0;
}

void mr_trust_free(struct mr_trust *t)
{
	if (!t)
		return;
	free(t->passwd);
	free(t);
}

/* Has a server been installed since? */
static bool reread(struct mr_trust *t)
{
	struct stat st;

	if (mr_boottime_ns() < t->read_at + RELOAD_NS || stat(t->passwd, &st) < 0)
		return false;
	if (st.st_mtim.tv_sec == t->changed.tv_sec && st.st_mtim.tv_nsec == t->changed.tv_nsec)
		return false;
	read_passwd(t);
	return true;
}

static bool begins(struct mr_str s, const char *head)
{
	return head && s.n >= strlen(head) && memcmp(s.p, head, strlen(head)) == 0;
}

/* Does the unit belong to a server, and not to this rule's? */
static bool foreign_unit(size_t rule, struct mr_str unit)
{
	for (size_t i = 0; i < RULES; i++)
		if (begins(unit, rules[i].unit) &&
		    (!rules[rule].unit || strcmp(rules[i].unit, rules[rule].unit) != 0))
			return true;
	return false;
}

static bool comm_fits(const struct writer_rule *r, struct mr_str comm)
{
	if (!r->comms[0])
		return true;
	for (size_t i = 0; i < COMMS_MAX && r->comms[i]; i++)
		if (mr_str_is(comm, r->comms[i]))
			return true;
	return false;
}

static bool uid_fits(const struct mr_trust *t, size_t rule, const struct mr_writer *w)
{
	if (rules[rule].any_uid && begins(w->unit, rules[rule].unit))
		return true;
	for (size_t i = 0; i < t->uids[rule]; i++)
		if (t->uid[rule][i] == w->uid)
			return true;
	return false;
}

/* An own format in the unit of a server that is known is written by whom that server logs with. */
static bool fits_own(const struct mr_trust *t, const struct mr_writer *w)
{
	for (size_t i = 0; i < RULES; i++)
		if (begins(w->unit, rules[i].unit))
			return uid_fits(t, i, w);
	return w->uid < UID_SYSTEM_END;
}

static bool fits(const struct mr_trust *t, size_t rule, const struct mr_writer *w)
{
	if (rule == RULES)
		return fits_own(t, w);
	return !foreign_unit(rule, w->unit) && comm_fits(&rules[rule], w->comm) &&
	       uid_fits(t, rule, w);
}

bool mr_trust_writer(struct mr_trust *t, const struct mr_writer *w, const char *format)
{
	size_t rule = 0;

	while (rule < RULES && strcmp(rules[rule].format, format) != 0)
		rule++;
	return fits(t, rule, w) || (reread(t) && fits(t, rule, w));
}

static bool fits_any(const struct mr_trust *t, const struct mr_writer *w, bool own)
{
	for (size_t i = 0; i < RULES; i++)
		if (fits(t, i, w))
			return true;
	return own && fits(t, RULES, w);
}

bool mr_trust_aside(const struct mr_writer *w)
{
	return w->uid == 0 && begins(w->unit, "dovecot") &&
	       (mr_str_is(w->comm, "auth") || mr_str_is(w->comm, "auth-worker"));
}

bool mr_trust_any(struct mr_trust *t, const struct mr_writer *w, bool own)
{
	return fits_any(t, w, own) || (reread(t) && fits_any(t, w, own));
}
