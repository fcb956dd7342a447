// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn.c - owns the learner, its sources and their readers (learn.h).
 *
 * A line goes from the source through reader and learner into the book, and so into the kernel's
 * map, within one turn of the loop; what can wait (timers, messages, the state directory) is wound
 * up at the turn's end.  An event counts from the line's own time, never from later than now.
 * One from before the boot too: what it earned came back with the state directory, unless the
 * daemon was stopped before the mail server was.
 * Called by the manager, apply.c and status.c on the main thread.  A source that cannot be read is
 * said to be so; the others go on.
 */
#include "learn.h"

#include <string.h>
#include <time.h>

#define NS_PER_US	 1000ull
#define TICK_MIN_US	 1000000ull /* us; sessions keep their permits alive in such steps, … */
#define TICK_MAX_US	 10000000ull /* … or such ones: a permit is extended at half its time */
#define TICK_STEP	 64 /* sessions between two looks at the clock: below 0.5 ms */
#define ZONE_NS		 60000000000ull /* the time zone is looked at so often */
#define SUSPECT_SESSIONS 64 /* sessions joined of lines that are only counted */
#define USER_MAX	 320 /* bytes of a name that is worth a number: local part and domain */

/* --- events ----------------------------------------------------------------------------------- */

static uint32_t user_id(struct mr_str user, void *userdata)
{
	struct mr_learn *l = userdata;
	char name[USER_MAX + 1];
	uint32_t id = 0;

	if (user.n > USER_MAX || memchr(user.p, '\0', user.n))
		return 0;
	memcpy(name, user.p, user.n);
	name[user.n] = '\0';
	return mr_ids_user(l->m->ids, name, &id) < 0 ? 0 : id;
}

static int take_event(struct mr_learn *l, const struct mr_event *e, uint64_t latest_us,
		      const char *source, struct mr_learn_result *out)
{
	uint64_t now = mr_boottime_ns(), real = mr_realtime_us(), ago = 0;
	uint64_t when = e->time_us ? e->time_us : latest_us;
	bool renewed;
	int r;

	*out = (struct mr_learn_result){ .action = MR_LEARN_NONE };
	if (when && when < real)
		ago = (real - when) * NS_PER_US;
	renewed = e->kind != MR_EV_FAILURE && e->kind != MR_EV_ABUSE &&
		  mr_book_find(l->m->book, MR_PERMIT, &e->addr, now, NULL);
	r = mr_learner_event(l->learner, e, (int64_t)now - (int64_t)ago, now, out);
	if (out->action == MR_LEARN_PERMIT || out->action == MR_LEARN_BAN)
		l->changed = true;
	mr_learn_log(l, source, e, out, renewed);
	return r;
}

/* --- what the sources call -------------------------------------------------------------------- */

static const struct mr_zone *zone_of(struct mr_learn *l, uint64_t real_us)
{
	uint64_t now = mr_boottime_ns();

	if (l->zone_at && now < l->zone_at + ZONE_NS && mr_zone_offset(real_us) == l->zone.gmtoff)
		return &l->zone;
	l->zone_at = now;
	tzset();
	mr_zone_read(real_us, &l->zone);
	return &l->zone;
}

static void on_begin(void *userdata)
{
	struct mr_learn_feed *s = userdata;

	s->turn_us = mr_realtime_us();
	mr_reader_clock(s->reader, s->turn_us, zone_of(s->learn, s->turn_us));
}

static void on_line(void *userdata, const char *p, size_t n, uint64_t latest_us)
{
	struct mr_learn_feed *s = userdata;
	struct mr_learn_result result;
	struct mr_event e;

	if (mr_reader_line(s->reader, p, n, &e) != MR_PARSE_EVENT)
		return;
	e.source = s->number;
	s->line_us = e.time_us ? e.time_us : latest_us;
	if (!latest_us && e.kind == MR_EV_LOGIN && e.time_us)
		mr_learn_log_adrift(s, e.time_us < s->turn_us ? s->turn_us - e.time_us : 0);
	take_event(s->learn, &e, latest_us, s->key, &result);
}

/* A record that somebody else may have written: it is read only to say so. */
static void suspect(struct mr_learn_feed *s, const struct mr_line *line, const struct mr_writer *w)
{
	struct mr_event e;

	if (mr_reader_record(s->suspect, line, &e) == MR_PARSE_EVENT)
		mr_learn_log_forged(s, &e, line, w);
}

static void on_record(void *userdata, const struct mr_line *line, const struct mr_writer *w)
{
	struct mr_learn_feed *s = userdata;
	struct mr_trust *trust = s->learn->trust;
	struct mr_learn_result result;
	struct mr_event e;

	s->line_us = line->time_us;
	if (mr_trust_aside(w))
		return;
	if (!mr_trust_any(trust, w, s->own)) {
		suspect(s, line, w);
		return;
	}
	if (mr_reader_record(s->reader, line, &e) != MR_PARSE_EVENT)
		return;
	e.source = s->number;
	if (mr_trust_writer(trust, w, e.format))
		take_event(s->learn, &e, line->time_us, s->key, &result);
	else
		mr_learn_log_forged(s, &e, line, w);
}

static void on_dropped(void *userdata, const char *unit, uint64_t n)
{
	mr_learn_log_dropped(userdata, unit, n);
}

static void on_turn(void *userdata)
{
	struct mr_learn_feed *s = userdata;
	struct mr_learn *l = s->learn;

	if (l->changed) {
		l->changed = false;
		mr_entries_changed(l->m);
		mr_manager_notify(l->m);
	}
	mr_entries_tell_full(l->m);
	mr_learn_log_lost(s);
	mr_learn_places_arm(l);
}

static void on_changed(void *userdata)
{
	mr_learn_log_state(userdata);
}

static const struct mr_feed_sink sink = {
	.begin = on_begin,
	.line = on_line,
	.record = on_record,
	.dropped = on_dropped,
	.turn = on_turn,
	.changed = on_changed,
};

/* --- sources come and go ---------------------------------------------------------------------- */

static char *words(const char *head, const char *const *list, size_t n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fputs(head, f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%s", i || *head ? " " : "", list[i]);
	return fclose(f) == 0 ? text : NULL;
}

static char *key_of(const struct mr_learn_source *o)
{
	_free_ char *units = NULL, *ids = NULL, *facilities = NULL;
	char *key = NULL;

	if (o->kind == MR_LEARN_STDIN)
		return strdup("stdin");
	if (o->kind == MR_LEARN_FILE)
		return asprintf(&key, "file %s", o->path) < 0 ? NULL : key;
	units = words("journal", o->units, o->n_units);
	ids = words(o->n_identifiers ? " identifier" : "", o->identifiers, o->n_identifiers);
	facilities = words(o->n_facilities ? " facility" : "", o->facilities, o->n_facilities);
	if (!units || !ids || !facilities || asprintf(&key, "%s%s%s", units, ids, facilities) < 0)
		return NULL;
	return key;
}

static void feed_free(struct mr_learn_feed *s)
{
	if (!s)
		return;
	mr_feed_free(s->feed);
	mr_reader_free(s->reader);
	mr_reader_free(s->suspect);
	free(s->key);
	free(s->formats);
	free(s->told_note);
	free(s->dropped.unit);
	free(s);
}
MR_DEFINE_CLEANUP(struct mr_learn_feed *, feed_free)

/* What the one remembers of sessions, for the other that takes its place. */
static void hand_over(const struct mr_reader *from, struct mr_reader *to)
{
	_free_ char *data = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&data, &n);

	if (!f)
		return;
	mr_reader_save(from, f);
	if (fclose(f) == 0)
		(void)mr_reader_restore(to, (struct mr_str){ data, n });
}

static int make_reader(struct mr_learn_feed *s, const struct mr_policy *p,
		       const struct mr_learn_source *o, struct mr_error *e)
{
	struct mr_reader_options options = {
		.policy = p,
		.formats = o->formats,
		.n_formats = o->n_formats,
	};
	_cleanup_(mr_reader_freep) struct mr_reader *reader = NULL, *suspect = NULL;
	int r = mr_reader_new(&options, &reader, e);

	options.sessions = SUSPECT_SESSIONS;
	if (r == 0 && o->kind == MR_LEARN_JOURNAL)
		r = mr_reader_new(&options, &suspect, e);
	if (r < 0)
		return r;
	if (s->reader)
		hand_over(s->reader, reader);
	mr_reader_free(s->reader);
	mr_reader_free(s->suspect);
	s->reader = MR_TAKE_PTR(reader);
	s->suspect = MR_TAKE_PTR(suspect);
	s->own = p->n_formats > 0;
	memset(s->lost, 0, sizeof(s->lost));
	return 0;
}

static int make_feed(struct mr_learn_feed *s, const struct mr_learn_source *o)
{
	struct mr_journal_options journal = {
		.dir = s->learn->m->options.journal_dir,
		.units = o->units,
		.n_units = o->n_units,
		.identifiers = o->identifiers,
		.n_identifiers = o->n_identifiers,
		.facilities = o->facilities,
		.n_facilities = o->n_facilities,
	};
	struct mr_feed_start start = {
		.from_start = o->from_start,
		.since_us = o->since_us ? mr_realtime_us() - o->since_us : 0,
	};

	switch (o->kind) {
	case MR_LEARN_FILE:
		s->kind = "file";
		return mr_feed_file(o->path, &start, &s->feed);
	case MR_LEARN_STDIN:
		s->kind = "stdin";
		return mr_feed_stream(STDIN_FILENO, &s->feed);
	case MR_LEARN_JOURNAL:
		s->kind = "journal";
		return mr_feed_journal(&journal, &start, &s->feed);
	}
	return -EINVAL;
}

/* Where a source was left off.  A journal that is read with other filters goes on where the last
 * one that is not read any more was. */
static json_t *place_of(const struct mr_learn *l, const struct mr_learn_feed *s,
			const struct mr_learn_source *o)
{
	json_t *found = json_object_get(l->places, s->key), *v;
	const char *key;

	if (found || o->kind != MR_LEARN_JOURNAL)
		return json_incref(found);
	json_object_foreach (l->places, key, v) {
		json_int_t time = json_integer_value(json_object_get(v, "time"));

		if (strncmp(key, "journal ", 8) == 0 &&
		    time > json_integer_value(json_object_get(found, "time")))
			found = v;
	}
	return json_incref(found);
}

static int add_source(struct mr_learn *l, const struct mr_policy *p,
		      const struct mr_learn_source *o, char **key, char **formats)
{
	_cleanup_(feed_freep) struct mr_learn_feed *s = calloc(1, sizeof(*s));
	struct mr_error e = { "" };
	int r;

	if (!s)
		return -ENOMEM;
	s->learn = l;
	s->key = MR_TAKE_PTR(*key);
	s->formats = MR_TAKE_PTR(*formats);
	s->keep = true;
	s->number = ++l->numbers;
	r = make_reader(s, p, o, &e);
	if (r == 0)
		r = make_feed(s, o);
	if (r == 0)
		r = mr_grow(&l->feed, &l->allocated, l->feeds, sizeof(struct mr_learn_feed *));
	if (r < 0) {
		mr_log_with(
			&l->m->log, LOG_ERR,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_SOURCE }, { "MAILREEVE_SOURCE", s->key }),
			"%s cannot be read: %s", s->key, *e.text ? e.text : strerror(-r));
		return r;
	}
	l->feed[l->feeds++] = s;
	mr_learn_sessions_of(l, s);
	mr_feed_start(s->feed, l->m->event, &sink, s, place_of(l, s, o));
	(void)MR_TAKE_PTR(s);
	return 0;
}

static struct mr_learn_feed *find(struct mr_learn *l, const char *key)
{
	for (size_t i = 0; i < l->feeds; i++)
		if (strcmp(l->feed[i]->key, key) == 0)
			return l->feed[i];
	return NULL;
}

static void remove_source(struct mr_learn *l, size_t i)
{
	struct mr_learn_feed *s = l->feed[i];

	json_object_set_new(l->places, s->key, mr_feed_position(s->feed));
	feed_free(s);
	l->feeds--;
	memmove(&l->feed[i], &l->feed[i + 1], (l->feeds - i) * sizeof(struct mr_learn_feed *));
}

/* A source that is read already and that the policy names still. */
static void go_on(struct mr_learn *l, const struct mr_policy *p, const struct mr_learn_source *o)
{
	_free_ char *key = key_of(o), *formats = words("", o->formats, o->n_formats);
	struct mr_learn_feed *s = key ? find(l, key) : NULL;
	struct mr_error e = { "" };

	if (!s || !formats || s->keep)
		return;
	if (strcmp(s->formats, formats) == 0 && !s->own && !p->n_formats) {
		s->keep = true;
		return;
	}
	if (make_reader(s, p, o, &e) < 0) {
		mr_log(&l->m->log, LOG_ERR, "%s: %s", s->key, e.text);
		return;
	}
	s->keep = true;
	free(s->formats);
	s->formats = MR_TAKE_PTR(formats);
}

/* A source that is not read yet; one that is named twice is read once. */
static void begin(struct mr_learn *l, const struct mr_policy *p, const struct mr_learn_source *o)
{
	_free_ char *key = key_of(o), *formats = words("", o->formats, o->n_formats);

	if (key && formats && !find(l, key))
		add_source(l, p, o, &key, &formats);
}

/* As the policy names them: people look for the order of their file. */
static void in_order(struct mr_learn *l, const struct mr_policy *p)
{
	size_t done = 0;

	for (size_t i = 0; i < p->n_learn; i++) {
		_free_ char *key = key_of(&p->learn[i]);

		for (size_t k = done; key && k < l->feeds; k++) {
			struct mr_learn_feed *s = l->feed[k];

			if (strcmp(s->key, key) != 0)
				continue;
			l->feed[k] = l->feed[done];
			l->feed[done++] = s;
			break;
		}
	}
}

static int on_tick(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct mr_learn *l = userdata;
	uint64_t step = l->m->active->policy->permit.ttl_us / 4, now = mr_boottime_ns();
	size_t extended = 0, some;
	int more;

	do {
		more = mr_learner_tick(l->learner, now, TICK_STEP, &some);
		extended += some;
	} while (more && mr_boottime_ns() < now + MR_STEP_NS);
	if (extended)
		mr_entries_changed(l->m);
	step = step < TICK_MIN_US ? TICK_MIN_US : step > TICK_MAX_US ? TICK_MAX_US : step;
	/* the rest of the sessions at once, but behind whoever waits */
	sd_event_source_set_time(s, more ? 0 : mr_boottime_ns() / 1000 + step);
	sd_event_source_set_time_accuracy(s, more ? 1 : TICK_MIN_US);
	return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

static struct mr_learn *learn_new(struct mr_manager *m)
{
	struct mr_learn *l = calloc(1, sizeof(*l));

	if (!l || mr_trust_new("/etc/passwd", &l->trust) < 0 ||
	    mr_learner_new(m->book, user_id, l, &l->learner) < 0) {
		if (l)
			mr_trust_free(l->trust);
		free(l);
		mr_log(&m->log, LOG_ERR, "nothing can be learned: out of memory");
		return NULL;
	}
	l->m = m;
	sd_event_add_time_relative(m->event, &l->tick, CLOCK_BOOTTIME, TICK_MIN_US, TICK_MIN_US,
				   on_tick, l);
	mr_learn_places_load(l);
	mr_learn_sessions_load(l);
	return l;
}

void mr_learn_stop(struct mr_manager *m)
{
	struct mr_learn *l = m->learn;

	if (!l)
		return;
	mr_learn_log_stop(l);
	mr_learn_places_save(l);
	while (l->feeds)
		remove_source(l, l->feeds - 1);
	l->tick = sd_event_source_disable_unref(l->tick);
	mr_learner_free(l->learner);
	mr_trust_free(l->trust);
	json_decref(l->places);
	mr_learn_sessions_loaded(l);
	free(l->feed);
	m->learn = NULL;
	free(l);
}

/* The learner with the policy in force; NULL: there is none. */
static struct mr_learn *ready(struct mr_manager *m)
{
	if (!m->learn && m->active && m->book)
		m->learn = learn_new(m);
	if (m->learn && m->active)
		mr_learner_setup(m->learn->learner,
				 &(struct mr_learn_setup){
					 .policy = m->active->policy,
					 .host = m->active->host,
					 .permit_services = mr_permit_services(m->active),
					 .ban_services = mr_ban_services(m->active),
				 });
	return m->learn;
}

void mr_learn_apply(struct mr_manager *m)
{
	const struct mr_policy *p = m->active ? m->active->policy : NULL;
	struct mr_learn *l;

	if (m->starting || m->stopping)
		return;
	if (!p || (!m->learn && !p->n_learn)) {
		mr_learn_stop(m);
		return;
	}
	l = ready(m);
	if (!l)
		return;
	for (size_t i = 0; i < l->feeds; i++)
		l->feed[i]->keep = false;
	for (size_t i = 0; i < p->n_learn; i++)
		go_on(l, p, &p->learn[i]);
	for (size_t i = l->feeds; i-- > 0;)
		if (!l->feed[i]->keep)
			remove_source(l, i);
	for (size_t i = 0; i < p->n_learn; i++)
		begin(l, p, &p->learn[i]);
	in_order(l, p);
	mr_learn_sessions_loaded(l);
	mr_learn_places_arm(l);
}

void mr_learn_drain(struct mr_manager *m, uint64_t ns)
{
	uint64_t deadline = mr_boottime_ns() + ns;

	for (size_t i = 0; m->learn && i < m->learn->feeds; i++)
		while (mr_feed_turn(m->learn->feed[i]->feed, deadline) &&
		       mr_boottime_ns() < deadline)
			;
}

int mr_learn_event(struct mr_manager *m, const struct mr_event *e, uint64_t time_us,
		   const char *source, struct mr_learn_result *out)
{
	struct mr_learn *l = m->learn ? m->learn : ready(m);
	int r;

	if (!l || !m->active)
		return -ENODATA;
	r = take_event(l, e, time_us, source, out);
	if (l->changed) {
		l->changed = false;
		mr_entries_changed(m);
	}
	mr_entries_tell_full(m);
	return r;
}
