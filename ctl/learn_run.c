// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_run.c - runs a log through readers and learner, as the daemon would have (learn_run.h).
 *
 * The clock is the log's: it goes forward with the stamps, and what the daemon does as time passes
 * (sweeping, looking after sessions) happens on it.  A line that is late is late to the learner
 * too.  A stamp from the future, or from a day and more ago, is not believed until three in a row
 * say the same; then the clock follows, and if that was backwards everything learned is forgotten.
 * A file that begins before the one ahead of it ended starts afresh in the same way.
 *
 * Lines are read and parsed by one thread, and learned from and printed, in their order, by another
 * (learn_pipe.h): the work is about the same, and the result that of one thread.
 *
 * Never touches the kernel or the daemon; memory does not grow with the log.  A file that cannot be
 * read is a message and a status; the next is read all the same.
 */
#include "learn_run.h"

#include "learn_pipe.h"

#include <fcntl.h>
#include <mailreeve/export.h>
#include <time.h>

#define READ \
	(256u << 10) /* bytes read at once: they stay in the cache until they are learned from */
#define SECOND_NS  1000000000ull
#define DAY_NS	   (86400 * SECOND_NS)
#define BELIEVED   3 /* stamps in a row that move the clock against reason */
#define OVERLAP_NS (60 * SECOND_NS) /* rotated files may overlap so much */
#define TICKS_MAX  10000 /* ticks in one gap of the log; a permit lives 96 by default */

enum mr_exit mr_learn_run_open(struct mr_learn_run *run, const char *const *formats, size_t n)
{
	struct mr_reader_options o = {
		.policy = run->policy, .legacy = !formats, .formats = formats, .n_formats = n
	};
	struct mr_error e = { "out of memory" };
	uint64_t now = mr_realtime_us();
	struct mr_zone zone;

	tzset();
	mr_zone_read(now, &zone);
	run->now = now / 1000000 * SECOND_NS;
	if (mr_reader_new(&o, &run->reader, &e) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s", e.text);
	mr_reader_clock(run->reader, now, &zone);
	return MR_EXIT_DONE;
}

void mr_learn_run_close(struct mr_learn_run *run)
{
	mr_reader_free(run->reader);
	mr_learner_free(run->learner);
	mr_book_free(run->book);
}

/* Nothing learned yet. */
static int start_afresh(struct mr_learn_run *run)
{
	const struct mr_policy *p = run->policy;
	struct mr_book_limits limits = { .permits_max = p->permit.max,
					 .bans_max = p->ban.max,
					 .permit_plen6 = p->permit.ipv6_prefix,
					 .ban_plen6 = p->ban.ipv6_prefix };
	struct mr_book_ops none = { 0 };
	int r;

	mr_learner_free(MR_TAKE_PTR(run->learner));
	mr_book_free(MR_TAKE_PTR(run->book));
	r = mr_book_new(&limits, &none, NULL, &run->book);
	if (r == 0)
		r = mr_learner_new(run->book, NULL, NULL, &run->learner);
	if (r < 0)
		return r;
	mr_learner_setup(run->learner, &run->setup);
	run->clock = run->tick = 0;
	return 0;
}

/* The daemon's chores up to `at`. */
static void let_time_pass(struct mr_learn_run *run, uint64_t at)
{
	uint64_t step = run->policy->permit.ttl_us * 1000 / 4, next;
	struct mr_learn_stats stats;
	size_t n = 0;

	for (unsigned int i = 0; run->tick && run->tick <= at && i < TICKS_MAX; i++) {
		mr_learner_stats(run->learner, &stats);
		if (stats.sessions == 0)
			break;
		mr_book_sweep(run->book, run->tick, SIZE_MAX, &n, &next);
		mr_learner_tick(run->learner, run->tick, SIZE_MAX, &n);
		run->tick += step;
	}
	if (run->tick <= at)
		run->tick = at + step;
	if (at / SECOND_NS != run->clock / SECOND_NS)
		mr_book_sweep(run->book, at, SIZE_MAX, &n, &next);
	run->clock = at;
}

/* When the line happened, on the clock; moves the clock. */
static uint64_t clock_of(struct mr_learn_run *run, uint64_t time_us)
{
	uint64_t at = time_us * 1000;
	bool ahead, behind;

	if (!time_us)
		return run->clock;
	ahead = run->clock && run->clock <= run->now + DAY_NS && at > run->now + DAY_NS;
	behind = at + DAY_NS < run->clock ||
		 (run->strikes >= BELIEVED && at + OVERLAP_NS < run->clock);
	if (!ahead && !behind) {
		run->strikes = 0;
	} else if (++run->strikes >= BELIEVED) {
		run->strikes = 0;
		if (behind && start_afresh(run) < 0)
			return run->clock;
	} else {
		return ahead ? run->clock : at;
	}
	if (at > run->clock && run->learner)
		let_time_pass(run, at);
	return at;
}

/* What the thread that reads works with. */
struct stream {
	struct mr_learn_run *run; /* but for its reader, the other thread's */
	struct mr_reader *reader;
	const char *file;
	struct mr_learn_pipe *pipe;
	struct mr_event *event; /* the pipe's next; NULL: to be asked for */
	uint64_t number; /* of the line, or of the record */
	uint32_t source; /* of the file */
	bool skipping; /* the rest of a line that was too long */
	bool failed; /* for want of memory */
	struct mr_export *export;
} MR_LEARN_APART;

/* The pipe's end: what the thread that learns works with.  Neither writes to what the other looks
 * at for each line: a cache line that goes to and fro takes longer than a line of the log. */
struct sink {
	struct mr_learn_run *run;
	const char *file;
} MR_LEARN_APART;

static void learn_found(const struct mr_learn_found *f, void *userdata)
{
	const struct sink *s = userdata;
	struct mr_learn_run *run = s->run;
	struct mr_learn_result result;
	uint64_t at;

	if (!run->learner && start_afresh(run) < 0)
		return;
	at = clock_of(run, f->event.time_us);
	if (!run->learner)
		return; /* for want of memory */
	mr_learner_event(run->learner, &f->event, (int64_t)at, run->clock, &result);
	mr_learn_print_event(&run->print, s->file, f->number, &f->event, &result);
}

static void learn_idle(void *userdata)
{
	const struct sink *s = userdata;

	mr_learn_print_flush(&s->run->print);
}

static struct mr_event *next_event(struct stream *s)
{
	if (!s->event)
		s->event = mr_learn_pipe_event(s->pipe);
	s->failed |= !s->event;
	return s->event;
}

static void found(struct stream *s, enum mr_parse result)
{
	if (result != MR_PARSE_EVENT)
		return;
	s->event->source = s->source;
	s->failed |= mr_learn_pipe_add(s->pipe, s->number) < 0;
	s->event = NULL;
}

static void read_line(struct stream *s, const char *p, size_t n)
{
	struct mr_event *e = next_event(s);

	s->number++;
	if (e)
		found(s, mr_reader_line(s->reader, p, n, e));
}

static void read_record(struct stream *s, const struct mr_line *l)
{
	struct mr_event *e = next_event(s);

	s->number++;
	if (e)
		found(s, mr_reader_record(s->reader, l, e));
}

static void pass(struct stream *s, size_t eaten)
{
	mr_learn_pipe_pass(s->pipe, eaten);
	s->event = NULL;
}

/* Whole lines of what is there; returns what was eaten. */
static size_t eat_lines(struct stream *s, const char *p, size_t n, bool full)
{
	const char *start = p, *end = p + n, *newline;

	while (p < end) {
		/* the hole that a writer leaves who goes on at its old offset in a truncated file
		 */
		while (p < end && *p == '\0' && !s->skipping)
			p++;
		newline = memchr(p, '\n', (size_t)(end - p));
		if (!newline)
			break;
		if (s->skipping)
			s->number++;
		else
			read_line(s, p, (size_t)(newline - p));
		s->skipping = false;
		p = newline + 1;
	}
	if (p == start && full) {
		s->skipping = true; /* no newline in a megabyte: no line of a mail server */
		return n;
	}
	return (size_t)(p - start);
}

static size_t eat_fields(struct stream *s, const char *p, size_t n, bool full)
{
	size_t done = 0, eaten;
	struct mr_line l;
	bool record;

	while (done < n && (eaten = mr_export_feed(s->export, p + done, n - done, full && done == 0,
						   &record, &l))) {
		if (record)
			read_record(s, &l);
		done += eaten;
	}
	return done;
}

static void eat_rest(struct stream *s, const char *p, size_t n)
{
	struct mr_line l;

	if (s->export) {
		if (mr_export_end(s->export, &l))
			read_record(s, &l);
	} else if (n && !s->skipping) {
		read_line(s, p, n);
	}
}

/* What is no text is told by its first bytes, with the way to read it. */
static enum mr_exit look_at_head(struct stream *s, const char *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *what, *how;
	} kinds[] = {
		{ "\x1f\x8b", 2, "compressed", "zcat %s | mailreeve learn --dry-run" },
		{ "\xfd"
		  "7zXZ",
		  5, "compressed", "xzcat %s | mailreeve learn --dry-run" },
		{ "\x28\xb5\x2f\xfd", 4, "compressed", "zstdcat %s | mailreeve learn --dry-run" },
		{ "BZh", 3, "compressed", "bzcat %s | mailreeve learn --dry-run" },
		{ "LPKSHHRH", 8, "a file of the journal",
		  "journalctl --file %s -o export | mailreeve learn --dry-run" },
	};
	char how[256];

	for (size_t i = 0; i < MR_ARRAY_SIZE(kinds); i++) {
		if (n < kinds[i].n || memcmp(p, kinds[i].magic, kinds[i].n) != 0)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(how, sizeof(how), kinds[i].how, s->file);
#pragma GCC diagnostic pop
		return mr_ctl_fail(MR_EXIT_USAGE, "%s is %s: %s", s->file, kinds[i].what, how);
	}
	if (mr_export_is(p, n) && mr_export_new(&s->export) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	return MR_EXIT_DONE;
}

static enum mr_exit read_stream(struct stream *s, int fd)
{
	enum mr_exit status = MR_EXIT_DONE;
	struct mr_learn_batch *b;
	bool first = true, full;
	size_t room;
	ssize_t r;

	for (;;) {
		b = mr_learn_pipe_batch(s->pipe);
		room = MR_LEARN_CHUNK - b->have;
		r = read(fd, b->text + b->have, room < READ ? room : READ);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		mr_learn_print_progress(&s->run->print, (size_t)r);
		b->have += (size_t)r;
		full = b->have == MR_LEARN_CHUNK;
		if (first)
			status = look_at_head(s, b->text, b->have);
		first = false;
		if (status != MR_EXIT_DONE)
			return status;
		pass(s, s->export ? eat_fields(s, b->text, b->have, full)
				  : eat_lines(s, b->text, b->have, full));
	}
	if (r < 0)
		status = mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", s->file, strerror(errno));
	eat_rest(s, b->text, b->have);
	pass(s, b->have);
	return status;
}

static enum mr_exit learn_stream(struct mr_learn_run *run, const char *file, int fd)
{
	static const struct mr_learn_pipe_ops ops = { .learn = learn_found, .idle = learn_idle };
	struct stream s = {
		.run = run, .reader = run->reader, .file = file, .source = ++run->files
	};
	struct sink sink = { .run = run, .file = file };
	enum mr_exit status;

	run->strikes = BELIEVED; /* a file may begin before the last one ended */
	if (mr_learn_pipe_new(&ops, &sink, &s.pipe) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	status = read_stream(&s, fd);
	mr_learn_pipe_free(s.pipe); /* all is learned */
	mr_export_free(s.export);
	return s.failed ? mr_ctl_fail(MR_EXIT_USAGE, "out of memory") : status;
}

enum mr_exit mr_learn_run_file(struct mr_learn_run *run, const char *path)
{
	_close_ int fd = -EBADF;

	if (strcmp(path, "-") == 0)
		return learn_stream(run, "-", STDIN_FILENO);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(errno));
	return learn_stream(run, path, fd);
}
