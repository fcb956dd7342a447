// SPDX-License-Identifier: BSD-2-Clause
/*
 * source-rotation.c - tests of the file source against everything that rotation does to a log,
 * while it is followed and while it is not.
 */
#include "_source.h"

#define NOBODY 65534
#define LONG   "a line that is long enough to tell this file from others by its head alone ......\n"

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

/* Two rotations before anybody looks: what stood in the file between them is read, too. */
static void test_rename_twice_at_once(void **state)
{
	struct world *w = *state;
	char older[104];

	snprintf(older, sizeof(older), "%s.2", w->log);
	append(w->log, "x\n");
	begin(w, NULL);
	append(w->log, "1\n");
	rename(w->log, w->old);
	append(w->log, "2\n");
	rename(w->old, older);
	rename(w->log, w->old);
	append(w->log, "3\n");
	expect(w, "1\n2\n3\n");
	append(older, "4\n");
	append(w->old, "5\n");
	expect(w, "4\n5\n");
}

static void test_renamed_back(void **state)
{
	struct world *w = *state;

	append(w->log, "x\n");
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	rename(w->log, w->old);
	append(w->log, "2\n");
	expect(w, "2\n");
	rename(w->old, w->log); /* over the new one */
	append(w->log, "3\n");
	expect(w, "3\n");
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
	assert_non_null(strstr(w->feed->error, "neither a file nor a FIFO"));
	/* heard, not waited for; nothing was there before */
	rmdir(w->log);
	append(w->log, "first\n");
	expect(w, "first\n");
	assert_int_equal(w->feed->state, MR_FEED_FOLLOWING);
	assert_true(w->feed->retry_at == 0);
	/* what is open already is read on meanwhile */
	rename(w->log, w->old);
	mkdir(w->log, 0700);
	append(w->old, "second\n");
	expect(w, "second\n");
	assert_int_equal(w->feed->state, MR_FEED_FAILED);
	rmdir(w->log);
	append(w->log, "third\n");
	append(w->old, "fourth\n");
	expect(w, "fourth\nthird\n");
	assert_int_equal(w->feed->state, MR_FEED_FOLLOWING);
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

/* What `since` reaches in the file that was rotated away before the first start. */
static void test_since_rotated(void **state)
{
	struct world *w = *state;
	char older[128], copy[128], text[128], want[128];
	time_t now = time(NULL);

	snprintf(older, sizeof(older), "%s-20260101", w->log);
	snprintf(copy, sizeof(copy), "%s.bak", w->log);
	for (int i = 3; i >= 0; i--) {
		time_t t = now - i * 1200;
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ mx prog[1]: x\n", &tm);
		append(i == 3 ? older : i == 0 ? w->log : w->old, text);
		append(copy, text);
		if (i == 0)
			strcpy(want, text);
	}
	assert_int_equal(utimensat(AT_FDCWD, older,
				   (struct timespec[]){ { now - 3600, 0 }, { now - 3600, 0 } }, 0),
			 0);
	begin_at(w, w->log, &(struct mr_feed_start){ .since_us = (uint64_t)(now - 1800) * 1000000 },
		 NULL);
	while (w->feed->state == MR_FEED_CATCHING_UP)
		run(w, QUIET_US);
	run(w, QUIET_US);
	/* a block at a time: of a small file all of it; of the old one nothing */
	assert_int_equal(w->len, 3 * strlen(want));
	assert_string_equal(w->got + 2 * strlen(want), want);
}

/* --- restarts --------------------------------------------------------------------------------- */

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

/* A place is kept while the log cannot be read. */
static void test_unreadable_meanwhile(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	saved = leave(w);
	append(w->log, "2\n");
	chmod(w->log, 0);
	if (geteuid() == 0) { /* who may read everything */
		assert_int_equal(chown(w->dir, NOBODY, -1), 0);
		assert_int_equal(chown(w->log, NOBODY, -1), 0);
		assert_int_equal(seteuid(NOBODY), 0);
	}
	begin(w, saved);
	assert_int_equal(w->feed->state, MR_FEED_FAILED);
	saved = leave(w);
	begin(w, saved);
	assert_int_equal(w->feed->state, MR_FEED_FAILED);
	assert_non_null(strstr(w->feed->error, "Permission denied"));
	chmod(w->log, 0644);
	expect(w, "2\n");
	assert_int_equal(seteuid(getuid()), 0);
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

/* Three rotations while nobody looks; the oldest is where it was left. */
static void test_rotated_often_meanwhile(void **state)
{
	struct world *w = *state;
	char two[104], three[104], copy[104];
	json_t *saved;

	snprintf(two, sizeof(two), "%s.2", w->log);
	snprintf(three, sizeof(three), "%s.3", w->log);
	snprintf(copy, sizeof(copy), "%s.save", w->log);
	append(w->old, "of yesterday\n");
	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	usleep(10000);
	saved = leave(w);
	unlink(w->old);
	append(w->log, "2\n");
	rename(w->log, three);
	usleep(10000); /* their order is that of their times, and those have steps */
	append(two, "3\n");
	put(copy, "a copy\n", 0);
	usleep(10000);
	append(w->old, "4\n");
	append(w->log, "5\n");
	begin(w, saved);
	expect(w, "2\n3\n4\n5\n");
	saved = leave(w);
	begin(w, saved);
	expect(w, "");
}

static void shell(const char *fmt, ...) _printf_(1, 2);
static void shell(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c): fixed commands of a test */
}

/* Three rotations while nobody looks, as logrotate does them with `compress`. */
static void test_compressed_meanwhile(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->old, "of yesterday\n");
	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	saved = leave(w);
	usleep(10000);
	append(w->log, "2\n");
	shell("cd %s && mv mail.log mail.log.3 && gzip mail.log.3 && mv mail.log.1 mail.log.4 && "
	      "gzip mail.log.4",
	      w->dir);
	usleep(10000);
	append(w->log, "3\n");
	shell("cd %s && mv mail.log mail.log.2 && gzip mail.log.2", w->dir);
	usleep(10000);
	append(w->log, "4\n");
	/* as if it were being compressed, but whole already; and one that is cut off */
	shell("cd %s && mv mail.log mail.log.1 && gzip -k mail.log.1", w->dir);
	shell("cd %s && seq 9999 | gzip | head -c 9000 >mail.log.5.gz", w->dir);
	append(w->log, "5\n");
	begin(w, saved);
	expect(w, "2\n3\n4\n5\n");
	/* and it is known the next time that they were read */
	usleep(10000);
	saved = leave(w);
	begin(w, saved);
	expect(w, "");
	append(w->log, "6\n");
	expect(w, "6\n");
}

/* What unpacks to more than any log is not read, and the others are. */
static void test_bomb(void **state)
{
	struct world *w = *state;
	json_t *saved;

	append(w->log, LONG);
	begin(w, NULL);
	append(w->log, "1\n");
	expect(w, "1\n");
	saved = leave(w);
	usleep(10000);
	append(w->log, "2\n");
	shell("cd %s && mv mail.log mail.log.2 && gzip mail.log.2", w->dir);
	shell("cd %s && yes 9 | head -c 300000000 | gzip -1 >mail.log.1.gz", w->dir);
	append(w->log, "3\n");
	begin(w, saved);
	expect(w, "2\n3\n");
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
	/* a copy of what was read to its end already */
	append(w->log, LONG);
	expect(w, LONG);
	saved = leave(w);
	usleep(10000);
	unlink(w->old);
	put(w->old, "3\n" LONG, 0);
	put(w->log, "4\n", O_TRUNC);
	begin(w, saved);
	expect(w, "4\n");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rename),
		TEST(test_rename_twice),
		TEST(test_rename_twice_at_once),
		TEST(test_renamed_back),
		TEST(test_copytruncate),
		TEST(test_truncate_under_writer),
		TEST(test_late),
		TEST(test_deleted),
		TEST(test_symlink),
		TEST(test_directory),
		TEST(test_fifo),
		TEST(test_since_rotated),
		TEST(test_goes_on),
		TEST(test_unreadable_meanwhile),
		TEST(test_rotated_meanwhile),
		TEST(test_rotated_often_meanwhile),
		TEST(test_compressed_meanwhile),
		TEST(test_bomb),
		TEST(test_copied_meanwhile),
		TEST(test_another_file_meanwhile),
		TEST(test_damaged_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
