// SPDX-License-Identifier: BSD-2-Clause
/*
 * _learn.c - what reading a mail log costs: `mailreeve learn --dry-run` beside grep, fail2ban and
 * what pop-before-smtp was measured at.
 *
 * A log of a million lines; programs take turns, each writes to a file on tmpfs, medians. mailreeve
 * prints text and, into /dev/null, JSON.  grep runs in a UTF-8 locale, and in the C locale, where
 * it is faster.  The events that mailreeve prints are counted first: all that the log holds, or
 * nothing is measured.  fail2ban gets a slice, less what it takes for one line.  Memory is looked
 * at with a tenth of the lines, and with three times as many.  Called by bench.c; messages on
 * standard error.
 */
#include "_maillog.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define LINES		1000000
#define LINES_SHORT	100000 /* the logs that memory is compared with */
#define LINES_LONG	3000000 /* 400 MB */
#define LINES_FAIL2BAN	50000
#define POP_BEFORE_SMTP 36.0 /* us a line, as measured with the same mix */
#define PATTERN		"(imap|pop3)-login: Login: user=<[^>]*>.* rip=[0-9.:a-f]+|sasl_username="
#define FILTER		"/etc/fail2ban/filter.d/dovecot.conf"

struct learn {
	struct bench *b;
	char log[96], log_short[96], log_long[96], slice[96], one[96], out[96], command[256];
	uint64_t events; /* in log */
	double own[BENCH_ROUNDS_MAX], json[BENCH_ROUNDS_MAX];
	double grep_utf8[BENCH_ROUNDS_MAX], grep_c[BENCH_ROUNDS_MAX];
	double peak_mib, peak_short_mib, peak_long_mib;
};

/* Runs a program with its output in a file; *ms and *mib (both may be NULL) of that one run. */
static int timed(const char *out, double *ms, double *mib, const char *const argv[])
{
	struct rusage usage;
	double from = bench_now_ms();
	pid_t pid = fork();
	int status, fd;

	if (pid == 0) {
		fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd >= 0 && dup2(fd, 1) == 1)
			execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return -ECHILD;
	if (ms)
		*ms = bench_now_ms() - from;
	if (mib)
		*mib = (double)usage.ru_maxrss / 1024;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "bench: %s failed\n", argv[0]);
	return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : -EIO;
}
#define TIMED(out, ms, mib, ...) timed(out, ms, mib, (const char *const[]){ __VA_ARGS__, NULL })

static int write_logs(struct learn *l)
{
	uint64_t seed = l->b->seed, n;
	int r;

	r = bench_maillog_write(l->log, seed, LINES, &l->events);
	if (r == 0)
		r = bench_maillog_write(l->log_short, seed, LINES_SHORT, &n);
	if (r == 0)
		r = bench_maillog_write(l->slice, seed, LINES_FAIL2BAN, &n);
	if (r == 0)
		r = bench_maillog_write(l->one, seed, 1, &n);
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", l->b->dir, strerror(-r));
	return r;
}

static int count_lines(const char *path, uint64_t *n)
{
	_fclose_ FILE *f = fopen(path, "re");
	char block[65536];
	size_t len;

	if (!f)
		return -errno;
	*n = 0;
	while ((len = fread(block, 1, sizeof(block), f)))
		for (size_t i = 0; i < len; i++)
			*n += block[i] == '\n';
	return 0;
}

/* Every event of the log, once. */
static int right(struct learn *l)
{
	uint64_t n = 0;
	int r;

	r = TIMED(l->out, NULL, NULL, l->command, "learn", "--dry-run", "--json", l->log);
	if (r == 0)
		r = count_lines(l->out, &n);
	if (r == 0 && n != l->events) {
		fprintf(stderr, "bench: learn found %llu events, the log has %llu\n",
			(unsigned long long)n, (unsigned long long)l->events);
		r = -EIO;
	}
	return r;
}

static int rounds(struct learn *l)
{
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < l->b->rounds; i++) {
		r = TIMED(l->out, &l->own[i], &l->peak_mib, l->command, "learn", "--dry-run",
			  l->log);
		if (r == 0)
			r = TIMED("/dev/null", &l->json[i], NULL, l->command, "learn", "--dry-run",
				  "--json", l->log);
		/* into a file: into /dev/null grep ends with the first match */
		if (r == 0)
			r = TIMED(l->out, &l->grep_utf8[i], NULL, "env", "LC_ALL=C.UTF-8", "grep",
				  "-cE", PATTERN, l->log);
		if (r == 0)
			r = TIMED(l->out, &l->grep_c[i], NULL, "env", "LC_ALL=C", "grep", "-cE",
				  PATTERN, l->log);
	}
	return r;
}

static int memory(struct learn *l)
{
	uint64_t n;
	int r = TIMED("/dev/null", NULL, &l->peak_short_mib, l->command, "learn", "--dry-run",
		      l->log_short);

	if (r == 0)
		r = bench_maillog_write(l->log_long, l->b->seed, LINES_LONG, &n);
	if (r == 0)
		r = TIMED("/dev/null", NULL, &l->peak_long_mib, l->command, "learn", "--dry-run",
			  l->log_long);
	unlink(l->log_long);
	return r;
}

/* us a line; 0: not installed. */
static int fail2ban(struct learn *l, double *us)
{
	double all, start;
	int r;

	*us = 0;
	if (l->b->no_others || access(FILTER, R_OK) < 0)
		return 0;
	r = TIMED(l->out, &start, NULL, "fail2ban-regex", l->one, FILTER);
	if (r == 0)
		r = TIMED(l->out, &all, NULL, "fail2ban-regex", l->slice, FILTER);
	if (r == 0)
		*us = (all - start) * 1000 / (LINES_FAIL2BAN - 1);
	return r == -ENOENT ? 0 : r;
}

static void report(struct learn *l, double f2b)
{
	struct bench *b = l->b;
	double own = bench_median(l->own, b->rounds) * 1000 / LINES; /* us a line */
	double json = bench_median(l->json, b->rounds) * 1000 / LINES;
	double grep_utf8 = bench_median(l->grep_utf8, b->rounds) * 1000 / LINES;
	double grep_c = bench_median(l->grep_c, b->rounds) * 1000 / LINES;

	printf("  %-28s %10s %14s %8s\n", "", "us a line", "lines a second", "ratio");
	printf("  %-28s %10.3f %14.0f %8.2f\n", "mailreeve learn --dry-run", own, 1e6 / own, 1.0);
	printf("  %-28s %10.3f %14.0f %8.2f\n", "the same as JSON", json, 1e6 / json, json / own);
	printf("  %-28s %10.3f %14.0f %8.2f\n", "grep -cE, LC_ALL=C.UTF-8", grep_utf8,
	       1e6 / grep_utf8, grep_utf8 / own);
	printf("  %-28s %10.3f %14.0f %8.2f\n", "grep -cE, LC_ALL=C", grep_c, 1e6 / grep_c,
	       grep_c / own);
	printf("  %-28s %10.3f %14.0f %8.2f\n", "pop-before-smtp, as known", POP_BEFORE_SMTP,
	       1e6 / POP_BEFORE_SMTP, POP_BEFORE_SMTP / own);
	if (f2b > 0)
		printf("  %-28s %10.3f %14.0f %8.2f\n", "fail2ban-regex, dovecot", f2b, 1e6 / f2b,
		       f2b / own);
	printf("  peak memory %.1f MiB; %.1f MiB with %d lines, %.1f MiB with %d\n", l->peak_mib,
	       l->peak_short_mib, LINES_SHORT, l->peak_long_mib, LINES_LONG);
	json_object_set_new(b->json, "learn",
			    json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
				      "mailreeve_us", own, "mailreeve_json_us", json, "grep_us",
				      grep_utf8, "grep_c_us", grep_c, "pop_before_smtp_us",
				      POP_BEFORE_SMTP, "fail2ban_us", f2b, "peak_mib", l->peak_mib,
				      "peak_short_mib", l->peak_short_mib, "peak_long_mib",
				      l->peak_long_mib));
	bench_bar(b, "learn --dry-run, grep -cE takes", grep_utf8 / own, 1, true, "x");
	bench_bar(b, "learn --dry-run, grep -cE with LC_ALL=C takes", grep_c / own, 1, true, "x");
	bench_bar(b, "learn --dry-run, pop-before-smtp takes", POP_BEFORE_SMTP / own, 60, true,
		  "x");
	if (f2b > 0)
		bench_bar(b, "learn --dry-run, fail2ban-regex takes", f2b / own, 40, true, "x");
	else
		bench_bar_missing(b, "learn --dry-run against fail2ban-regex",
				  "fail2ban is not installed, or left out");
	bench_bar(b, "learn --dry-run, memory of thirty times the lines",
		  l->peak_long_mib / l->peak_short_mib, 1.25, false, "x");
	bench_bar(b, "learn --dry-run, memory", l->peak_long_mib, 20, false, "MiB");
}

int bench_learn(struct bench *b)
{
	struct learn l = { .b = b };
	double f2b = 0;
	cpu_set_t pinned;
	int r;

	/* the programs timed here may use the whole machine */
	if (bench_unpin(b, &pinned) < 0)
		return -errno;

	printf("\nA mail log of %d lines\n", LINES);
	snprintf(l.command, sizeof(l.command), "%s/mailreeve", b->build);
	snprintf(l.log, sizeof(l.log), "%s/mail.log", b->dir);
	snprintf(l.log_short, sizeof(l.log_short), "%s/short.log", b->dir);
	snprintf(l.log_long, sizeof(l.log_long), "%s/long.log", b->dir);
	snprintf(l.slice, sizeof(l.slice), "%s/slice.log", b->dir);
	snprintf(l.one, sizeof(l.one), "%s/one.log", b->dir);
	snprintf(l.out, sizeof(l.out), "%s/out", b->dir);
	r = write_logs(&l);
	if (r == 0)
		r = right(&l);
	if (r == 0)
		r = rounds(&l);
	if (r == 0)
		r = memory(&l);
	if (r == 0)
		r = fail2ban(&l, &f2b);
	if (r == 0)
		report(&l, f2b);
	else
		bench_bar_missing(b, "learn --dry-run", "the measurement failed");
	unlink(l.log);
	unlink(l.out);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
