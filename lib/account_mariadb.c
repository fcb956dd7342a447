// SPDX-License-Identifier: BSD-2-Clause
/*
 * account_mariadb.c - limits of mailboxes in the tables that an ISPConfig-style installation has
 * (account.h), read as they stand:
 *
 *   mail_user(mailuser_id, login, email, …)
 *   mail_user_ip_restriction(restriction_id, mailuser_id, ip, mode 'w'|'b', service)
 *
 * A login is looked for in both of the first table's columns, as it is and in small letters (an
 * answer is remembered for all spellings, whatever the columns' collation), as bound parameters.
 * Never writes.
 * Every step has a time limit; whatever fails closes the connection, and the next question opens
 * another.  Called by the daemon's account thread only: a connection belongs to its thread.
 */
#include "account_store.h"

#include <mailreeve/secret.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <string.h>
#include <strings.h>

#define COLUMNS	     4
#define COLUMN_BYTES 256 /* of a column; a longer text is no address */

static const char query[] =
	"SELECT r.ip, r.mode, r.service, r.restriction_id FROM mail_user u"
	" JOIN mail_user_ip_restriction r ON r.mailuser_id = u.mailuser_id WHERE u.login IN (?, ?)"
	" UNION "
	"SELECT r.ip, r.mode, r.service, r.restriction_id FROM mail_user u"
	" JOIN mail_user_ip_restriction r ON r.mailuser_id = u.mailuser_id WHERE u.email IN (?, ?)";

struct mariadb_store {
	struct mr_account_store store;
	char *host, *socket, *database, *user, *password_file;
	unsigned int port;
	MYSQL *db;
	MYSQL_STMT *find;
};

static void close_db(struct mariadb_store *s)
{
	if (s->find)
		mysql_stmt_close(MR_TAKE_PTR(s->find));
	if (s->db)
		mysql_close(MR_TAKE_PTR(s->db));
}

static int fault(struct mariadb_store *s, const char *text, struct mr_error *e)
{
	mr_error(e, -EIO, "MariaDB, database %s: %s", s->database,
		 text && *text ? text : "the connection broke");
	close_db(s);
	return -EIO;
}

static int connect_db(struct mariadb_store *s, struct mr_error *e)
{
	unsigned int wait = MR_ACCOUNT_WAIT_S;
	_free_ char *password = NULL;
	MYSQL *db;
	int r = s->password_file ? mr_secret_read(s->password_file, &password, e) : 0;

	if (r < 0)
		return r;
	s->db = mysql_init(NULL);
	if (!s->db)
		return -ENOMEM;
	mysql_options(s->db, MYSQL_OPT_CONNECT_TIMEOUT, &wait);
	mysql_options(s->db, MYSQL_OPT_READ_TIMEOUT, &wait);
	mysql_options(s->db, MYSQL_OPT_WRITE_TIMEOUT, &wait);
	mysql_options(s->db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	db = mysql_real_connect(s->db, s->host, s->user, password, s->database, s->port, s->socket,
				0);
	if (password)
		explicit_bzero(password, strlen(password));
	if (!db)
		return fault(s, mysql_error(s->db), e);
	s->find = mysql_stmt_init(s->db);
	if (!s->find)
		return fault(s, "out of memory", e);
	if (mysql_stmt_prepare(s->find, query, sizeof(query) - 1))
		return fault(s, mysql_stmt_error(s->find), e);
	return 0;
}

struct cell {
	unsigned long len;
	my_bool null, cut;
	char text[COLUMN_BYTES + 1];
};

static const char *cell_text(struct cell *c)
{
	if (c->null)
		return "";
	if (c->cut || c->len > COLUMN_BYTES || memchr(c->text, '\0', c->len))
		return "?"; /* no address, no service */
	c->text[c->len] = '\0';
	return c->text;
}

static int read_rows(struct mariadb_store *s, struct cell *c, struct mr_limits *out,
		     struct mr_error *e)
{
	int r = 0, code;

	while ((code = mysql_stmt_fetch(s->find)) == 0 || code == MYSQL_DATA_TRUNCATED) {
		const char *mode = cell_text(&c[1]);

		if (r == 0)
			r = mr_limits_row(out, strtoull(cell_text(&c[3]), NULL, 10),
					  cell_text(&c[2]), strcasecmp(mode, "b") != 0,
					  cell_text(&c[0]));
	}
	if (code != MYSQL_NO_DATA)
		return fault(s, mysql_stmt_error(s->find), e);
	mysql_stmt_free_result(s->find);
	return r;
}

/*
 * A name that the columns' character set has no letters for: it is no mailbox, and no trouble of
 * the database.  Names come from strangers, and trouble means that nobody new is limited for a
 * while.
 */
static bool unwritable(MYSQL_STMT *q, const char *name)
{
	while (*name && !(*name & 0x80))
		name++;
	if (!*name)
		return false;
	switch (mysql_stmt_errno(q)) {
	case ER_CANT_AGGREGATE_2COLLATIONS:
	case ER_CANT_AGGREGATE_3COLLATIONS:
	case ER_CANT_AGGREGATE_NCOLLATIONS:
	case ER_INVALID_CHARACTER_STRING:
	case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
		return true;
	default:
		return false;
	}
}

static int ask(struct mariadb_store *s, const char *name, struct mr_limits *out, struct mr_error *e)
{
	_free_ char *small = strdup(name);
	unsigned long len = strlen(name);
	struct cell cell[COLUMNS] = { 0 };
	MYSQL_BIND in[4] = { 0 }, row[COLUMNS] = { 0 };

	if (!small)
		return mr_error(e, -ENOMEM, "out of memory");
	for (char *c = small; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');

	for (size_t i = 0; i < MR_ARRAY_SIZE(in); i++) {
		in[i].buffer_type = MYSQL_TYPE_STRING;
		in[i].buffer = i % 2 ? small : (void *)name;
		in[i].buffer_length = len;
		in[i].length = &len;
	}
	for (size_t i = 0; i < COLUMNS; i++) {
		row[i].buffer_type = MYSQL_TYPE_STRING;
		row[i].buffer = cell[i].text;
		row[i].buffer_length = COLUMN_BYTES;
		row[i].length = &cell[i].len;
		row[i].is_null = &cell[i].null;
		row[i].error = &cell[i].cut;
	}
	if (mysql_stmt_bind_param(s->find, in))
		return fault(s, mysql_stmt_error(s->find), e);
	if (mysql_stmt_execute(s->find) && unwritable(s->find, name))
		return 0;
	if (mysql_stmt_errno(s->find) || mysql_stmt_bind_result(s->find, row))
		return fault(s, mysql_stmt_error(s->find), e);
	return read_rows(s, cell, out, e);
}

static int mariadb_lookup(struct mr_account_store *store, const char *name, struct mr_limits *out,
			  struct mr_error *e)
{
	struct mariadb_store *s = (struct mariadb_store *)store;
	bool stood = s->db != NULL;
	size_t n = out->n;
	int r = stood ? 0 : connect_db(s, e);

	if (r == 0)
		r = ask(s, name, out, e);
	if (r < 0 && stood) { /* the server was restarted, or closed an idle connection */
		out->n = n;
		r = connect_db(s, e);
		if (r == 0)
			r = ask(s, name, out, e);
	}
	return r;
}

static void mariadb_free(struct mr_account_store *store)
{
	struct mariadb_store *s = (struct mariadb_store *)store;

	close_db(s);
	free(s->host);
	free(s->socket);
	free(s->database);
	free(s->user);
	free(s->password_file);
	free(s);
}

static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

int mr_account_mariadb_open(const struct mr_accounts_options *o, struct mr_account_store **out,
			    struct mr_error *e)
{
	struct mariadb_store *s = calloc(1, sizeof(*s));

	if (!s)
		return mr_error(e, -ENOMEM, "out of memory");
	s->store = (struct mr_account_store){ .lookup = mariadb_lookup, .free = mariadb_free };
	s->port = o->port;
	if (!copy(&s->host, o->host) || !copy(&s->socket, o->socket) ||
	    !copy(&s->database, o->database) || !copy(&s->user, o->user) ||
	    !copy(&s->password_file, o->password_file)) {
		mariadb_free(&s->store);
		return mr_error(e, -ENOMEM, "out of memory");
	}
	*out = &s->store;
	return 0;
}
