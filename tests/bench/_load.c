// SPDX-License-Identifier: BSD-2-Clause
/*
 * _load.c - asks a server over some connections (_load.h).
 *
 * Without a rate each connection asks again when it has its answer.  With one, questions fall due
 * at fixed intervals and go out over any connection that waits for nothing; the time that a
 * question had to wait for one counts, so a server that stands still is not spared.  One thread,
 * epoll; never more than one question on a connection.  Fails with -errno and *e.
 */
#include "_load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define SAMPLES	  4000000
#define AWAKE_MS  0.2 /* then it sleeps, who is slower does not notice the waking */
#define ANSWER_MS 20000 /* without any answer for so long, the run is given up */

struct line {
	int fd;
	bool busy;
	double since; /* ms: sent, or due */
	char in[BENCH_LOAD_BYTES];
	size_t n;
};
struct run {
	const struct bench_load *l;
	struct line line[BENCH_LOAD_CONNECTIONS];
	struct line *idle[BENCH_LOAD_CONNECTIONS];
	unsigned int idles;
	int epoll;
	uint64_t asked;
	char next[BENCH_LOAD_BYTES]; /* the next question, made while the last is answered */
	size_t next_len;
	double *sample;
	size_t samples;
	struct bench_load_result *out;
};

static int dial_tcp(const struct bench_load *l)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(l->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int dial_unix(const struct bench_load *l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", l->path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int dial(struct run *r)
{
	const struct bench_load *l = r->l;
	_close_ int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int err = here < 0 ? -errno : bench_ns_enter(l->ns);

	if (err < 0)
		return err;
	for (unsigned int i = 0; err == 0 && i < l->connections; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };

		r->line[i].fd = l->path ? dial_unix(l) : dial_tcp(l);
		if (r->line[i].fd < 0)
			err = r->line[i].fd;
		else if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->line[i].fd, &ev) < 0)
			err = -errno;
		r->idle[r->idles++] = &r->line[i];
	}
	if (bench_ns_enter(here) < 0)
		abort();
	return err;
}

static int ask(struct run *r, double since)
{
	struct line *c = r->idle[--r->idles];

	c->busy = true;
	c->since = since;
	c->n = 0;
	if (send(c->fd, r->next, r->next_len, MSG_NOSIGNAL) != (ssize_t)r->next_len)
		return -ECONNRESET;
	r->next_len = r->l->ask(r->asked++, r->next, r->l->userdata);
	return 0;
}

static int hear(struct run *r, struct line *c)
{
	ssize_t n = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);

	if (n <= 0)
		return -ECONNRESET;
	c->n += (size_t)n;
	n = r->l->answer(c->in, c->n);
	if (n <= 0)
		return (int)n;
	if (r->samples < SAMPLES)
		r->sample[r->samples++] = bench_now_ms() - c->since;
	if (r->out->answers++ == 0)
		snprintf(r->out->first, sizeof(r->out->first), "%.*s", (int)n, c->in);
	c->busy = false;
	r->idle[r->idles++] = c;
	return 0;
}

/* As epoll_wait(), until `until` at the latest (ms). */
static int wait_until(struct run *r, struct epoll_event *ev, double until)
{
	double now = bench_now_ms(), left = until - now, sleepy = now + AWAKE_MS;
	struct timespec t = { .tv_sec = left > 0 ? (time_t)(left / 1000) : 0 };

	if (left > 0)
		t.tv_nsec = (long)((left - (double)t.tv_sec * 1000) * 1e6);
	while (r->l->awake && now < sleepy) {
		int n = epoll_wait(r->epoll, ev, BENCH_LOAD_CONNECTIONS, 0);

		if (n)
			return n;
		now = bench_now_ms();
	}
	return epoll_pwait2(r->epoll, ev, BENCH_LOAD_CONNECTIONS, &t, NULL);
}

/* Waits for answers, until `until` at the latest (ms). */
static int wait_some(struct run *r, double until)
{
	struct epoll_event ev[BENCH_LOAD_CONNECTIONS];
	int n = wait_until(r, ev, until), err = 0;

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; err == 0 && i < n; i++)
		err = hear(r, &r->line[ev[i].data.u32]);
	return err < 0 ? err : n > 0;
}

static int run(struct run *r)
{
	const struct bench_load *l = r->l;
	double from, due, heard, now;
	int err = 0;

	r->next_len = l->ask(r->asked++, r->next, l->userdata);
	from = due = heard = now = bench_now_ms();
	while (err >= 0 && (now - from < l->ms || r->idles < l->connections)) {
		bool open = now - from < l->ms;

		while (err >= 0 && open && r->idles && (l->rate <= 0 || due <= now)) {
			err = ask(r, l->rate > 0 ? due : bench_now_ms());
			due += l->rate > 0 ? 1000 / l->rate : 0;
		}
		if (err >= 0)
			err = wait_some(r, open && r->idles && l->rate > 0 ? due : now + ANSWER_MS);
		now = bench_now_ms();
		if (err > 0 || r->idles == l->connections)
			heard = now;
		if (now - heard > ANSWER_MS)
			return -ETIMEDOUT;
	}
	r->out->a_second = (double)r->out->answers * 1000 / (now - from);
	return err < 0 ? err : 0;
}

int bench_load_run(const struct bench_load *l, struct bench_load_result *out, struct mr_error *e)
{
	_free_ struct run *r = calloc(1, sizeof(*r));
	_free_ double *sample = malloc(SAMPLES * sizeof(*sample));
	int err;

	*out = (struct bench_load_result){ 0 };
	if (!r || !sample)
		return mr_error(e, -ENOMEM, "out of memory");
	for (unsigned int i = 0; i < BENCH_LOAD_CONNECTIONS; i++)
		r->line[i].fd = -EBADF;
	r->l = l;
	r->out = out;
	r->sample = sample;
	prctl(PR_SET_TIMERSLACK, 1UL);
	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = r->epoll < 0 ? -errno : dial(r);
	if (err == 0)
		err = run(r);
	for (unsigned int i = 0; i < l->connections; i++)
		mr_closep(&r->line[i].fd);
	mr_closep(&r->epoll);
	if (err < 0)
		return mr_error(e, err, "asking: %s", strerror(-err));
	out->p50 = bench_percentile(sample, r->samples, 0.5);
	out->p99 = bench_percentile(sample, r->samples, 0.99);
	out->worst = bench_percentile(sample, r->samples, 1);
	return 0;
}
