// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_places.c - how far each source was read: the file `sources.json` in the state directory.
 *
 * Written some seconds after something was read, by the worker, and at the end, behind the sessions
 * of that moment (learn_sessions.c).  After a crash some
 * lines are read twice; each counts from its own time, so nothing is earned twice.  A damaged file
 * is put aside, loudly, and sources begin as if new.  Called by learn.c.
 */
#include "learn.h"

#include <string.h>

#define SAVE_US	    5000000ull /* us between something read and its place on the disk */
#define MANY	    (1u << 20) /* bytes: with more of sessions than this … */
#define LATE_US	    60000000ull /* … it waits so long: to collect them takes milliseconds */
#define GONE_MAX    64 /* places kept of sources that no policy names now */
#define VERSION_NOW 1

struct mr_learn_save {
	struct mr_manager *m;
	char *dir, *path, *text;
	struct mr_learn_sessions sessions;
	int r;
};

static json_t *collect(struct mr_learn *l)
{
	json_t *places = json_object(), *v;
	const char *key;
	size_t n = 0;

	json_object_foreach (l->places, key, v)
		if (n++ < GONE_MAX)
			json_object_set(places, key, v);
	for (size_t i = 0; i < l->feeds; i++) {
		v = mr_feed_position(l->feed[i]->feed);
		if (v)
			json_object_set_new(places, l->feed[i]->key, v);
	}
	return json_pack("{s:i,s:o}", "version", VERSION_NOW, "sources", places);
}

static struct mr_learn_save *save_new(struct mr_learn *l)
{
	struct mr_learn_save *s = calloc(1, sizeof(*s));
	json_t *all = collect(l);

	if (s) {
		s->m = l->m;
		s->path = mr_state_path(l->m->options.state_dir, "sources.json");
		s->dir = strdup(l->m->options.state_dir);
		s->text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS);
		s->r = mr_learn_sessions_collect(l, &s->sessions);
		l->sessions_bytes = s->sessions.n;
	}
	json_decref(all);
	return s;
}

static void save_free(struct mr_learn_save *s)
{
	if (!s)
		return;
	free(s->dir);
	free(s->path);
	free(s->text);
	free(s->sessions.data);
	free(s);
}

static void save_write(void *arg)
{
	struct mr_learn_save *s = arg;

	if (!s->dir || !s->path || !s->text)
		s->r = -ENOMEM;
	if (s->r == 0)
		s->r = mr_learn_sessions_write(&s->sessions, s->dir);
	if (s->r == 0)
		s->r = mr_write_file(s->path, s->text, strlen(s->text), 0600);
}

/* A disk that stays full is told once. */
static void save_said(struct mr_learn_save *s)
{
	struct mr_learn *l = s->m->learn;

	if (s->r < 0 && !(l && l->save_failed))
		mr_log_with(&s->m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
			    "%s: %s; after a restart logs would be read from an older place",
			    s->path ? s->path : "sources.json", strerror(-s->r));
	if (l)
		l->save_failed = s->r < 0;
}

static void save_done(void *arg)
{
	struct mr_learn_save *s = arg;

	if (s->m->learn && s->m->learn->saving == s)
		s->m->learn->saving = NULL;
	save_said(s);
	save_free(s);
}

/* Behind what the worker has in hand. */
static void save_later(struct mr_learn *l)
{
	struct mr_learn_save *s = save_new(l);

	if (s && mr_worker_run(l->m->worker, save_write, save_done, s) < 0)
		save_free(s);
	else
		l->saving = s;
}

static int on_save(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_learn *l = userdata;

	l->save = sd_event_source_disable_unref(l->save);
	save_later(l);
	return 0;
}

void mr_learn_places_arm(struct mr_learn *l)
{
	uint64_t in = l->sessions_bytes > MANY ? LATE_US : SAVE_US;

	if (!l->save && !l->saving && !l->m->stopping)
		sd_event_add_time_relative(l->m->event, &l->save, CLOCK_BOOTTIME, in, SAVE_US / 4,
					   on_save, l);
}

void mr_learn_places_save(struct mr_learn *l)
{
	struct mr_learn_save *s;

	l->save = sd_event_source_disable_unref(l->save);
	if (l->m->worker) {
		save_later(l);
		return;
	}
	if (l->saving) /* written by the worker, which is gone */
		save_free(l->saving);
	l->saving = NULL;
	s = save_new(l);
	if (!s)
		return;
	save_write(s);
	save_said(s);
	save_free(s);
}

void mr_learn_places_load(struct mr_learn *l)
{
	_free_ char *path = mr_state_path(l->m->options.state_dir, "sources.json"), *aside = NULL;
	json_error_t e;
	json_t *all;

	l->places = NULL;
	if (path && access(path, F_OK) == 0) {
		all = json_load_file(path, 0, &e);
		if (all && json_integer_value(json_object_get(all, "version")) == VERSION_NOW)
			l->places = json_incref(json_object_get(all, "sources"));
		if (!json_is_object(l->places) && asprintf(&aside, "%s.damaged", path) >= 0) {
			mr_log_with(&l->m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
				    "%s: %s; it is put aside as %s, and logs are read as if for "
				    "the first time",
				    path, all ? "not of this version" : e.text, aside);
			(void)rename(path, aside);
		}
		json_decref(all);
	}
	if (!json_is_object(l->places)) {
		json_decref(l->places);
		l->places = json_object();
	}
}
