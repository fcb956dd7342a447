// SPDX-License-Identifier: BSD-2-Clause
/*
 * policyd.c - the sockets where Postfix asks, and what status says of them (policyd.h).
 *
 * A unix socket belongs to the group postfix and to no other: whoever may ask learns who may relay,
 * and the group mailreeve is full control.  A socket that another process answers on is left to it;
 * what cannot be opened is tried again.  Never fails the daemon: without its sockets mailreeve
 * still filters.  Called by the manager and by apply.c.
 */
#include "policyd.h"

#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RETRY_US     5000000 /* for a Postfix that is installed later, or a socket in use */
#define BACKLOG	     511
#define ACCEPT_BATCH 64 /* of one listener at a time */
#define AT_TEXT	     128 /* bytes: a unix path has 107, an address and port fewer */
#define GROUP	     "postfix"

static const char *const kinds[] = { "policy", "socketmap" };

/* --- one listener ----------------------------------------------------------------------------- */

static void listener_name(const struct mr_listener *l, char *buf, size_t size)
{
	char text[MR_ADDR_TEXT];

	if (l->path)
		snprintf(buf, size, "%s", l->path);
	else
		snprintf(buf, size, "%s port %u", mr_addr_text(&l->address, text), l->port);
}

static char *directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

static void listener_close(struct mr_listener *l)
{
	_free_ char *dir = l->path && l->made ? directory(l->path) : NULL;
	struct stat st;

	mr_rest_end(&l->rest);
	l->io = sd_event_source_disable_unref(l->io);
	if (l->fd < 0)
		return;
	if (l->path && lstat(l->path, &st) == 0 && st.st_ino == l->st.st_ino &&
	    st.st_dev == l->st.st_dev)
		unlink(l->path);
	if (dir)
		(void)rmdir(dir); /* as long as nobody else uses it */
	close(l->fd);
	l->fd = -EBADF;
}

static void listener_free(struct mr_listener *l)
{
	listener_close(l);
	free(l->path);
	free(l->error);
	free(l);
}

static int on_connection(sd_event_source *s _unused_, int fd, uint32_t events _unused_,
			 void *userdata)
{
	struct mr_listener *l = userdata;
	char name[AT_TEXT];

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (c < 0 && mr_rest_due(errno) && mr_askers_let_go(l->d))
			continue;
		if (c < 0 && mr_rest_due(errno)) {
			listener_name(l, name, sizeof(name));
			mr_rest_begin(&l->rest, l->d->m, l->io, name);
		}
		if (c < 0)
			break;
		mr_asker_new(l->d, l, c);
	}
	return 0;
}

static void fill_unix(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
}

/* A file that nobody listens on goes; one that somebody does is his. */
static int clear_path(const char *path, struct mr_error *e)
{
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un un;
	struct stat st;
	int r;

	fill_unix(&un, path);
	if (fd < 0 || lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return mr_error(e, -EEXIST, "%s is no socket: move it away", path);
	r = connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
	if (r == -ECONNREFUSED)
		return unlink(path) < 0 ? -errno : 0;
	if (r == -EACCES) /* a daemon that was started by hand, as root, and killed */
		return mr_error(e, -EACCES,
				"%s belongs to another user: stop who answers there, or remove it",
				path);
	return mr_error(e, -EADDRINUSE, "%s: another process answers there", path);
}

/* Only the last directory: what holds it is Postfix's. */
static int make_directory(struct mr_listener *l, gid_t group)
{
	_free_ char *dir = directory(l->path);

	if (!dir)
		return -ENOMEM;
	if (mkdir(dir, 0750) < 0)
		return errno == EEXIST ? 0 : -errno;
	l->made = true;
	if (group != (gid_t)-1 && chown(dir, (uid_t)-1, group) < 0)
		return -errno;
	return chmod(dir, group == (gid_t)-1 ? 0750 : 02750) < 0 ? -errno : 0;
}

/* Group postfix, or nobody but ourselves. */
static int hand_over(const char *path, gid_t group, struct stat *st, struct mr_error *e)
{
	bool given = group != (gid_t)-1 && lchown(path, (uid_t)-1, group) == 0;

	if (lstat(path, st) < 0 || chmod(path, 0600) < 0)
		return -errno;
	if (group == (gid_t)-1)
		return 0;
	if (!given && st->st_gid != group)
		return mr_error(e, -EPERM,
				"%s: the group cannot be " GROUP ": give its directory that "
				"group and mode 2750",
				path);
	return chmod(path, 0660) < 0 ? -errno : 0;
}

static int open_unix(struct mr_listener *l, int fd, struct mr_error *e)
{
	struct group *g = getgrnam(GROUP);
	gid_t group = g ? g->gr_gid : (gid_t)-1;
	struct sockaddr_un un;
	int r = make_directory(l, group);

	if (r == 0)
		r = clear_path(l->path, e);
	if (r < 0)
		return r;
	fill_unix(&un, l->path);
	fchmod(fd, 0600); /* the file is born with these bits: nobody connects before hand_over */
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		return -errno;
	r = hand_over(l->path, group, &l->st, e);
	if (r < 0)
		unlink(l->path);
	return r;
}

static int open_tcp(struct mr_listener *l, int fd)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(l->port) };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(l->port),
				  .sin_addr.s_addr = htonl(mr_addr_v4(&l->address)) };
	bool v4 = mr_addr_is4(&l->address);
	int one = 1;

	memcpy(&in6.sin6_addr, &l->address, sizeof(in6.sin6_addr));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6,
		 v4 ? sizeof(in) : sizeof(in6)) < 0)
		return -errno;
	return 0;
}

static int listener_open(struct mr_listener *l, struct mr_error *e)
{
	int family = l->path ? AF_UNIX : mr_addr_is4(&l->address) ? AF_INET : AF_INET6, r;
	_close_ int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	r = l->path ? open_unix(l, fd, e) : open_tcp(l, fd);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	r = sd_event_add_io(l->d->m->event, &l->io, fd, EPOLLIN, on_connection, l);
	if (r < 0)
		return r;
	l->fd = MR_TAKE_FD(fd);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Nobody misses the default sockets where Postfix is not installed, nor in a daemon that runs
 * beside the system's. */
static bool not_missed(const struct mr_listener *l, int r)
{
	if (!l->path || strncmp(l->path, MR_LISTEN_DIR "/", strlen(MR_LISTEN_DIR) + 1) != 0)
		return false;
	return r == -ENOENT ||
	       (r == -EADDRINUSE && strcmp(l->d->m->options.runtime_dir, MR_RUNTIME_DIR) != 0);
}

static void try_open(struct mr_policyd *d, struct mr_listener *l)
{
	struct mr_error e = { "" };
	char name[AT_TEXT], text[MR_ERROR_BYTES + 64];
	int r = listener_open(l, &e);

	listener_name(l, name, sizeof(name));
	if (r == 0) {
		free(MR_TAKE_PTR(l->error));
		mr_log(&d->m->log, LOG_INFO, "%s: Postfix is answered on %s", kinds[l->kind], name);
		return;
	}
	if (*e.text)
		snprintf(text, sizeof(text), "%s", e.text);
	else
		snprintf(text, sizeof(text), "%.900s: %s", name, strerror(-r));
	if (l->error && strcmp(l->error, text) == 0)
		return;
	free(l->error);
	l->error = strdup(text);
	l->quiet = not_missed(l, r);
	mr_log_with(&d->m->log, l->quiet ? LOG_DEBUG : LOG_WARNING,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ASKER }), "%s: not answered: %s",
		    kinds[l->kind], text);
}

static void open_all(struct mr_policyd *d)
{
	bool missing = false;

	for (size_t i = 0; i < d->listeners; i++) {
		if (d->listener[i]->fd < 0)
			try_open(d, d->listener[i]);
		missing |= d->listener[i]->fd < 0;
	}
	if (!missing || !d->retry)
		return;
	sd_event_source_set_time_relative(d->retry, RETRY_US);
	sd_event_source_set_enabled(d->retry, SD_EVENT_ONESHOT);
}

static int on_retry(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	open_all(userdata);
	return 0;
}

static int want(struct mr_policyd *d, const struct mr_listen *w)
{
	struct mr_listener *l;
	int r;

	for (size_t i = 0; i < d->listeners; i++) {
		l = d->listener[i];
		if (l->kind == w->kind && !l->path == !w->path &&
		    (l->path ? strcmp(l->path, w->path) == 0
			     : l->port == w->port && memcmp(&l->address, &w->address, 16) == 0)) {
			l->keep = true;
			return 0;
		}
	}
	r = mr_grow(&d->listener, &d->allocated, d->listeners, sizeof(*d->listener));
	l = r < 0 ? NULL : calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = (struct mr_listener){ .d = d, .kind = w->kind, .address = w->address };
	l->port = w->port;
	l->path = w->path ? strdup(w->path) : NULL;
	l->fd = -EBADF;
	l->keep = true;
	d->listener[d->listeners++] = l;
	return 0;
}

static void want_all(struct mr_policyd *d, const struct mr_policy *p)
{
	static const char *const paths[] = { MR_LISTEN_DIR "/policy", MR_LISTEN_DIR "/socketmap" };

	for (int k = 0; k < MR_LISTEN_KINDS; k++) {
		struct mr_listen l = { .kind = (enum mr_listen_kind)k, .path = paths[k] };

		if (!p->listen_given[k])
			(void)want(d, &l);
	}
	for (size_t i = 0; i < p->n_listen; i++)
		(void)want(d, &p->listen[i]);
}

void mr_policyd_changed(struct mr_manager *m)
{
	struct mr_policyd *d = m->policyd;
	size_t kept = 0;

	if (!d || !m->active)
		return;
	d->lists_of = NULL; /* another policy may stand where the old one did */
	for (size_t i = 0; i < d->listeners; i++)
		d->listener[i]->keep = false;
	want_all(d, m->active->policy);
	for (size_t i = 0; i < d->listeners; i++)
		if (d->listener[i]->keep)
			d->listener[kept++] = d->listener[i];
		else
			listener_free(d->listener[i]);
	d->listeners = kept;
	open_all(d);
	(void)mr_relay_files(d);
}

int mr_policyd_start(struct mr_manager *m)
{
	struct mr_policyd *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->m = m;
	d->epoll = -EBADF;
	m->policyd = d;
	r = sd_event_add_time_relative(m->event, &d->retry, CLOCK_BOOTTIME, RETRY_US, 0, on_retry,
				       d);
	if (r >= 0)
		r = sd_event_source_set_enabled(d->retry, SD_EVENT_OFF);
	mr_policyd_changed(m);
	return r < 0 ? r : 0;
}

void mr_policyd_stop(struct mr_manager *m)
{
	struct mr_policyd *d = MR_TAKE_PTR(m->policyd);

	if (!d)
		return;
	mr_askers_close(d);
	for (size_t i = 0; i < d->listeners; i++)
		listener_free(d->listener[i]);
	free(d->listener);
	sd_event_source_disable_unref(d->retry);
	mr_relay_files_clear(d);
	free(d);
}

const struct mr_relay_lists *mr_policyd_lists(struct mr_manager *m)
{
	return m->policyd ? mr_relay_files(m->policyd) : NULL;
}

/* --- status ----------------------------------------------------------------------------------- */

static json_t *listeners_json(const struct mr_policyd *d)
{
	json_t *list = json_array();
	char name[AT_TEXT];

	for (size_t i = 0; i < d->listeners; i++) {
		const struct mr_listener *l = d->listener[i];

		listener_name(l, name, sizeof(name));
		json_array_append_new(list,
				      json_pack("{s:s,s:o,s:b,s:o}", "kind", kinds[l->kind], "at",
						mr_report_text(name), "open", l->fd >= 0, "error",
						mr_report_text(l->error)));
	}
	return list;
}

static json_t *files_json(const struct mr_policyd *d)
{
	json_t *list = json_array();

	for (size_t k = 0; k < MR_ARRAY_SIZE(d->file); k++) {
		const struct mr_relay_file *f = &d->file[k];

		if (!f->path)
			continue;
		json_array_append_new(
			list,
			json_pack("{s:o,s:I,s:o}", "file", mr_report_text(f->path), "names",
				  (json_int_t)mr_names_count(d->lists ? d->lists->file[k] : NULL),
				  "error", mr_report_text(f->error)));
	}
	return list;
}

json_t *mr_policyd_json(struct mr_manager *m)
{
	struct mr_policyd *d = m->policyd;
	const struct mr_policyd_counts *c;

	if (!d)
		return json_null();
	(void)mr_relay_files(d);
	c = &d->counts;
	return json_pack("{s:o,s:o,s:I,s:{s:I,s:I,s:I,s:I,s:I,s:I},s:{s:I,s:I},s:I,s:I}",
			 "listeners", listeners_json(d), "files", files_json(d), "connections",
			 (json_int_t)d->askers, "policy", "questions", (json_int_t)c->questions,
			 "ok", (json_int_t)c->ok, "dunno", (json_int_t)c->dunno, "refused",
			 (json_int_t)c->refused, "shadow", (json_int_t)c->shadow, "prepended",
			 (json_int_t)c->prepended, "socketmap", "lookups", (json_int_t)c->lookups,
			 "found", (json_int_t)c->found, "broken", (json_int_t)c->broken,
			 "caught_up", (json_int_t)c->drained);
}

static void warn(json_t *list, const char *fmt, ...) _printf_(2, 3);
static void warn(json_t *list, const char *fmt, ...)
{
	char text[MR_ERROR_BYTES + 128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(list, mr_report_text(text));
}

void mr_policyd_warn(struct mr_manager *m, json_t *list)
{
	struct mr_policyd *d = m->policyd;

	if (!d)
		return;
	(void)mr_relay_files(d);
	for (size_t k = 0; k < MR_ARRAY_SIZE(d->file); k++)
		if (d->file[k].error)
			warn(list, "%s; what was read before stays in force", d->file[k].error);
	for (size_t i = 0; i < d->listeners; i++)
		if (d->listener[i]->error && !d->listener[i]->quiet)
			warn(list, "%s is not answered: %s", kinds[d->listener[i]->kind],
			     d->listener[i]->error);
}
