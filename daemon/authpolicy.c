// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy.c - answers Dovecot over HTTP on loopback (authpolicy.h).
 *
 * libmicrohttpd without threads of its own: its epoll descriptor and its timeouts are sources of
 * the event loop, one daemon of it for each address.  What is no request gets an HTTP error, which
 * Dovecot treats as auth_policy_reject_on_fail says.  A report without the secret is counted, and
 * ignored.  A port that cannot be had is said and tried again at the next apply.  Called by the
 * manager, apply.c and status.c on the main thread.
 */
#include "authpolicy.h"
#include "accounts.h"
#include "authpolicy_ask.h"
#include "authpolicy_room.h"
#include "rest.h"

#include <inttypes.h>
#include <mailreeve/secret.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define CONNECTION_MAX 16384 /* bytes of buffer for each; headers must fit */
#define IDLE_S	       15 /* Dovecot closes after 10 s itself */
#define BACKLOG	       128

struct http_listener {
	struct mr_authpolicy_server *server;
	struct mr_dovecot_listen at;
	struct MHD_Daemon *http; /* NULL: could not be had */
	sd_event_source *io, *timer;
	struct mr_rest rest;
	struct mr_authpolicy_room room;
	char *error;
};
struct mr_authpolicy_server {
	struct mr_manager *m;
	struct http_listener listener[MR_DOVECOT_LISTEN_MAX];
	size_t n;
	struct http_request *waiting; /* for their account */
	char *secret; /* NULL: reports are not believed */
	char *secret_error;
	struct mr_authpolicy_counts counts;
};

/* One request, from its headers to its answer. */
struct http_request {
	struct http_listener *listener;
	struct MHD_Connection *connection;
	struct http_request *next; /* waiting */
	bool report;
	bool too_long;
	bool answered; /* it waited, and refused is what came out */
	bool refused;
	struct mr_authpolicy asked;
	size_t len;
	char body[];
};

/* --- requests --------------------------------------------------------------------------------- */

static enum MHD_Result reply(struct MHD_Connection *c, unsigned int code, int status,
			     const char *msg)
{
	char *text = mr_authpolicy_body(status, msg);
	struct MHD_Response *r;
	enum MHD_Result result;

	if (!text)
		return MHD_NO;
	r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(c, code, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result bad(struct http_listener *l, struct MHD_Connection *c, unsigned int code,
			   const char *why)
{
	struct mr_authpolicy_server *s = l->server;

	if (s->counts.bad++ == 0)
		mr_log(&s->m->log, LOG_WARNING,
		       "dovecot: a request that cannot be understood: %s; more are only counted",
		       why);
	return reply(c, code, 0, why);
}

static enum MHD_Result begin(struct http_listener *l, struct MHD_Connection *c, const char *method,
			     void **state)
{
	const char *command = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "command");
	struct http_request *q;

	mr_authpolicy_room_seen(&l->room, c);
	if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		return bad(l, c, MHD_HTTP_METHOD_NOT_ALLOWED, "not a POST");
	if (!command || (strcmp(command, "allow") != 0 && strcmp(command, "report") != 0))
		return bad(l, c, MHD_HTTP_NOT_FOUND, "command= is neither allow nor report");
	q = malloc(sizeof(*q) + MR_AUTHPOLICY_BODY);
	if (!q)
		return MHD_NO;
	*q = (struct http_request){ .listener = l,
				    .connection = c,
				    .report = strcmp(command, "report") == 0 };
	*state = q;
	return MHD_YES;
}

static void take_upload(struct http_request *q, const char *data, size_t n)
{
	if (n > MR_AUTHPOLICY_BODY - q->len) {
		q->too_long = true;
		return;
	}
	memcpy(q->body + q->len, data, n);
	q->len += n;
}

static bool proved(const struct mr_authpolicy_server *s, struct MHD_Connection *c)
{
	return mr_authpolicy_proof(
		s->secret, MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-API-Key"),
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
}

static enum MHD_Result answer(struct http_request *q, bool refused)
{
	const struct mr_manager *m = q->listener->server->m;
	const char *text = m->active ? m->active->policy->dovecot.refuse_text : NULL;

	return reply(q->connection, MHD_HTTP_OK, refused ? -1 : 0, refused && text ? text : "");
}

static void run(struct http_listener *l);

static void stop_waiting(struct http_request *q)
{
	struct http_request **p = &q->listener->server->waiting;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	MHD_resume_connection(q->connection);
}

static void on_account(void *userdata, bool refuses)
{
	struct http_request *q = userdata;
	struct http_listener *l = q->listener;

	q->answered = true;
	q->refused = mr_authpolicy_refuses(l->server->m, &q->asked, refuses, &l->server->counts);
	stop_waiting(q);
	run(l);
}

static enum MHD_Result allow(struct http_request *q)
{
	struct mr_authpolicy_server *s = q->listener->server;
	int r = mr_accounts_ask(s->m, q->asked.login, q->asked.family,
				q->asked.has_address ? &q->asked.address : NULL, on_account, q);

	if (r >= 0)
		return answer(q, mr_authpolicy_refuses(s->m, &q->asked, r > 0, &s->counts));
	q->next = s->waiting;
	s->waiting = q;
	MHD_suspend_connection(q->connection);
	return MHD_YES;
}

static enum MHD_Result on_request(void *userdata, struct MHD_Connection *c,
				  const char *url _unused_, const char *method,
				  const char *version _unused_, const char *data, size_t *n,
				  void **state)
{
	struct http_listener *l = userdata;
	struct http_request *q = *state;
	struct mr_error e = { "" };

	if (!q)
		return begin(l, c, method, state);
	if (q->answered)
		return answer(q, q->refused);
	if (*n > 0) {
		take_upload(q, data, *n);
		*n = 0;
		return MHD_YES;
	}
	if (q->too_long)
		return bad(l, c, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long");
	if (mr_authpolicy_parse(q->body, q->len, &q->asked, &e) < 0)
		return bad(l, c, MHD_HTTP_BAD_REQUEST, e.text);
	if (!q->report)
		return allow(q);
	mr_authpolicy_report(l->server->m, &q->asked, proved(l->server, c), &l->server->counts);
	return reply(c, MHD_HTTP_OK, 0, "");
}

static void on_completed(void *userdata _unused_, struct MHD_Connection *c _unused_, void **state,
			 enum MHD_RequestTerminationCode code _unused_)
{
	free(*state);
	*state = NULL;
}

static const char *name_of(const struct mr_dovecot_listen *at, char text[static MR_ADDR_TEXT + 16])
{
	char address[MR_ADDR_TEXT];
	bool v4 = mr_addr_is4(&at->address);

	snprintf(text, MR_ADDR_TEXT + 16, "%s%s%s:%u", v4 ? "" : "[",
		 mr_addr_text(&at->address, address), v4 ? "" : "]", at->port);
	return text;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void arm(struct http_listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(l->http, &ms) != MHD_YES) {
		sd_event_source_set_enabled(l->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(l->timer, ms * 1000);
	sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

static void run(struct http_listener *l)
{
	uint64_t before = l->room.let_go;
	char name[MR_ADDR_TEXT + 16];

	MHD_run(l->http);
	arm(l);
	/* libmicrohttpd stops accepting by itself, but not while nobody is there whose end it could
	 * wait for */
	if (l->room.n == 0 && mr_rest_short())
		mr_rest_begin(&l->rest, l->server->m, l->io, name_of(&l->at, name));
	if (before == 0 && l->room.let_go)
		mr_log(&l->server->m->log, LOG_WARNING,
		       "dovecot: of %u connections hardly one is free: the oldest are closed, to "
		       "make "
		       "room; more are only counted",
		       MR_AUTHPOLICY_CONNECTIONS);
}

static int on_io(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
		 void *userdata)
{
	run(userdata);
	return 0;
}

static int on_timer(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	run(userdata);
	return 0;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int open_socket(const struct mr_dovecot_listen *at)
{
	bool v4 = mr_addr_is4(&at->address);
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(at->port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(at->port) };
	_close_ int fd =
		socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return -errno;
	a4.sin_addr.s_addr = htonl(mr_addr_v4(&at->address));
	memcpy(&a6.sin6_addr, at->address.b, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, v4 ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6,
		 v4 ? sizeof(a4) : sizeof(a6)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return MR_TAKE_FD(fd);
}

static int start_http(struct http_listener *l, int fd)
{
	sd_event *event = l->server->m->event;
	const union MHD_DaemonInfo *info;
	int r;

	l->http = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, l,
		MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)MR_AUTHPOLICY_CONNECTIONS, MHD_OPTION_NOTIFY_CONNECTION,
		mr_authpolicy_room_notify, &l->room, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!l->http)
		return -ENOMEM;
	info = MHD_get_daemon_info(l->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EOPNOTSUPP;
	r = sd_event_add_io(event, &l->io, info->epoll_fd, EPOLLIN, on_io, l);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					       l);
	return r < 0 ? r : 0;
}

/* Nobody waits for an account any more who asked here. */
static void let_go(struct http_listener *l)
{
	struct http_request *q = l->server->waiting, *next;

	for (; q; q = next) {
		next = q->next;
		if (q->listener != l)
			continue;
		mr_accounts_cancel(l->server->m, q);
		q->answered = true;
		stop_waiting(q);
	}
}

static void close_listener(struct http_listener *l)
{
	mr_rest_end(&l->rest);
	l->io = sd_event_source_disable_unref(l->io);
	l->timer = sd_event_source_disable_unref(l->timer);
	if (l->http) {
		let_go(l);
		MHD_stop_daemon(l->http); /* closes the socket too */
	}
	l->http = NULL;
	free(MR_TAKE_PTR(l->error));
}

static void open_listener(struct http_listener *l)
{
	char name[MR_ADDR_TEXT + 16];
	int fd = open_socket(&l->at), r = fd < 0 ? fd : start_http(l, fd);

	if (r == 0) {
		run(l);
		return;
	}
	if (fd >= 0 && !l->http)
		close(fd);
	close_listener(l);
	if (asprintf(&l->error, "%s: Dovecot cannot ask there: %s", name_of(&l->at, name),
		     strerror(-r)) < 0)
		l->error = NULL;
	mr_log(&l->server->m->log, LOG_ERR, "%s", l->error ? l->error : "out of memory");
}

/* --- policies come and go --------------------------------------------------------------------- */

static bool can_listen(const struct mr_addr *address)
{
	int r = open_socket(&(struct mr_dovecot_listen){ *address, 0 });

	if (r >= 0)
		close(r);
	return r != -EADDRNOTAVAIL && r != -EAFNOSUPPORT;
}

/* A host without IPv6 is no trouble: nobody asked for ::1 there. */
static size_t wanted(const struct mr_policy *p, struct mr_dovecot_listen *out)
{
	static const struct mr_addr one = { .b = { [15] = 1 } };

	if (p->dovecot.n_listen) {
		memcpy(out, p->dovecot.listen, p->dovecot.n_listen * sizeof(*out));
		return p->dovecot.n_listen;
	}
	out[0] = (struct mr_dovecot_listen){ mr_addr_from4(0x7f000001), MR_DOVECOT_PORT };
	out[1] = (struct mr_dovecot_listen){ one, MR_DOVECOT_PORT };
	return can_listen(&one) ? 2 : 1;
}

static bool stands(const struct mr_authpolicy_server *s, const struct mr_dovecot_listen *at,
		   size_t n)
{
	if (s->n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!s->listener[i].http || s->listener[i].at.port != at[i].port ||
		    memcmp(&s->listener[i].at.address, &at[i].address, sizeof(at[i].address)) != 0)
			return false;
	return true;
}

static void close_all(struct mr_authpolicy_server *s)
{
	while (s->n)
		close_listener(&s->listener[--s->n]);
}

static void listen_at(struct mr_authpolicy_server *s, const struct mr_policy *p)
{
	struct mr_dovecot_listen at[MR_DOVECOT_LISTEN_MAX];
	size_t n = wanted(p, at);

	if (stands(s, at, n))
		return;
	close_all(s);
	for (size_t i = 0; i < n; i++) {
		s->listener[i] = (struct http_listener){ .server = s, .at = at[i] };
		s->n++;
		open_listener(&s->listener[i]);
	}
}

static void read_secret(struct mr_authpolicy_server *s, const struct mr_policy *p)
{
	_free_ char *own = mr_state_path(s->m->options.state_dir, MR_DOVECOT_SECRET);
	const char *path = p->dovecot.secret_file ? p->dovecot.secret_file : own;
	struct mr_error e = { "" };
	char *secret = NULL;
	int r = path ? mr_secret_read_or_make(path, &secret, &e) : -ENOMEM;

	free(s->secret);
	free(s->secret_error);
	s->secret = secret;
	s->secret_error = NULL;
	if (r == 0)
		return;
	s->secret_error = strdup(*e.text ? e.text : strerror(-r));
	mr_log(&s->m->log, LOG_ERR, "%s; reports of Dovecot are not believed", s->secret_error);
}

static struct mr_authpolicy_server *server_new(struct mr_manager *m)
{
	struct mr_authpolicy_server *s = calloc(1, sizeof(*s));

	if (s)
		s->m = m;
	else
		mr_log(&m->log, LOG_ERR, "Dovecot gets no answers: out of memory");
	return s;
}

void mr_authpolicy_stop(struct mr_manager *m)
{
	struct mr_authpolicy_server *s = MR_TAKE_PTR(m->authpolicy);

	if (!s)
		return;
	close_all(s);
	if (s->secret)
		explicit_bzero(s->secret, strlen(s->secret));
	free(s->secret);
	free(s->secret_error);
	mr_authpolicy_ask_clear(&s->counts);
	free(s);
}

void mr_authpolicy_apply(struct mr_manager *m)
{
	const struct mr_policy *p = m->active ? m->active->policy : NULL;

	if (m->starting || m->stopping)
		return;
	if (!p || !p->dovecot.given) {
		mr_authpolicy_stop(m);
		return;
	}
	if (!m->authpolicy)
		m->authpolicy = server_new(m);
	if (!m->authpolicy)
		return;
	read_secret(m->authpolicy, p);
	listen_at(m->authpolicy, p);
}

/* --- status ----------------------------------------------------------------------------------- */

static uint64_t made_room(const struct mr_authpolicy_server *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->listener[i].room.let_go;
	return sum;
}

json_t *mr_authpolicy_json(const struct mr_manager *m)
{
	const struct mr_authpolicy_server *s = m->authpolicy;
	json_t *listen;

	if (!s)
		return NULL;
	listen = json_array();
	for (size_t i = 0; i < s->n; i++) {
		char name[MR_ADDR_TEXT + 16];

		if (s->listener[i].http)
			json_array_append_new(listen,
					      json_string(name_of(&s->listener[i].at, name)));
	}
	return json_pack("{s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "listen", listen, "secret",
			 s->secret != NULL, "allowed", (json_int_t)s->counts.allowed, "refused",
			 (json_int_t)s->counts.refused, "shadow", (json_int_t)s->counts.shadow,
			 "reports", (json_int_t)s->counts.reports, "ignored",
			 (json_int_t)s->counts.ignored, "bad", (json_int_t)s->counts.bad, "let_go",
			 (json_int_t)made_room(s));
}

void mr_authpolicy_warnings(const struct mr_manager *m,
			    void (*warn)(json_t *list, const char *fmt, ...), json_t *list)
{
	const struct mr_authpolicy_server *s = m->authpolicy;
	bool any = false;

	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		any |= s->listener[i].http != NULL;
	for (size_t i = 0; i < s->n; i++)
		if (s->listener[i].error && (!any || mr_addr_is4(&s->listener[i].at.address)))
			warn(list, "%s", s->listener[i].error);
	if (s->secret_error)
		warn(list, "%s; reports of Dovecot are not believed", s->secret_error);
	if (made_room(s))
		warn(list,
		     "dovecot: %" PRIu64 " connections were closed to make room: somebody on this "
		     "host keeps too many open at the port where Dovecot asks",
		     made_room(s));
	if (s->counts.ignored)
		warn(list,
		     "dovecot: %" PRIu64 " reports came without the secret and were ignored; "
		     "Dovecot needs auth_policy_server_api_header",
		     s->counts.ignored);
	if (s->counts.bad)
		warn(list, "dovecot: %" PRIu64 " requests could not be understood", s->counts.bad);
}
