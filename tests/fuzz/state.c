// SPDX-License-Identifier: BSD-2-Clause
/*
 * state.c - libFuzzer harness of what a start reads from the state directory, as a torn disk may
 * have left it: the first byte says which file the rest is.
 *
 *   e  entries: permits and bans       i  ids.json          c  current.json
 *   s  sessions                        p  policies/1.json, from a byte 0x01 on its contents
 *
 * The sums of entries and sessions are made good first, or no input would come by them; after a
 * capital letter they are left as they are.  What is loaded must be saved as something that loads.
 * No file is read and none is moved: mr_read_file() and mr_state_put_aside() find the harness
 * (Makefile, --wrap).
 */
#include "../../daemon/state.h"
#include "../../daemon/entry_file.h"
#include "../../daemon/ids.h"
#include "../../daemon/learn.h"
#include "_event.h"

#define HEAD_BYTES    (8 + 8 + MR_BOOT_ID + 8 + 8) /* of entries */
#define ENTRY_BYTES   72
#define SESSIONS_HEAD (8 + MR_BOOT_ID + 8 + 8)

int __wrap_mr_read_file(const char *path, size_t max, char **data, size_t *len);
int __wrap_rename(const char *from, const char *to);
void __wrap_mr_log_emit(const struct mr_log *l, int level, const struct mr_log_field *fields,
			size_t n, const char *file, int line, const char *func, const char *fmt,
			...);

static struct {
	struct mr_str file, other;
	const char *name; /* the end of its path */
} input;

int __wrap_mr_read_file(const char *path, size_t max, char **data, size_t *len)
{
	size_t n = strlen(path), k = strlen(input.name);
	bool named = n >= k && strcmp(path + n - k, input.name) == 0;
	struct mr_str f = named ? input.file : input.other;

	if (!named && !strstr(path, "/blobs/"))
		return -ENOENT;
	if (f.n > max)
		return -EFBIG;
	*data = malloc(f.n + 1);
	if (!*data)
		abort();
	if (f.n)
		memcpy(*data, f.p, f.n);
	(*data)[f.n] = '\0';
	*len = f.n;
	return 0;
}

int __wrap_rename(const char *from, const char *to)
{
	return *from && *to ? 0 : -1;
}

void __wrap_mr_log_emit(const struct mr_log *l _unused_, int level _unused_,
			const struct mr_log_field *fields _unused_, size_t n _unused_,
			const char *file _unused_, int line _unused_, const char *func _unused_,
			const char *fmt _unused_, ...)
{
}

/* --- sums, as entry_file.c and learn_sessions.c make them ------------------------------------- */

static uint64_t sum_words(const void *p, size_t size)
{
	const char *c = p;
	uint64_t h = size, w;

	for (size_t i = 0; i + 1 < size / 8; i++) {
		memcpy(&w, c + i * 8, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h;
}

static void mend_entries(char *p, size_t n)
{
	uint64_t w[3] = { 0 }, sum;

	if (n < HEAD_BYTES)
		return;
	memcpy(p, "MRENTRY2", 8);
	w[1] = (n - HEAD_BYTES) / ENTRY_BYTES;
	memcpy(&w[0], p + 8, 8);
	memcpy(p + 16 + MR_BOOT_ID, &w[1], 8);
	sum = sum_words(w, sizeof(w));
	memcpy(p + 24 + MR_BOOT_ID, &sum, 8);
	for (char *r = p + HEAD_BYTES; r + ENTRY_BYTES <= p + n; r += ENTRY_BYTES) {
		sum = sum_words(r, ENTRY_BYTES);
		memcpy(r + ENTRY_BYTES - 8, &sum, 8);
	}
}

static void mend_sessions(char *p, size_t n)
{
	uint64_t len = n - SESSIONS_HEAD, h = 0xcbf29ce484222325u;

	if (n < SESSIONS_HEAD)
		return;
	memcpy(p, "MRSESSN1", 8);
	for (size_t i = SESSIONS_HEAD; i < n; i++)
		h = (h ^ (uint8_t)p[i]) * 0x100000001b3u;
	memcpy(p + 8 + MR_BOOT_ID, &len, 8);
	memcpy(p + 16 + MR_BOOT_ID, &h, 8);
}

/* --- files ------------------------------------------------------------------------------------ */

static struct mr_book *book(void)
{
	const struct mr_book_limits limits = { 64, 64, 128, 64 };
	const struct mr_book_ops none = { 0 };
	struct mr_book *b;

	if (mr_book_new(&limits, &none, NULL, &b) < 0)
		abort();
	return b;
}

static void entries(void)
{
	struct mr_manager m = { .options.state_dir = "" };
	uint64_t now = mr_boottime_ns(), next;
	struct mr_book_stats stats;
	struct mr_entry_key k;
	struct mr_entry v;
	size_t restored = 0, n = 0, cursor = 0, walked = 0;

	input.name = "/entries";
	m.book = book();
	if (mr_ids_new(&m.ids) < 0)
		abort();
	mr_entry_file_load(&m, true, &restored);
	mr_book_stats(m.book, &stats);
	for (int kind = MR_PERMIT; kind <= MR_BAN; kind++, cursor = 0)
		while (mr_book_next(m.book, kind, &cursor, &k, &v, NULL))
			walked++;
	if (stats.permits + stats.bans != walked || walked > restored)
		abort();
	mr_book_sweep(m.book, now + 1000000000, SIZE_MAX, &n, &next);
	mr_book_free(m.book);
	mr_ids_free(m.ids);
}

static struct mr_learn learn(struct mr_manager *m, struct mr_learn_feed *feed)
{
	struct mr_reader_options o = { .legacy = true, .sessions = 16 };
	struct mr_learn l = { .m = m, .same_boot = true };
	struct mr_error e;

	if (mr_learner_new(m->book, NULL, NULL, &l.learner) < 0 ||
	    mr_reader_new(&o, &feed->reader, &e) < 0)
		abort();
	return l;
}

/* Restores, and gives what would be saved now. */
static void restore(struct mr_str *saved, size_t *events)
{
	static const char line[] = "Nov 21 20:43:50 h dovecot: imap-login: Login: user=<u>, "
				   "rip=192.0.2.1, lip=192.0.2.2, session=<x1>";
	struct mr_manager m = { .options.state_dir = "", .book = book() };
	struct mr_learn_feed feed = { .key = (char *)(uintptr_t) "f" }, *feeds = &feed;
	struct mr_learn l = learn(&m, &feed);
	struct mr_policy policy = { .permit = { .ttl_us = 1800000000 } };
	const struct mr_learn_setup setup = { .policy = &policy };
	struct mr_learn_sessions s;
	struct mr_event e;
	size_t extended;

	input.name = "/sessions";
	mr_learn_sessions_load(&l);
	l.same_boot = true;
	mr_learn_sessions_of(&l, &feed);
	mr_learn_sessions_loaded(&l);
	l.feed = &feeds;
	l.feeds = 1;
	feed.learn = &l;
	if (mr_learn_sessions_collect(&l, &s) < 0)
		abort();
	*saved = (struct mr_str){ s.data, s.n };
	mr_reader_clock(feed.reader, EVENT_NOW_US, &event_zone);
	*events = mr_reader_line(feed.reader, line, sizeof(line) - 1, &e) == MR_PARSE_EVENT;
	mr_learner_setup(l.learner, &setup);
	mr_learner_tick(l.learner, mr_boottime_ns(), 64, &extended);
	mr_learner_free(l.learner);
	mr_reader_free(feed.reader);
	mr_book_free(m.book);
}

static void sessions(void)
{
	struct mr_str one, two;
	size_t events[2];

	restore(&one, &events[0]);
	mend_sessions((char *)(uintptr_t)one.p, one.n);
	input.file = one;
	restore(&two, &events[1]);
	if (!events[0] || !events[1])
		abort();
	free((void *)(uintptr_t)one.p);
	free((void *)(uintptr_t)two.p);
}

static void ids(void)
{
	struct mr_ids *ids = NULL;
	struct mr_ids_snapshot *s;
	struct mr_error e = { "" };
	uint32_t user;
	uint8_t service;

	input.name = "/ids.json";
	if (mr_ids_load("/ids.json", &ids, &e) < 0) {
		if (!*e.text)
			abort();
		return;
	}
	for (uint32_t i = 0; i < 64; i++) {
		const char *name = mr_ids_user_name(ids, i);

		if (name && *name && (mr_ids_user(ids, name, &user) < 0 || user != i))
			abort();
	}
	if (mr_ids_user(ids, "new@example.com", &user) < 0 ||
	    mr_ids_service(ids, "new", 0, &service) < 0 || !mr_ids_service_name(ids, service))
		abort();
	s = mr_ids_snapshot(ids);
	mr_ids_snapshot_free(s);
	mr_ids_free(ids);
}

static void policy(void)
{
	_cleanup_(mr_files_clear) struct mr_files files = { 0 };
	_free_ char *config = NULL;
	struct mr_error e = { "" };

	input.name = "/policies/1.json";
	if (mr_state_load_policy("", "1", &config, &files, &e) == 0)
		mr_state_fingerprint(config, &files);
}

static void current(void)
{
	struct mr_current c;
	struct mr_error e = { "" };

	input.name = "/current.json";
	if (mr_state_read_current("", &c, &e) < 0
		    ? !*e.text
		    : strlen(c.active) >= sizeof(c.active) ||
			      strlen(c.previous) >= sizeof(c.previous))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *cut;
	char *copy;

	if (size == 0)
		return 0;
	cut = *p == 'p' ? memchr(p, 1, size) : NULL;
	input.other = cut ? (struct mr_str){ cut + 1, size - (size_t)(cut + 1 - p) }
			  : (struct mr_str){ "", 0 };
	size = (cut ? (size_t)(cut - p) : size) - 1;
	copy = exact_copy(p + 1, size);
	input.file = (struct mr_str){ copy, size };
	switch (*p) {
	case 'e':
		mend_entries(copy, size);
		/* fall through */
	case 'E':
		entries();
		break;
	case 's':
		mend_sessions(copy, size);
		/* fall through */
	case 'S':
		sessions();
		break;
	case 'i':
		ids();
		break;
	case 'p':
		policy();
		break;
	default:
		current();
	}
	free(copy);
	return 0;
}
