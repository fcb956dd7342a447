// SPDX-License-Identifier: BSD-2-Clause
/*
 * feed.c - what every source of lines shares: turns, errors, retries (feed.h).
 *
 * A turn that leaves something unread arms itself again behind whatever else is ready, so backlogs
 * of several sources and the questions of clients take their turns.  Never parses; never logs (the
 * sink hears of changes).  Called by learn.c and by the sources.
 */
#include "feed.h"

#include <string.h>

#define RETRY_FIRST_US 1000000ull /* us */
#define RETRY_LAST_US  60000000ull /* us: a source that fails for long costs nothing */

static int on_more(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	mr_feed_wake(userdata);
	return 0;
}

static void try_open(struct mr_feed *f)
{
	struct mr_error e = { "" };
	int r = f->ops->open(f, &e);

	if (r < 0) {
		mr_feed_fail(f, *e.text ? e.text : strerror(-r));
		return;
	}
	f->opened = true;
	mr_feed_wake(f);
}

static int on_retry(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_feed *f = userdata;

	f->retry = sd_event_source_disable_unref(f->retry);
	f->retry_at = 0;
	if (f->opened)
		mr_feed_wake(f);
	else
		try_open(f);
	return 0;
}

static void change(struct mr_feed *f, enum mr_feed_state state, const char *error)
{
	bool same = f->state == state && !f->error == !error &&
		    (!error || strcmp(f->error, error) == 0);

	if (same)
		return;
	f->state = state;
	free(f->error);
	f->error = error ? strdup(error) : NULL;
	f->sink->changed(f->userdata);
}

void mr_feed_set_state(struct mr_feed *f, enum mr_feed_state state)
{
	f->retry = sd_event_source_disable_unref(f->retry);
	f->retry_at = 0;
	change(f, state, NULL);
}

void mr_feed_wait(struct mr_feed *f, const char *text)
{
	f->retry = sd_event_source_disable_unref(f->retry);
	f->retry_at = 0;
	change(f, MR_FEED_WAITING, text);
}

void mr_feed_note(struct mr_feed *f, const char *text)
{
	if (!text == !f->note && (!text || strcmp(text, f->note) == 0))
		return;
	free(f->note);
	f->note = text ? strdup(text) : NULL;
	f->sink->changed(f->userdata);
}

static void arm_retry(struct mr_feed *f)
{
	f->backoff_us = !f->backoff_us			    ? RETRY_FIRST_US
			: f->backoff_us < RETRY_LAST_US / 2 ? f->backoff_us * 2
							    : RETRY_LAST_US;
	f->retry = sd_event_source_disable_unref(f->retry);
	f->retry_at = mr_boottime_ns() / 1000 + f->backoff_us;
	sd_event_add_time(f->event, &f->retry, CLOCK_BOOTTIME, f->retry_at, RETRY_FIRST_US / 4,
			  on_retry, f);
}

void mr_feed_stuck(struct mr_feed *f, const char *text)
{
	if (!f->retry)
		arm_retry(f);
	change(f, MR_FEED_FAILED, text);
}

void mr_feed_fail(struct mr_feed *f, const char *text)
{
	if (f->opened) {
		/* what was read is not read again */
		json_t *p = f->ops->position ? f->ops->position(f) : NULL;

		if (p) {
			json_decref(f->saved);
			f->saved = p;
		}
	}
	f->ops->close(f);
	f->opened = false;
	arm_retry(f);
	change(f, MR_FEED_FAILED, text);
}

void mr_feed_start(struct mr_feed *f, sd_event *event, const struct mr_feed_sink *sink,
		   void *userdata, json_t *saved)
{
	f->event = sd_event_ref(event);
	f->sink = sink;
	f->userdata = userdata;
	f->saved = saved;
	/* a time long ago, not a defer source: those are never taken from sd-event's queue, so one
	 * that arms itself again is always the first, and nobody else of its priority has a turn */
	if (sd_event_add_time(event, &f->more, CLOCK_MONOTONIC, 0, 1, on_more, f) >= 0)
		sd_event_source_set_enabled(f->more, SD_EVENT_OFF);
	try_open(f);
}

bool mr_feed_turn(struct mr_feed *f, uint64_t deadline)
{
	struct mr_error e = { "" };
	int r;

	if (!f->opened)
		return false;
	f->sink->begin(f->userdata);
	r = f->ops->step(f, deadline, &e);
	if (r < 0)
		mr_feed_fail(f, *e.text ? e.text : strerror(-r));
	else if (f->state != MR_FEED_FAILED)
		f->backoff_us = 0;
	f->sink->turn(f->userdata);
	return r > 0;
}

void mr_feed_wake(struct mr_feed *f)
{
	bool more = mr_feed_turn(f, mr_boottime_ns() + MR_FEED_TURN_NS);

	sd_event_source_set_enabled(f->more, more ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

json_t *mr_feed_position(struct mr_feed *f)
{
	json_t *p = f->opened && f->ops->position ? f->ops->position(f) : NULL;

	return p ? p : json_incref(f->saved);
}

const char *mr_feed_state_name(enum mr_feed_state state)
{
	static const char *const names[] = { "waiting", "catching up", "following", "failed",
					     "ended" };

	return names[state];
}

void mr_feed_free(struct mr_feed *f)
{
	if (!f)
		return;
	f->ops->close(f);
	sd_event_source_disable_unref(f->more);
	sd_event_source_disable_unref(f->retry);
	sd_event_unref(f->event);
	free(f->error);
	free(f->note);
	json_decref(f->saved);
	f->ops->free(f);
}
