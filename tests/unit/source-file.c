// SPDX-License-Identifier: BSD-2-Clause
/*
 * source-file.c - tests of the file source against everything that rotation does to a log.
 */
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

static void on_nothing(void *userdata)
{
	(void)userdata;
}

static void on_line(void *userdata, const char *p, size_t n, uint64_t latest_us)
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

static int setup(void **state)
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

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;

	mr_feed_free(w->feed);
	sd_event_unref(w->event);
	free(w->got);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

static void put(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void append(const char *path, const char *text)
{
	put(path, text, O_APPEND);
}

static void begin_at(struct world *w, const char *path, const struct mr_feed_start *start,
		     json_t *saved)
{
	assert_int_equal(mr_feed_file(path, start, &w->feed), 0);
	mr_feed_start(w->feed, w->event, &sink, w, saved);
}

static void begin(struct world *w, json_t *saved)
{
	begin_at(w, w->log, &(struct mr_feed_start){ 0 }, saved);
}

static void stop(struct world *w)
{
	mr_feed_free(w->feed);
	w->feed = NULL;
}

static void run(struct world *w, uint64_t us)
{
	assert_true(sd_event_run(w->event, us) >= 0);
}

/* Exactly these lines, in this order, and no more. */
static void expect(struct world *w, const char *lines)
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

/* --- lines ------------------------------------------------------------------------------------ */

static void test_end(void **state)
{
	struct world *w = *state;

	append(w->log, "before\n");
	begin(w, NULL);
	expect(w, "");
	append(w->log, "one\ntwo\n");
	expect(w, "one\ntwo\n");
	assert_int_equal(w->latest, 0);
	assert_int_equal(w->feed->state, MR_FEED_FOLLOWING);
}

static void test_start(void **state)
{
	struct world *w = *state;

	append(w->log, "before\n");
	begin_at(w, w->log, &(struct mr_feed_start){ .from_start = true }, NULL);
	expect(w, "before\n");
	assert_true(w->latest != 0); /* no later than the file's last change */
}

static void test_since(void **state)
{
	struct world *w = *state;
	FILE *f = fopen(w->log, "w");
	time_t now = time(NULL);
	char stamp[64], last[256] = "";
	struct tm tm;

	/* a line each second for the last five hours, 2 MB */
	for (time_t t = now - 18000; t < now; t++) {
		gmtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
		fprintf(f, "%s mx prog[1]: %0100lld\n", stamp, (long long)t);
	}
	snprintf(last, sizeof(last), "%s mx prog[1]: %0100lld\n", stamp, (long long)now - 1);
	fclose(f);
	begin_at(w, w->log, &(struct mr_feed_start){ .since_us = (uint64_t)(now - 60) * 1000000 },
		 NULL);
	for (int i = 0; i < 20; i++)
		run(w, 1000);
	assert_true(w->len > 60 * 100);
	assert_true(w->len < 400000); /* the minute, and no more than some blocks before it */
	assert_non_null(strstr(w->got, last));
}

static void test_half(void **state)
{
	struct world *w = *state;

	append(w->log, "");
	begin(w, NULL);
	append(w->log, "ha");
	expect(w, "");
	append(w->log, "lf\nnext");
	expect(w, "half\n");
	append(w->log, "\n");
	expect(w, "next\n");
}

static void test_begins_within_a_line(void **state)
{
	struct world *w = *state;

	append(w->log, "a client chose: ");
	begin(w, NULL);
	append(w->log, "forged\nreal\n");
	expect(w, "real\n");
}

static void test_long(void **state)
{
	struct world *w = *state;
	size_t n = 3u << 20;
	char *text = malloc(n + 32);

	append(w->log, "");
	begin(w, NULL);
	memset(text, 'x', n);
	strcpy(text + n, " tail of it\nnext\n");
	append(w->log, text);
	expect(w, "next\n");
	assert_int_equal(w->feed->skipped, 1);
	/* the longest that is one */
	text[MR_LINE_MAX] = '\0';
	append(w->log, text);
	append(w->log, "\n");
	strcpy(text + MR_LINE_MAX, "\n");
	expect(w, text);
	memset(text, 'x', n);
	text[MR_LINE_MAX + 1] = '\0';
	append(w->log, text);
	append(w->log, "\nend\n");
	expect(w, "end\n");
	assert_int_equal(w->feed->skipped, 2);
	free(text);
}

static void test_nul(void **state)
{
	struct world *w = *state;
	int fd;

	append(w->log, "x\n");
	begin(w, NULL);
	fd = open(w->log, O_WRONLY);
	assert_int_equal(pwrite(fd, "hole\n", 5, 1 << 20), 5);
	close(fd);
	expect(w, "hole\n");
}

/* --- rotation --------------------------------------------------------------------------------- */

static void test_rename(void **state)
{
	struct world *w = *state;

	append(w->log, "x\n");
	begin(w, NULL);
	append(w->log, "1\n");
	assert_int_equal(rename(w->log, w->old), 0);
	append(w->old, "2\n"); /* the writer has not noticed */
	expect(w, "1\n2\n");
	append(w->log, "3\n");
	expect(w, "3\n");
	append(w->old, "4\n");
	expect(w, "4\n");
	append(w->log, "5\n");
	expect(w, "5\n");
}

static void test_rename_twice(void **state)
{
	struct world *w = *state;
	char older[104];

	snprintf(older, sizeof(older), "%s.2", w->log);
	append(w->log, "x\n");
	begin(w, NULL);
	for (int i = 0; i < 6; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d\n", i);
		append(w->log, text);
		expect(w, text);
		append(w->log, text);
		rename(w->old, older);
		rename(w->log, w->old);
		expect(w, text);
	}
}

static void test_copytruncate(void **state)
{
	struct world *w = *state;
	char text[20000];

	append(w->log, "x\n1\n2\n3\n");
	begin(w, NULL);
	expect(w, "");
	put(w->log, "4\n", O_TRUNC);
	expect(w, "4\n");
	/* cut, and filled to more than before, before anybody looks */
	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	put(w->log, text, O_TRUNC);
	expect(w, text);
}

/* A writer that does not append goes on at its offset: the file then begins with a hole. */
static void test_truncate_under_writer(void **state)
{
	struct world *w = *state;
	int fd = open(w->log, O_WRONLY | O_CREAT, 0600);

	for (int i = 0; i < 10000; i++)
		assert_int_equal(write(fd, "old line\n", 9), 9);
	begin(w, NULL);
	expect(w, "");
	assert_int_equal(truncate(w->log, 0), 0);
	assert_int_equal(write(fd, "new line\n", 9), 9);
	close(fd);
	expect(w, "new line\n");
}

static void test_late(void **state)
{
	struct world *w = *state;
	char dir[96], path[128];

	snprintf(dir, sizeof(dir), "%s/later", w->dir);
	snprintf(path, sizeof(path), "%s/later/mail.log", w->dir);
	begin_at(w, path, &(struct mr_feed_start){ 0 }, NULL);
	expect(w, "");
	assert_int_equal(w->feed->state, MR_FEED_WAITING);
	mkdir(dir, 0700);
	expect(w, "");
	append(path, "first\n");
	expect(w, "first\n");
	assert_int_equal(w->feed->state, MR_FEED_FOLLOWING);
	assert_null(w->feed->error);
}

static void test_deleted(void **state)
{
	struct world *w = *state;

	append(w->log, "x\n");
	begin(w, NULL);
	unlink(w->log);
	expect(w, "");
	append(w->log, "new\n");
	expect(w, "new\n");
}

static void test_symlink(void **state)
{
	struct world *w = *state;
	char a[96], b[96], link[96];

	snprintf(a, sizeof(a), "%s/a", w->dir);
	snprintf(b, sizeof(b), "%s/b", w->dir);
	snprintf(link, sizeof(link), "%s/link", w->dir);
	append(a, "x\n");
	append(b, "new\n");
	assert_int_equal(symlink("link", w->log), 0);
	assert_int_equal(symlink(a, link), 0);
	begin(w, NULL);
	append(a, "a\n");
	expect(w, "a\n");
	snprintf(link, sizeof(link), "%s/link2", w->dir);
	assert_int_equal(symlink("b", link), 0);
	snprintf(a, sizeof(a), "%s/link", w->dir);
	assert_int_equal(rename(link, a), 0);
	expect(w, "new\n");
}

static void test_directory(void **state)
{
	struct world *w = *state;

	mkdir(w->log, 0700);
	begin(w, NULL);
	assert_int_equal(w->feed->state, MR_FEED_FAILED);
	assert_true(w->feed->retry_at != 0);
	rmdir(w->log);
	append(w->log, "first\n");
	expect(w, ""); /* seen for the first time: its end */
	append(w->log, "second\n");
	while (w->feed->state == MR_FEED_FAILED)
		run(w, WAIT_US);
	append(w->log, "third\n");
	expect(w, "third\n");
}

static void test_fifo(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkfifo(w->log, 0600), 0);
	begin(w, NULL);
	append(w->log, "one\n");
	append(w->log, "two\n");
	expect(w, "one\ntwo\n");
	append(w->log, "three\n");
	expect(w, "three\n");
}

/* --- restarts --------------------------------------------------------------------------------- */

static json_t *leave(struct world *w)
{
	json_t *saved = mr_feed_position(w->feed);

	stop(w);
	return saved;
}

#define LONG "a line that is long enough to tell this file from others by its head alone ......\n"

static void test_goes_on(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG "ha");
	begin_at(w, w->log, &(struct mr_feed_start){ .from_start = true }, NULL);
	expect(w, LONG);
	saved = leave(w);
	append(w->log, "lf\nnext\n");
	begin(w, saved);
	expect(w, "half\nnext\n");
}

static void test_rotated_meanwhile(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	saved = leave(w);
	append(w->log, "2\n");
	rename(w->log, w->old);
	append(w->log, "3\n");
	begin(w, saved);
	expect(w, "2\n3\n");
	append(w->log, "4\n");
	expect(w, "4\n");
}

static void test_copied_meanwhile(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	saved = leave(w);
	put(w->old, LONG "1\n2\n", 0);
	put(w->log, "3\n", O_TRUNC);
	begin(w, saved);
	expect(w, "2\n3\n");
}

static void test_another_file_meanwhile(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG);
	begin(w, NULL);
	expect(w, "");
	saved = leave(w);
	put(w->log, "other, and much longer than what stood here before\n" LONG LONG, O_TRUNC);
	begin(w, saved);
	expect(w, "other, and much longer than what stood here before\n" LONG LONG);
}

static void test_damaged_place(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"files\":7}",
		"{\"files\":[{}]}",
		"{\"files\":[{\"inode\":-1,\"offset\":-5}]}",
		("{\"files\":[{\"inode\":1,\"offset\":9223372036854775807,\"head\":99999,\"print\":"
		 "\"zz\"}]}"),
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(texts); i++) {
		struct world *w = *state;

		put(w->log, "1\n", O_TRUNC);
		begin(w, json_loads(texts[i], 0, NULL));
		expect(w, "1\n");
		stop(w);
	}
}

/* --- much ------------------------------------------------------------------------------------- */

/* A backlog is read turn by turn: between two turns others have theirs. */
static void test_backlog(void **state)
{
	struct world *w = *state;
	FILE *f = fopen(w->log, "w");
	size_t n = 200000, turns = 0, lines = 0;

	for (size_t i = 0; i < n; i++)
		fprintf(f, "%0100zu\n", i);
	fclose(f);
	begin_at(w, w->log, &(struct mr_feed_start){ .from_start = true }, NULL);
	assert_int_equal(w->feed->state, MR_FEED_CATCHING_UP);
	for (; w->len < n * 101; turns++)
		run(w, WAIT_US);
	assert_true(turns > 1);
	for (char *p = w->got; p < w->got + w->len; p += 101)
		assert_int_equal(strtoull(p, NULL, 10), lines++);
	assert_int_equal(lines, n);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_end),
		TEST(test_start),
		TEST(test_since),
		TEST(test_half),
		TEST(test_begins_within_a_line),
		TEST(test_long),
		TEST(test_nul),
		TEST(test_rename),
		TEST(test_rename_twice),
		TEST(test_copytruncate),
		TEST(test_truncate_under_writer),
		TEST(test_late),
		TEST(test_deleted),
		TEST(test_symlink),
		TEST(test_directory),
		TEST(test_fifo),
		TEST(test_goes_on),
		TEST(test_rotated_meanwhile),
		TEST(test_copied_meanwhile),
		TEST(test_another_file_meanwhile),
		TEST(test_damaged_place),
		TEST(test_backlog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
