/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _source.h - a log in a directory of its own, the file source that follows it, and what came of
 * it.
 *
 * In a header: the programs of this folder that need no source are linked without any.
 */
#ifndef MR_TEST_SOURCE_H
#define MR_TEST_SOURCE_H

#include "../../daemon/source/feed.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define WAIT_US	 3000000 /* a test that has to wait so long has failed */
#define QUIET_US 50000 /* nothing that is due comes later than this */

struct world {
	char dir[64], log[96], old[96];
	sd_event *event;
	struct mr_feed *feed;
	char *got; /* all lines, each with a newline */
	size_t len, allocated;
	uint64_t latest;
};

static inline void on_nothing(void *userdata)
{
	(void)userdata;
}

static inline void on_line(void *userdata, const char *p, size_t n, uint64_t latest_us)
{
	struct world *w = userdata;

	assert_int_equal(mr_grow(&w->got, &w->allocated, w->len + n + 1, 1), 0);
	memcpy(w->got + w->len, p, n);
	w->len += n + 1;
	w->got[w->len - 1] = '\n';
	w->got[w->len] = '\0';
	w->latest = latest_us;
}

static const struct mr_feed_sink sink = {
	.begin = on_nothing, .line = on_line, .turn = on_nothing, .changed = on_nothing
};

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/mr-source-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->log, sizeof(w->log), "%s/mail.log", w->dir);
	snprintf(w->old, sizeof(w->old), "%s/mail.log.1", w->dir);
	assert_true(sd_event_new(&w->event) >= 0);
	assert_int_equal(mr_grow(&w->got, &w->allocated, 1, 1), 0);
	w->got[0] = '\0';
	*state = w;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	mr_feed_free(w->feed);
	sd_event_unref(w->event);
	free(w->got);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static inline void put(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline void append(const char *path, const char *text)
{
	put(path, text, O_APPEND);
}

static inline void begin_at(struct world *w, const char *path, const struct mr_feed_start *start,
			    json_t *saved)
{
	assert_int_equal(mr_feed_file(path, start, &w->feed), 0);
	mr_feed_start(w->feed, w->event, &sink, w, saved);
}

static inline void begin(struct world *w, json_t *saved)
{
	begin_at(w, w->log, &(struct mr_feed_start){ 0 }, saved);
}

static inline void stop(struct world *w)
{
	mr_feed_free(w->feed);
	w->feed = NULL;
}

static inline void run(struct world *w, uint64_t us)
{
	assert_true(sd_event_run(w->event, us) >= 0);
}

/* Exactly these lines, in this order, and no more. */
static inline void expect(struct world *w, const char *lines)
{
	uint64_t end = mr_boottime_ns() / 1000 + WAIT_US;

	while (w->len < strlen(lines) && mr_boottime_ns() / 1000 < end)
		run(w, QUIET_US);
	for (int i = 0; i < 4; i++)
		run(w, i == 3 ? QUIET_US : 0);
	assert_string_equal(w->got, lines);
	w->len = 0;
	w->got[0] = '\0';
}

static inline json_t *leave(struct world *w)
{
	json_t *saved = mr_feed_position(w->feed);

	stop(w);
	return saved;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
