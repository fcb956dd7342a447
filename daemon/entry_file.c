// SPDX-License-Identifier: BSD-2-Clause
/*
 * entry_file.c - saves permits and bans to the state directory, and reads them after a reboot.
 *
 * The kernel's maps outlive the daemon, so this file counts only after a reboot, but for the later
 * parts of permits that have two: each part is a record here, and the kernel has but one value.  It
 * holds ends by the wall clock.  If that clock now shows less than when the file was written,
 * nobody can tell how much time went by: permits go, bans stay for as long as they had left.
 *
 * Saving walks the book in steps between other events, then the worker writes; an entry that
 * changes behind the walk is caught by the next save, which that change has armed.  Called by the
 * main thread.  A file that is damaged is told to the log and put aside.
 */
#include "entry_file.h"

#include <string.h>
#include <sys/stat.h>

#define FILE_NAME    "entries"
#define FILE_MAGIC   "MRENTRY2" /* the last character is the version */
#define FILE_MAX     (1u << 30) /* bytes; 12 million entries */
#define SAVE_STEP    1024 /* entries copied between two looks at the clock: below 0.5 ms */
#define SAVE_MORE    4096 /* entries that may come while it is made, without it being moved */
#define SAVE_SOON_US 2000000 /* a change is on the disk after so long, … */
#define SAVE_MANY    10000 /* … or, with more entries than this, */
#define SAVE_LATE_US 60000000 /* after this, so that a disk is not kept busy */

struct file_head {
	char magic[8];
	uint64_t saved_us; /* wall clock */
	char boot_id[MR_BOOT_ID];
	uint64_t n;
	uint64_t sum; /* of the two numbers */
};
struct file_record {
	struct mr_entry_key key;
	struct mr_addr made_for;
	uint64_t expires_us; /* wall clock */
	uint64_t granted_us;
	uint64_t services;
	uint32_t user;
	uint8_t kind, origin, plen, part;
	uint64_t sum; /* of this record: one that is whole counts, whatever became of the file */
};
_Static_assert(sizeof(struct file_record) == 72, "a record of the entries file");

struct mr_entry_save {
	struct mr_manager *m; /* main thread only */
	char *path, *ids_path;
	struct mr_ids_snapshot *ids; /* NULL: they are on the disk */
	enum mr_entry_kind kind;
	size_t cursor;
	/* the file as it will be; room for all from the start: to move it would take too long */
	struct file_head *file;
	size_t n, room;
	uint64_t changes;
	int r;
};

static void save_free(struct mr_entry_save *s)
{
	if (!s)
		return;
	free(s->path);
	free(s->ids_path);
	mr_ids_snapshot_free(s->ids);
	free(s->file);
	free(s);
}
MR_DEFINE_CLEANUP(struct mr_entry_save *, save_free)

/* Of all but the last word, which is the sum itself. */
static uint64_t sum_of(const void *p, size_t size)
{
	const uint64_t *w = p;
	uint64_t h = size;

	for (size_t i = 0; i + 1 < size / sizeof(*w); i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h;
}

static uint64_t head_sum(const struct file_head *h)
{
	const uint64_t w[] = { h->saved_us, h->n, 0 };

	return sum_of(w, sizeof(w));
}

/* --- save ------------------------------------------------------------------------------------- */

static struct file_record *records(const struct file_head *h)
{
	return (struct file_record *)(uintptr_t)(h + 1);
}

static int make_room(struct mr_entry_save *s, size_t n)
{
	size_t room = n + n / 8 + SAVE_MORE;
	struct file_head *file =
		realloc(s->file, sizeof(*file) + room * sizeof(struct file_record));

	if (!file)
		return -ENOMEM;
	s->file = file;
	s->room = room;
	return 0;
}

static struct mr_entry_save *save_new(struct mr_manager *m)
{
	_cleanup_(save_freep) struct mr_entry_save *s = calloc(1, sizeof(*s));
	struct mr_book_stats stats;

	if (!s)
		return NULL;
	mr_book_stats(m->book, &stats);
	s->m = m;
	s->path = mr_state_path(m->options.state_dir, FILE_NAME);
	s->ids_path = mr_state_path(m->options.state_dir, "ids.json");
	s->changes = mr_book_changes(m->book);
	if (!s->path || !s->ids_path || make_room(s, stats.permits + stats.bans) < 0)
		return NULL;
	memcpy(s->file->magic, FILE_MAGIC, sizeof(s->file->magic));
	mr_state_boot_id(s->file->boot_id);
	return MR_TAKE_PTR(s);
}

static int save_part(struct mr_entry_save *s, const struct mr_entry_key *k,
		     const struct mr_entry *v, const struct mr_addr *a, uint64_t boot,
		     uint64_t wall)
{
	struct file_record *f;

	if (v->expires <= boot)
		return 0;
	if (s->n == s->room && make_room(s, s->n) < 0)
		return -ENOMEM;
	f = &records(s->file)[s->n++];
	*f = (struct file_record){ .key = *k,
				   .made_for = *a,
				   .expires_us = wall + (v->expires - boot) / 1000,
				   .granted_us = wall - (boot - v->granted) / 1000,
				   .services = v->services,
				   .user = v->user,
				   .kind = (uint8_t)s->kind,
				   .origin = v->origin,
				   .plen = v->plen,
				   .part = (uint8_t)v->part };
	f->sum = sum_of(f, sizeof(*f));
	return 0;
}

/* Copies up to `max` entries; true when all are in. */
static bool save_walk(struct mr_entry_save *s, size_t max)
{
	uint64_t boot = mr_boottime_ns(), wall = mr_realtime_us();
	struct mr_entry v[MR_BOOK_PARTS];
	struct mr_entry_key k;
	struct mr_addr a;

	while (s->kind <= MR_BAN && max) {
		size_t n = 1;

		if (!mr_book_next(s->m->book, s->kind, &s->cursor, &k, v, &a)) {
			s->kind++;
			s->cursor = 0;
			continue;
		}
		max--;
		if (v->part & MR_ENTRY_MORE)
			n = mr_book_parts(s->m->book, s->kind, &k, v);
		for (size_t i = 0; i < n && s->r == 0; i++)
			s->r = save_part(s, &k, &v[i], &a, boot, wall);
		if (s->r < 0)
			return true;
	}
	return s->kind > MR_BAN;
}

/* All entries are in: the users that they name, too. */
static void save_ids(struct mr_entry_save *s)
{
	if (mr_ids_changes(s->m->ids) != s->m->ids_saved)
		s->ids = mr_ids_snapshot(s->m->ids);
}

static void save_write(void *arg)
{
	struct mr_entry_save *s = arg;
	struct file_head *h = s->file;

	if (s->r == 0 && s->ids)
		s->r = mr_ids_snapshot_write(s->ids, s->ids_path);
	if (s->r < 0)
		return;
	h->saved_us = mr_realtime_us();
	h->n = s->n;
	h->sum = head_sum(h);
	s->r = mr_write_file(s->path, (const char *)h,
			     sizeof(*h) + s->n * sizeof(struct file_record), 0600);
	free(MR_TAKE_PTR(s->file)); /* here: to give back much memory takes long, too */
}

static void save_done(void *arg)
{
	struct mr_entry_save *s = arg;
	struct mr_manager *m = s->m;

	m->save = NULL;
	if (s->r < 0 && s->r != m->entries_error) /* a disk that stays full is told once */
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
			    "%s: %s; permits and bans would not survive a reboot", s->path,
			    strerror(-s->r));
	m->entries_error = s->r;
	if (s->r == 0)
		m->entries_saved = s->changes;
	if (s->r == 0 && s->ids)
		m->ids_saved = mr_ids_snapshot_changes(s->ids);
	save_free(s);
	mr_entry_file_arm(m); /* what changed meanwhile, or failed */
}

/* A timer of a time long ago: a defer source that arms itself again lets nobody else have a turn.
 */
static int on_step(sd_event_source *source, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	uint64_t until = mr_boottime_ns() + MR_STEP_NS;
	bool done = !m->save;

	while (!done && mr_boottime_ns() < until)
		done = save_walk(m->save, SAVE_STEP);
	if (!done)
		return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	m->save_step = sd_event_source_disable_unref(m->save_step);
	if (m->save)
		save_ids(m->save);
	if (m->save && mr_worker_run(m->worker, save_write, save_done, m->save) < 0)
		save_free(MR_TAKE_PTR(m->save));
	return 0;
}

static int on_save(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	m->save_timer = sd_event_source_disable_unref(m->save_timer);
	if (m->save || m->stopping)
		return 0;
	m->save = save_new(m);
	if (!m->save)
		return 0;
	if (sd_event_add_time(m->event, &m->save_step, CLOCK_MONOTONIC, 0, 1, on_step, m) < 0)
		save_free(MR_TAKE_PTR(m->save));
	return 0;
}

void mr_entry_file_arm(struct mr_manager *m)
{
	struct mr_book_stats s;
	uint64_t in;

	if (m->save_timer || m->save || m->stopping || !m->book ||
	    m->entries_saved == mr_book_changes(m->book))
		return;
	mr_book_stats(m->book, &s);
	in = s.permits + s.bans > SAVE_MANY ? SAVE_LATE_US : SAVE_SOON_US;
	sd_event_add_time_relative(m->event, &m->save_timer, CLOCK_BOOTTIME, in, SAVE_SOON_US / 4,
				   on_save, m);
}

int mr_entry_file_save(struct mr_manager *m)
{
	_cleanup_(save_freep) struct mr_entry_save *s = NULL;

	if (!m->book || (m->entries_saved == mr_book_changes(m->book) &&
			 m->ids_saved == mr_ids_changes(m->ids)))
		return 0;
	s = save_new(m);
	if (!s)
		return -ENOMEM;
	save_walk(s, SIZE_MAX);
	save_ids(s);
	save_write(s);
	return s->r;
}

void mr_entry_file_stop(struct mr_manager *m)
{
	m->save_timer = sd_event_source_disable_unref(m->save_timer);
	m->save_step = sd_event_source_disable_unref(m->save_step);
	save_free(MR_TAKE_PTR(m->save));
}

/* --- load ------------------------------------------------------------------------------------- */

/* What is left of an entry, us; 0: nothing. */
static uint64_t time_left(const struct file_record *f, const struct file_head *h, uint64_t wall)
{
	uint64_t had = f->expires_us > h->saved_us ? f->expires_us - h->saved_us : 0;
	uint64_t left = f->expires_us > wall ? f->expires_us - wall : 0;

	if (wall < h->saved_us) /* the clock was set back */
		return f->kind == MR_PERMIT ? 0 : had;
	return left < had ? left : had;
}

/* Into the book; `rest`: only what it waits for.  -ENOENT: nothing for it. */
static int load_record(struct mr_manager *m, const struct file_record *f, struct mr_entry *v,
		       uint64_t boot, bool rest)
{
	if ((rest && f->kind != MR_PERMIT) || !mr_entries_known(m, v))
		return -ENOENT;
	mr_ids_reserve_users(m->ids, f->user);
	if (!rest)
		return mr_book_add(m->book, f->kind, &f->made_for, v, boot, NULL);
	v->part = f->part;
	return mr_book_adopt_rest(m->book, &f->made_for, v, boot);
}

/* Of `n` records, those that are whole; *whole counts them, ended ones too. */
static size_t load_records(struct mr_manager *m, const struct file_head *h, size_t n, bool rest,
			   size_t *whole)
{
	uint64_t boot = mr_boottime_ns(), wall = mr_realtime_us();
	const struct file_record *f = records(h);
	size_t restored = 0;

	*whole = 0;
	for (size_t i = 0; i < n; i++, f++) {
		uint64_t left = f->kind <= MR_BAN ? time_left(f, h, wall) : 0;
		uint64_t ago = wall > f->granted_us ? (wall - f->granted_us) * 1000 : 0;
		struct mr_entry v = { .expires = boot + left * 1000,
				      .granted = ago < boot ? boot - ago : 0,
				      .services = f->services,
				      .user = f->user,
				      .origin = f->origin,
				      .plen = f->plen == 128 ? 128 : 0 };

		if (f->sum != sum_of(f, sizeof(*f)))
			continue;
		++*whole;
		if (left && load_record(m, f, &v, boot, rest) == 0)
			restored++;
	}
	return restored;
}

/* What is wrong with the file; NULL: nothing. */
static const char *unusable(const struct file_head *h, size_t len)
{
	const size_t name = sizeof(h->magic) - 1;

	if (len < sizeof(h->magic) || memcmp(h->magic, FILE_MAGIC, name) != 0)
		return "not a file of permits and bans";
	if (h->magic[name] != FILE_MAGIC[name])
		return h->magic[name] > FILE_MAGIC[name] ? "written by a newer mailreeve"
							 : "of a version that is not known";
	if (len < sizeof(*h))
		return "cut off";
	if (h->sum != head_sum(h))
		return "damaged";
	return NULL;
}

void mr_entry_file_load(struct mr_manager *m, bool pins, size_t *restored)
{
	_free_ char *path = mr_state_path(m->options.state_dir, FILE_NAME), *data = NULL;
	const struct file_head *h;
	const char *why;
	char now[MR_BOOT_ID];
	size_t len, n, whole;
	int r = path ? mr_read_file(path, FILE_MAX, &data, &len) : -ENOMEM;

	if (r == -ENOENT)
		return;
	h = (const struct file_head *)(const void *)data;
	why = data ? unusable(h, len) : strerror(-r);
	if (!data || why) {
		mr_state_put_aside(m->options.state_dir, FILE_NAME);
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
			    "%s: %s; it is put aside as " FILE_NAME ".damaged, and the permits and "
			    "bans from before the reboot are lost",
			    path ? path : FILE_NAME, why);
		return;
	}
	mr_state_boot_id(now);
	if (pins && strncmp(now, h->boot_id, MR_BOOT_ID) == 0)
		return; /* the pins of this boot are empty, and they are newer */
	if (mr_realtime_us() < h->saved_us)
		mr_log(&m->log, LOG_WARNING,
		       "the clock was set back since permits and bans were saved: permits are "
		       "gone, bans stay for what they had left");
	n = (len - sizeof(*h)) / sizeof(struct file_record);
	*restored = load_records(m, h, n < h->n ? n : h->n, false, &whole);
	if (whole == h->n)
		return;
	mr_state_put_aside(m->options.state_dir, FILE_NAME);
	mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
		    "%s: %s; it is put aside as " FILE_NAME ".damaged, and %zu of %llu permits and "
		    "bans from before the reboot are lost",
		    path, n < h->n ? "cut off" : "damaged", (size_t)h->n - whole,
		    (unsigned long long)h->n);
}

void mr_entry_file_rest(struct mr_manager *m, size_t *restored)
{
	_free_ char *path = mr_state_path(m->options.state_dir, FILE_NAME), *data = NULL;
	const struct file_head *h;
	char now[MR_BOOT_ID];
	size_t len, n, whole;

	/* the kernel has what counts; a file that cannot be read is replaced by the next save */
	if (!path || mr_read_file(path, FILE_MAX, &data, &len) < 0)
		return;
	h = (const struct file_head *)(const void *)data;
	mr_state_boot_id(now);
	if (unusable(h, len) || strncmp(now, h->boot_id, MR_BOOT_ID) != 0)
		return;
	n = (len - sizeof(*h)) / sizeof(struct file_record);
	*restored = load_records(m, h, n < h->n ? n : h->n, true, &whole);
}
