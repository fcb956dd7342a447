// SPDX-License-Identifier: BSD-2-Clause
/*
 * worker.c - runs long work beside the event loop, one piece at a time (worker.h).
 *
 * The thread sleeps on a condition variable, runs the piece, writes to an eventfd; the loop then
 * calls its `done`.  Hand-over in both directions goes through the mutex, so what the piece wrote
 * is seen by `done`.  Called by the main thread only.  Signals are left to the main thread.
 */
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

struct worker_piece {
	struct worker_piece *next;
	mr_work_fn work, done;
	void *arg;
};
struct worker_list { /* in order */
	struct worker_piece *first, **end;
};
struct mr_worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int fd;
	sd_event_source *source;
	bool running; /* the thread exists */
	/* under the lock */
	bool quit;
	struct worker_list waiting, finished;
};

static void list_put(struct worker_list *l, struct worker_piece *p)
{
	p->next = NULL;
	*(l->first ? l->end : &l->first) = p;
	l->end = &p->next;
}

static struct worker_piece *list_take(struct worker_list *l)
{
	struct worker_piece *p = l->first;

	if (p)
		l->first = p->next;
	return p;
}

static void *worker_main(void *arg)
{
	struct mr_worker *w = arg;
	uint64_t one = 1;
	ssize_t r;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct worker_piece *p = list_take(&w->waiting);

		if (!p && w->quit)
			break;
		if (!p) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		p->work(p->arg);
		pthread_mutex_lock(&w->lock);
		list_put(&w->finished, p);
		/* who is woken wants the lock */
		pthread_mutex_unlock(&w->lock);
		r = write(w->fd, &one, sizeof(one));
		pthread_mutex_lock(&w->lock);
		if (r < 0)
			break; /* an eventfd takes a one unless it is full, which it never is */
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int on_done(sd_event_source *s _unused_, int fd, uint32_t revents _unused_, void *userdata)
{
	struct mr_worker *w = userdata;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return 0;
	for (;;) {
		struct worker_piece *p;

		pthread_mutex_lock(&w->lock);
		p = list_take(&w->finished);
		pthread_mutex_unlock(&w->lock);
		if (!p)
			return 0;
		p->done(p->arg);
		free(p);
	}
}

static int start_thread(struct mr_worker *w)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	w->running = true;
	return 0;
}

int mr_worker_new(sd_event *event, struct mr_worker **out)
{
	_cleanup_(mr_worker_freep) struct mr_worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	r = sd_event_add_io(event, &w->source, w->fd, EPOLLIN, on_done, w);
	if (r >= 0)
		r = start_thread(w);
	if (r < 0)
		return r;
	*out = MR_TAKE_PTR(w);
	return 0;
}

int mr_worker_run(struct mr_worker *w, mr_work_fn work, mr_work_fn done, void *arg)
{
	struct worker_piece *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = (struct worker_piece){ .work = work, .done = done, .arg = arg };
	pthread_mutex_lock(&w->lock);
	list_put(&w->waiting, p);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->wake); /* who is woken wants the lock */
	return 0;
}

void mr_worker_free(struct mr_worker *w)
{
	if (!w)
		return;
	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->quit = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	for (struct worker_piece *p = list_take(&w->finished); p; p = list_take(&w->finished))
		free(p);
	sd_event_source_disable_unref(w->source);
	if (w->fd >= 0)
		close(w->fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
