// SPDX-License-Identifier: BSD-2-Clause
/*
 * source-file.c - tests of the file source: what is a line, where it begins, how much it reads at
 * once.
 */
#include "_source.h"

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
	const struct CMUnitTest tests[] = {
		TEST(test_end),
		TEST(test_start),
		TEST(test_since),
		TEST(test_half),
		TEST(test_begins_within_a_line),
		TEST(test_long),
		TEST(test_nul),
		TEST(test_backlog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
