// SPDX-License-Identifier: BSD-2-Clause
/*
 * asker.c - one connection of a mail server that asks (policyd.h).
 *
 * Non-blocking, kept open, requests answered in their order however they are cut or joined.  While
 * the store of accounts is asked about one request, those behind it stay where they are: what was
 * read is kept, and nothing more is read.  What is no request ends the conversation without an
 * answer, and so do a request that does not get finished and answers that nobody takes: Postfix
 * then does what its default_action says.
 *
 * All connections stand in an epoll descriptor of their own, which the event loop watches: a turn
 * of the loop serves many of them, and those that are ready are not counted anew for each.  Called
 * by the event loop on the main thread.
 */
#include "policyd.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READ_BYTES 16384 /* of one connection at a time: two dozen requests, then the others */
#define READY_MAX  16 /* connections in one turn of the loop, then what else it has */
#define KEEP_BYTES 65536 /* of memory for answers, when they are out */
#define UNDONE_NS  10000000000ull /* for the rest of a request, or for taking an answer */
#define IDLE_NS	   1000000000000ull /* Postfix lets go after 300 s, at latest after 1000 s */
#define SWEEP_US   1000000 /* between two looks at who is late */

struct mr_asker {
	struct mr_policyd *d;
	struct mr_asker *next, **self;
	enum mr_listen_kind kind;
	int fd;
	uint32_t events; /* waited for */
	union {
		struct mr_policy_parser policy;
		struct mr_socketmap_parser socketmap;
	} parser;
	char seen[MR_INSTANCE];
	bool waiting; /* for an account */
	bool over; /* he asks no more, but has answers to come */
	struct mr_policy_request request; /* … about this request; its texts are the parser's */
	char *rest; /* … and these bytes stand behind it; at most READ_BYTES */
	size_t rest_len;
	char *out; /* answers that did not get out yet */
	size_t out_len, out_sent, out_allocated;
	uint64_t last; /* boot ns of the last progress */
};

static void asker_free(struct mr_asker *a)
{
	*a->self = a->next;
	if (a->next)
		a->next->self = a->self;
	a->d->askers--;
	a->d->out -= a->out_len - a->out_sent;
	if (a->waiting)
		mr_accounts_cancel(a->d->m, a);
	close(a->fd); /* nobody else has it: this takes it from the epoll descriptor too */
	if (a->kind == MR_LISTEN_POLICY)
		mr_policy_parser_clear(&a->parser.policy);
	else
		mr_socketmap_parser_clear(&a->parser.socketmap);
	free(a->rest);
	free(a->out);
	free(a);
}

static const char *asker_kind(const struct mr_asker *a)
{
	return a->kind == MR_LISTEN_POLICY ? "policy" : "socketmap";
}

static void asker_trouble(struct mr_asker *a, const char *why)
{
	a->d->counts.broken++;
	if (mr_answer_may_log(a->d, true))
		mr_log_with(&a->d->m->log, LOG_WARNING, MR_FIELDS({ "MESSAGE_ID", MR_MSG_ASKER }),
			    "%s: %s; closed without an answer", asker_kind(a), why);
	asker_free(a);
}

static bool asker_pending(const struct mr_asker *a)
{
	return a->kind == MR_LISTEN_POLICY ? mr_policy_pending(&a->parser.policy)
					   : mr_socketmap_pending(&a->parser.socketmap);
}

/* 0: all is out; 1: the rest must wait; -errno: the other side is gone. */
static int asker_send(struct mr_asker *a)
{
	while (a->out_sent < a->out_len) {
		ssize_t n = send(a->fd, a->out + a->out_sent, a->out_len - a->out_sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		a->out_sent += (size_t)n;
		a->d->out -= (size_t)n;
		a->last = mr_boottime_ns();
	}
	if (a->out_len)
		mr_linger_expect(&a->d->m->linger);
	a->out_len = a->out_sent = 0;
	if (a->out_allocated > KEEP_BYTES) {
		free(MR_TAKE_PTR(a->out));
		a->out_allocated = 0;
	}
	return 0;
}

/* Who asks ahead may always have an answer on its way: what is out makes room before it is more
 * than what is not. */
static void asker_pack(struct mr_asker *a)
{
	if (a->out_sent < KEEP_BYTES || a->out_sent < a->out_len / 2)
		return;
	a->out_len -= a->out_sent;
	memmove(a->out, a->out + a->out_sent, a->out_len);
	a->out_sent = 0;
}

static int asker_answer(struct mr_asker *a, const struct mr_answer *answer)
{
	int r;

	asker_pack(a);
	r = mr_grow(&a->out, &a->out_allocated, a->out_len + answer->len, 1);
	if (r < 0)
		return r;
	memcpy(a->out + a->out_len, answer->text, answer->len);
	a->out_len += answer->len;
	a->d->out += answer->len;
	return 0;
}

static void on_account(void *userdata, bool refuses);

/* The next request of what was read.  1: answered; 0: more is needed; -EINPROGRESS: the account is
 * asked; -errno with *e. */
static int asker_next(struct mr_asker *a, const char *data, size_t len, size_t *used,
		      struct mr_error *e)
{
	struct mr_socketmap_request lookup;
	struct mr_answer answer;
	int r;

	if (a->kind == MR_LISTEN_POLICY) {
		r = mr_policy_feed(&a->parser.policy, data, len, used, &a->request, e);
		if (r == 1 &&
		    mr_answer_policy(a->d, &a->request, a->seen, &answer, on_account, a) < 0)
			return -EINPROGRESS;
	} else {
		r = mr_socketmap_feed(&a->parser.socketmap, data, len, used, &lookup, e);
		if (r == 1)
			mr_answer_socketmap(a->d, &lookup, &answer);
	}
	if (r != 1)
		return r;
	r = asker_answer(a, &answer);
	return r < 0 ? mr_error(e, r, "out of memory") : 1;
}

static int asker_keep(struct mr_asker *a, const char *data, size_t len, struct mr_error *e)
{
	a->waiting = true;
	a->rest_len = len;
	a->rest = len ? malloc(len) : NULL;
	if (len && !a->rest)
		return mr_error(e, -ENOMEM, "out of memory");
	if (len)
		memcpy(a->rest, data, len);
	return 0;
}

/* As many requests as are there, or up to one that must wait.  0, or the asker is gone. */
static int asker_eat(struct mr_asker *a, const char *data, size_t len)
{
	struct mr_error e = { "" };
	size_t at = 0, used;
	int r = 1;

	while (r == 1 && at < len) {
		r = asker_next(a, data + at, len - at, &used, &e);
		if (r >= 0 || r == -EINPROGRESS)
			at += used;
		if (r == -EINPROGRESS)
			r = asker_keep(a, data + at, len - at, &e);
		if (r < 0) {
			(void)asker_send(a); /* the requests before it were good */
			asker_trouble(a, e.text);
			return r;
		}
		if (r == 1)
			a->last = mr_boottime_ns();
	}
	return 0;
}

/* 0, or the asker is gone. */
static int asker_read(struct mr_asker *a)
{
	char data[READ_BYTES];
	ssize_t n;

	n = recv(a->fd, data, sizeof(data), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 && a->out_len && !asker_pending(a)) {
		a->over = true;
		return 0;
	}
	if (n <= 0) {
		if (n == 0 && asker_pending(a))
			asker_trouble(a, "the other side left within a request");
		else
			asker_free(a);
		return -ECONNRESET;
	}
	if (!asker_pending(a)) /* the clock of a request runs from its first byte */
		a->last = mr_boottime_ns();
	return asker_eat(a, data, (size_t)n);
}

static int asker_watch(struct mr_asker *a, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = a };

	if (op == EPOLL_CTL_MOD && events == a->events)
		return 0;
	if (epoll_ctl(a->d->epoll, op, a->fd, &ev) < 0)
		return -errno;
	a->events = events;
	return 0;
}

/* Who waits for an answer is not read from, and neither is who takes none while too many wait. */
static bool asker_reads(const struct mr_asker *a)
{
	return !a->waiting && !a->over && (a->out_len == 0 || a->d->out < MR_ASKERS_OUT);
}

static void asker_go_on(struct mr_asker *a)
{
	int r = asker_send(a);

	if (r == 0 && a->over)
		r = -ECONNRESET;
	if (r >= 0)
		r = asker_watch(a, EPOLL_CTL_MOD,
				(r ? EPOLLOUT : 0) | (asker_reads(a) ? EPOLLIN : 0));
	if (r < 0)
		asker_free(a);
}

static void on_account(void *userdata, bool refuses)
{
	struct mr_asker *a = userdata;
	_free_ char *rest = MR_TAKE_PTR(a->rest);
	struct mr_answer answer;

	a->waiting = false;
	a->last = mr_boottime_ns();
	mr_answer_policy_known(a->d, &a->request, refuses, a->seen, &answer);
	if (asker_answer(a, &answer) < 0)
		asker_trouble(a, "out of memory");
	else if (asker_eat(a, rest, a->rest_len) == 0)
		asker_go_on(a);
}

static void asker_ready(struct mr_asker *a, uint32_t events)
{
	if (a->waiting && events & (EPOLLHUP | EPOLLERR)) {
		asker_free(a); /* he left: nobody is there to be told */
		return;
	}
	if (asker_reads(a) && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && asker_read(a) < 0)
		return;
	asker_go_on(a);
}

/* What one asker does frees no other: the pointers hold to the end. */
static int on_ready(sd_event_source *s _unused_, int fd, uint32_t events _unused_,
		    void *userdata _unused_)
{
	struct epoll_event ev[READY_MAX];
	int n = epoll_wait(fd, ev, READY_MAX, 0);

	for (int i = 0; i < n; i++)
		asker_ready(ev[i].data.ptr, ev[i].events);
	return 0;
}

/* --- who is late ------------------------------------------------------------------------------ */

static void arm_sweep(struct mr_policyd *d)
{
	sd_event_source_set_time_relative(d->sweep, SWEEP_US);
	sd_event_source_set_enabled(d->sweep, SD_EVENT_ONESHOT);
}

static int on_sweep(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_policyd *d = userdata;
	uint64_t now = mr_boottime_ns();

	for (struct mr_asker *a = d->asker, *next; a; a = next) {
		uint64_t quiet = now - a->last;

		next = a->next;
		if (quiet > UNDONE_NS && a->out_len)
			asker_trouble(a, "answers that nobody takes");
		else if (quiet > UNDONE_NS && asker_pending(a))
			asker_trouble(a, "a request that was not finished within 10 seconds");
		else if (quiet > IDLE_NS)
			asker_free(a);
	}
	if (d->asker)
		arm_sweep(d);
	return 0;
}

/* --- coming and going ------------------------------------------------------------------------- */

bool mr_askers_let_go(struct mr_policyd *d)
{
	struct mr_asker *quiet = NULL;

	for (struct mr_asker *a = d->asker; a; a = a->next)
		if (!a->waiting && (!quiet || a->last < quiet->last))
			quiet = a;
	if (!quiet)
		return false;
	d->counts.broken++;
	if (!d->full_told)
		mr_log_with(&d->m->log, LOG_WARNING, MR_FIELDS({ "MESSAGE_ID", MR_MSG_ASKER }),
			    "%zu connections ask already: who was quiet for longest is let go; "
			    "more are only counted",
			    d->askers);
	d->full_told = true;
	asker_free(quiet);
	return true;
}

static bool room(struct mr_policyd *d)
{
	return d->askers < MR_ASKERS_MAX || mr_askers_let_go(d);
}

/* What all connections share; made for the first. */
static int make_ready(struct mr_policyd *d)
{
	int r = 0;

	if (!d->sweep)
		r = sd_event_add_time_relative(d->m->event, &d->sweep, CLOCK_BOOTTIME, SWEEP_US,
					       SWEEP_US / 4, on_sweep, d);
	if (r < 0 || d->ready)
		return r;
	if (d->epoll < 0)
		d->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (d->epoll < 0)
		return -errno;
	return sd_event_add_io(d->m->event, &d->ready, d->epoll, EPOLLIN, on_ready, d);
}

void mr_asker_new(struct mr_policyd *d, const struct mr_listener *l, int fd)
{
	struct mr_asker *a = room(d) && make_ready(d) >= 0 ? calloc(1, sizeof(*a)) : NULL;

	if (!a) {
		close(fd);
		return;
	}
	*a = (struct mr_asker){ .d = d, .kind = l->kind, .fd = fd, .last = mr_boottime_ns() };
	if (asker_watch(a, EPOLL_CTL_ADD, EPOLLIN) < 0) {
		free(a);
		close(fd);
		return;
	}
	a->next = d->asker;
	a->self = &d->asker;
	if (a->next)
		a->next->self = &a->next;
	d->asker = a;
	if (d->askers++ == 0)
		arm_sweep(d);
}

void mr_askers_close(struct mr_policyd *d)
{
	while (d->asker)
		asker_free(d->asker);
	d->sweep = sd_event_source_disable_unref(d->sweep);
	d->ready = sd_event_source_disable_unref(d->ready);
	mr_closep(&d->epoll);
	d->epoll = -EBADF;
}
