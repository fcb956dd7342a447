// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_pipe.c - batches of found events, from one thread to the next (learn_pipe.h).
 *
 * A ring of batches with a count of the full ones under a mutex: the filler owns the batch behind
 * the full ones, the learner the first of them, and neither touches another.  Handing over costs a
 * lock for some hundred lines.  Where there is one CPU, or no thread can be had, handing over is
 * learning.
 *
 * Called by learn_run.c.  Never looks into an event but for its strings; fails with -ENOMEM only.
 */
#include "learn_pipe.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define BATCHES 3 /* one is filled, one is learned from, one waits */

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): it keeps the threads apart */
struct mr_learn_pipe {
	struct mr_learn_pipe_ops ops;
	void *userdata;
	pthread_t thread;
	bool threaded;

	struct mr_learn_batch batch[BATCHES];
	MR_LEARN_APART size_t filling; /* the filler's own */

	MR_LEARN_APART pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t first, full; /* these, and `end`, are the lock's */
	bool end;
};

static void clear_batch(struct mr_learn_batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->found[i].user);
		free(b->found[i].session);
	}
	b->n = 0;
}

static void learn_from(struct mr_learn_pipe *p, struct mr_learn_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		p->ops.learn(&b->found[i], p->userdata);
	clear_batch(b);
}

static void *learner(void *userdata)
{
	struct mr_learn_pipe *p = userdata;
	bool idle = false;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		if (p->full) {
			size_t n = p->first;

			idle = false;
			pthread_mutex_unlock(&p->lock);
			learn_from(p, &p->batch[n]);
			pthread_mutex_lock(&p->lock);
			p->first = (n + 1) % BATCHES;
			p->full--;
			pthread_cond_signal(&p->changed);
		} else if (!idle) {
			idle = true;
			pthread_mutex_unlock(&p->lock);
			p->ops.idle(p->userdata);
			pthread_mutex_lock(&p->lock);
		} else if (p->end) {
			break;
		} else {
			pthread_cond_wait(&p->changed, &p->lock);
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Two threads on one CPU only take it from each other, and the cache, too. */
static bool several_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) < 0 || CPU_COUNT(&cpus) > 1;
}

int mr_learn_pipe_new(const struct mr_learn_pipe_ops *ops, void *userdata,
		      struct mr_learn_pipe **out)
{
	_cleanup_(mr_learn_pipe_freep) struct mr_learn_pipe *p =
		aligned_alloc(_Alignof(struct mr_learn_pipe), sizeof(*p));

	if (!p)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->ops = *ops;
	p->userdata = userdata;
	for (size_t i = 0; i < BATCHES; i++) {
		p->batch[i].text = malloc(MR_LEARN_CHUNK);
		if (!p->batch[i].text)
			return -ENOMEM;
	}
	p->threaded = several_cpus() && pthread_create(&p->thread, NULL, learner, p) == 0;
	*out = MR_TAKE_PTR(p);
	return 0;
}

void mr_learn_pipe_free(struct mr_learn_pipe *p)
{
	if (!p)
		return;
	if (p->threaded) {
		pthread_mutex_lock(&p->lock);
		p->end = true;
		pthread_cond_signal(&p->changed);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
	}
	for (size_t i = 0; i < BATCHES; i++) {
		clear_batch(&p->batch[i]);
		free(p->batch[i].found);
		free(p->batch[i].text);
	}
	pthread_cond_destroy(&p->changed);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct mr_learn_batch *mr_learn_pipe_batch(struct mr_learn_pipe *p)
{
	return &p->batch[p->filling];
}

/* What lies elsewhere, in the memory of joined sessions, may change before it is learned from. */
static int keep(const struct mr_learn_batch *b, struct mr_str *s, char **copy)
{
	uintptr_t at = (uintptr_t)s->p, text = (uintptr_t)b->text;

	if (s->n == 0 || (at >= text && at < text + MR_LEARN_CHUNK))
		return 0;
	*copy = malloc(s->n);
	if (!*copy)
		return -ENOMEM;
	memcpy(*copy, s->p, s->n);
	s->p = *copy;
	return 0;
}

struct mr_event *mr_learn_pipe_event(struct mr_learn_pipe *p)
{
	struct mr_learn_batch *b = mr_learn_pipe_batch(p);

	if (b->n == b->allocated && mr_grow(&b->found, &b->allocated, b->n, sizeof(*b->found)) < 0)
		return NULL;
	return &b->found[b->n].event;
}

int mr_learn_pipe_add(struct mr_learn_pipe *p, uint64_t number)
{
	struct mr_learn_batch *b = mr_learn_pipe_batch(p);
	struct mr_learn_found *f = &b->found[b->n];

	f->number = number;
	f->user = f->session = NULL;
	if (keep(b, &f->event.user, &f->user) < 0 || keep(b, &f->event.session, &f->session) < 0) {
		free(f->user);
		return -ENOMEM;
	}
	b->n++;
	return 0;
}

/* Hands the batch over, and waits for the next to be free. */
static void hand_over(struct mr_learn_pipe *p)
{
	if (!p->threaded) {
		learn_from(p, mr_learn_pipe_batch(p));
		p->ops.idle(p->userdata);
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->full++;
	pthread_cond_signal(&p->changed);
	while (p->full == BATCHES)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	p->filling = (p->filling + 1) % BATCHES;
}

void mr_learn_pipe_pass(struct mr_learn_pipe *p, size_t eaten)
{
	struct mr_learn_batch *b = mr_learn_pipe_batch(p), *next = b;
	size_t rest = b->have - eaten;

	if (b->n) {
		hand_over(p);
		next = mr_learn_pipe_batch(p);
	}
	memmove(next->text, b->text + eaten, rest);
	next->have = rest;
}
