// SPDX-License-Identifier: BSD-2-Clause
/*
 * account_sqlite.c - limits of mailboxes in an SQLite file of our own (account.h).
 *
 * One table, its version in user_version; write-ahead log, so the daemon reads while the command
 * writes.  Values go in as bound parameters only.  A file of another version or of somebody else is
 * an error, never changed.  Called by the daemon's account thread, `mailreeve account`, imports.
 */
#include "account_store.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION	    1
#define APPLICATION 0x6d6c7276 /* "mlrv" */
#define BUSY_MS	    2000 /* the command may be in the middle of an import */

struct sqlite_store {
	struct mr_account_store store;
	char *path;
	sqlite3 *db; /* NULL: the file is not there (yet) */
	sqlite3_stmt *find, *put;
};

static const char schema[] =
	"CREATE TABLE limits ("
	" mailbox TEXT NOT NULL COLLATE NOCASE CHECK (mailbox <> ''),"
	" family TEXT NOT NULL CHECK (family IN ('any', 'smtp', 'pop3', 'imap', 'sieve')),"
	" action TEXT NOT NULL CHECK (action IN ('allow', 'deny')),"
	" source TEXT NOT NULL,"
	" PRIMARY KEY (mailbox, family, action, source)) WITHOUT ROWID;"
	"PRAGMA application_id = 1835823734;"
	"PRAGMA user_version = 1;";

static int fault(struct sqlite_store *s, int code, const char *what, struct mr_error *e)
{
	int r = code == SQLITE_BUSY || code == SQLITE_LOCKED	 ? -EBUSY
		: code == SQLITE_READONLY || code == SQLITE_PERM ? -EACCES
		: code == SQLITE_FULL				 ? -ENOSPC
		: code == SQLITE_NOMEM				 ? -ENOMEM
								 : -EIO;

	/* who may not write the file may not make the two that stand beside it, either */
	if (code == SQLITE_CANTOPEN && access(s->path, R_OK | W_OK) < 0 && errno == EACCES)
		r = -EACCES;
	return mr_error(e, r, "%s: %s: %s", s->path, what,
			s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(code));
}

static int run(struct sqlite_store *s, const char *sql, struct mr_error *e)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : fault(s, code, "cannot be used", e);
}

static int number(struct sqlite_store *s, const char *sql, int *out, struct mr_error *e)
{
	sqlite3_stmt *q = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(q);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int(q, 0);
	sqlite3_finalize(q);
	return code == SQLITE_ROW ? 0 : fault(s, code, "cannot be read", e);
}

static int check_version(struct sqlite_store *s, struct mr_error *e)
{
	int version = 0, application = 0;
	int r = number(s, "PRAGMA user_version", &version, e);

	if (r == 0)
		r = number(s, "PRAGMA application_id", &application, e);
	if (r < 0)
		return r;
	if (application != APPLICATION)
		return mr_error(e, -EMEDIUMTYPE, "%s: is no file of accounts of mailreeve",
				s->path);
	if (version != VERSION)
		return mr_error(e, -EPROTONOSUPPORT,
				"%s: version %d of the accounts; this mailreeve reads version %d",
				s->path, version, VERSION);
	return 0;
}

static void close_db(struct sqlite_store *s)
{
	sqlite3_finalize(MR_TAKE_PTR(s->find));
	sqlite3_finalize(MR_TAKE_PTR(s->put));
	sqlite3_close(MR_TAKE_PTR(s->db));
}

static int open_db(struct sqlite_store *s, struct mr_error *e)
{
	int code =
		sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	int r = code == SQLITE_OK ? 0 : fault(s, code, "cannot be opened", e);

	if (r == 0) {
		sqlite3_busy_timeout(s->db, BUSY_MS);
		sqlite3_extended_result_codes(s->db, 0);
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	}
	return r;
}

/* --- questions -------------------------------------------------------------------------------- */

static int prepare(struct sqlite_store *s, sqlite3_stmt **q, const char *sql, struct mr_error *e)
{
	int code;

	if (*q)
		return 0;
	code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, q, NULL);
	return code == SQLITE_OK ? 0 : fault(s, code, "cannot be read", e);
}

static const char *column(sqlite3_stmt *q, int i)
{
	const char *text = (const char *)sqlite3_column_text(q, i);

	return text ? text : "";
}

static int ask(struct sqlite_store *s, const char *name, struct mr_limits *out, struct mr_error *e)
{
	int code, r = prepare(s, &s->find,
			      "SELECT family, action, source FROM limits WHERE mailbox = ?1", e);

	if (r < 0)
		return r;
	sqlite3_bind_text(s->find, 1, name, -1, SQLITE_STATIC);
	while ((code = sqlite3_step(s->find)) == SQLITE_ROW && r == 0)
		r = mr_limits_row(out, 0, column(s->find, 0),
				  strcmp(column(s->find, 1), "deny") != 0, column(s->find, 2));
	if (r == 0 && code != SQLITE_DONE)
		r = fault(s, code, "cannot be read", e);
	sqlite3_reset(s->find);
	sqlite3_clear_bindings(s->find);
	return r;
}

static int connect_db(struct sqlite_store *s, struct mr_error *e)
{
	int r = open_db(s, e);

	return r == 0 ? check_version(s, e) : r;
}

static int sqlite_lookup(struct mr_account_store *store, const char *name, struct mr_limits *out,
			 struct mr_error *e)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	int r = 0;

	if (access(s->path, F_OK) < 0 && errno == ENOENT) {
		close_db(s); /* it was removed */
		return 0;
	}
	if (!s->db)
		r = connect_db(s, e);
	if (r == 0)
		r = ask(s, name, out, e);
	if (r < 0)
		close_db(s); /* the next question begins anew: the file may be another one */
	return r;
}

static void sqlite_free(struct mr_account_store *store)
{
	struct sqlite_store *s = (struct sqlite_store *)store;

	close_db(s);
	free(s->path);
	free(s);
}

static int store_new(const char *path, struct sqlite_store **out)
{
	struct sqlite_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = (struct mr_account_store){ .lookup = sqlite_lookup, .free = sqlite_free };
	s->path = strdup(path);
	if (!s->path) {
		free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

int mr_account_sqlite_open(const char *path, struct mr_account_store **out, struct mr_error *e)
{
	struct sqlite_store *s;
	int r = store_new(path, &s);

	if (r < 0)
		return mr_error(e, r, "out of memory");
	*out = &s->store;
	return 0;
}

int mr_account_lookup(struct mr_account_store *s, const char *name, struct mr_limits *out,
		      struct mr_error *e)
{
	return s->lookup(s, name, out, e);
}

void mr_account_store_free(struct mr_account_store *s)
{
	if (s)
		s->free(s);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* The owner of the directory that a file is in. */
static int folder_stat(const char *path, struct stat *st)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t n = slash ? (size_t)(slash - path) + 1 : 0;

	if (n >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, n);
	strcpy(folder + n, n ? "" : ".");
	return stat(folder, st) < 0 ? -errno : 0;
}

/* An empty file that the owner of the directory can use: root makes it for the daemon. */
static int make_file(const char *path, struct mr_error *e)
{
	struct stat st;
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640), r = 0;

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0)
		return mr_error(e, -errno, "%s: cannot be made: %s", path, strerror(errno));
	if (geteuid() == 0 && folder_stat(path, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
		r = mr_error(e, -errno, "%s: cannot be given to its owner: %s", path,
			     strerror(errno));
	close(fd);
	return r;
}

int mr_account_sqlite_create(const char *path, struct mr_account_store **out, struct mr_error *e)
{
	_cleanup_(mr_account_store_freep) struct mr_account_store *store = NULL;
	struct sqlite_store *s;
	int version = 0, r = store_new(path, &s);

	if (r < 0)
		return mr_error(e, r, "out of memory");
	store = &s->store;
	r = make_file(path, e);
	if (r == 0)
		r = open_db(s, e);
	if (r == 0)
		r = run(s, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", e);
	if (r == 0)
		r = number(s, "SELECT count(*) FROM sqlite_schema", &version, e);
	if (r == 0 && version == 0)
		r = run(s, schema, e);
	if (r == 0)
		r = run(s, "COMMIT", e);
	if (r == 0)
		r = check_version(s, e);
	if (r < 0)
		return r;
	*out = MR_TAKE_PTR(store);
	return 0;
}

int mr_account_begin(struct mr_account_store *s, struct mr_error *e)
{
	return run((struct sqlite_store *)s, "BEGIN IMMEDIATE", e);
}

int mr_account_commit(struct mr_account_store *s, struct mr_error *e)
{
	return run((struct sqlite_store *)s, "COMMIT", e);
}

int mr_account_put(struct mr_account_store *store, const char *name, const struct mr_limit *l,
		   struct mr_error *e)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	char text[MR_LIMIT_TEXT];
	int code,
		r = prepare(s, &s->put, "INSERT OR IGNORE INTO limits VALUES (?1, ?2, ?3, ?4)", e);

	if (r < 0)
		return r;
	sqlite3_bind_text(s->put, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(s->put, 2, mr_limit_family_name(l->family), -1, SQLITE_STATIC);
	sqlite3_bind_text(s->put, 3, l->action == MR_ALLOW ? "allow" : "deny", -1, SQLITE_STATIC);
	sqlite3_bind_text(s->put, 4, mr_limit_source_text(l, text), -1, SQLITE_STATIC);
	code = sqlite3_step(s->put);
	r = code == SQLITE_DONE ? sqlite3_changes(s->db) : fault(s, code, "cannot be changed", e);
	sqlite3_reset(s->put);
	sqlite3_clear_bindings(s->put);
	return r;
}

static void bind_optional(sqlite3_stmt *q, int i, const char *text)
{
	if (text)
		sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(q, i);
}

int mr_account_remove(struct mr_account_store *store, const char *name,
		      const enum mr_family *family, const enum mr_action *action,
		      const struct mr_limit *source, struct mr_error *e)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	char text[MR_LIMIT_TEXT];
	sqlite3_stmt *q = NULL;
	int code,
		r = prepare(s, &q,
			    "DELETE FROM limits WHERE mailbox = ?1 AND family = ifnull(?2, family)"
			    " AND action = ifnull(?3, action) AND source = ifnull(?4, source)",
			    e);

	if (r < 0)
		return r;
	sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	bind_optional(q, 2, family ? mr_limit_family_name(*family) : NULL);
	bind_optional(q, 3, !action ? NULL : *action == MR_ALLOW ? "allow" : "deny");
	bind_optional(q, 4, source ? mr_limit_source_text(source, text) : NULL);
	code = sqlite3_step(q);
	r = code == SQLITE_DONE ? sqlite3_changes(s->db) : fault(s, code, "cannot be changed", e);
	sqlite3_finalize(q);
	return r;
}

int mr_account_each(struct mr_account_store *store, const char *name,
		    int (*each)(const char *name, const struct mr_limit *l, void *userdata),
		    void *userdata, struct mr_error *e)
{
	struct sqlite_store *s = (struct sqlite_store *)store;
	sqlite3_stmt *q = NULL;
	int code = SQLITE_DONE;
	int r = s->db ? 0 : connect_db(s, e);

	if (r == 0)
		r = prepare(s, &q,
			    name ? "SELECT * FROM limits WHERE mailbox = ?1"
				 : "SELECT * FROM limits ORDER BY mailbox, family, action, source",
			    e);
	if (r < 0)
		return r;
	if (name)
		sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
	while (r >= 0 && (code = sqlite3_step(q)) == SQLITE_ROW) {
		struct mr_limits one = { .v = NULL };

		r = mr_limits_row(&one, 0, column(q, 1), strcmp(column(q, 2), "deny") != 0,
				  column(q, 3));
		if (r == 0 && one.n)
			r = each(column(q, 0), one.v, userdata);
		mr_limits_clear(&one);
	}
	if (r >= 0 && code != SQLITE_DONE)
		r = fault(s, code, "cannot be read", e);
	sqlite3_finalize(q);
	return r < 0 ? r : 0;
}
