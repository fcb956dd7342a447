// SPDX-License-Identifier: BSD-2-Clause
/*
 * _latency.c - from a line in a log to a packet that passes.
 *
 * The real daemon follows a file into which 20,000 lines a second of the usual mix are written, in
 * batches of a millisecond.  In between stands a login of a stranger now and then; the time from
 * the write of that line until a SYN of his passes the very program that filters the device
 * (BPF_PROG_TEST_RUN) is the latency.  Called by bench.c; messages on standard error.
 */
#include "_daemon.h"
#include "_maillog.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mailreeve/kernel.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define RATE	     20000 /* lines a second */
#define BATCH_MS     1
#define PROBE_MS     10 /* between two strangers */
#define PROBES	     1000
#define PROBES_QUICK 200
#define LATE_MS	     2000 /* a stranger who is let in after this never was */
#define POLL_NS	     10000 /* between two looks at the packet */
#define SRC_AT	     26 /* of the source address in an Ethernet frame with IPv4 */
#define SUBMISSION   587

struct latency {
	struct bench *b;
	struct bench_daemon daemon;
	char log[128];
	int fd; /* of the log */
	int prog; /* what filters the device */
	double ms[PROBES];
	size_t probes, lost;
};

static void nap(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* --- a line, then a packet -------------------------------------------------------------------- */

static int find_program(struct latency *l, struct mr_error *e)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = NULL;
	_free_ struct mr_attachment *list = NULL;
	char pins[128];
	size_t n = 0;
	int r;

	snprintf(pins, sizeof(pins), "%s/pins", l->daemon.dir);
	r = mr_kernel_open_pins(pins, &k, e);
	if (r == 0)
		r = mr_attach_list(k, &list, &n);
	if (r == 0 && n != 1)
		r = mr_error(e, -ENODEV, "%zu devices are guarded, not one", n);
	if (r < 0)
		return r;
	l->prog = bpf_prog_get_fd_by_id(list[0].prog_id);
	return l->prog < 0 ? mr_error(e, -errno, "the program cannot be opened: %m") : 0;
}

static int passes(struct latency *l, uint8_t *frame, size_t len, bool *yes)
{
	uint32_t verdict = XDP_ABORTED;
	double ns;
	int r = bench_test_run(l->prog, frame, len, 1, &ns, &verdict);

	*yes = verdict == XDP_PASS;
	return r;
}

/* Writes what is due by now. */
static int keep_up(struct latency *l, struct bench_maillog *m, double from)
{
	static const unsigned int batch = RATE * BATCH_MS / 1000;
	char text[RATE * BATCH_MS / 1000 * BENCH_LOG_LINE];
	uint64_t due = (uint64_t)((bench_now_ms() - from) * RATE / 1000);
	int r = 0;

	while (r == 0 && m->line + batch <= due) {
		time_t now = time(NULL);
		size_t n = 0;

		for (unsigned int i = 0; i < batch; i++)
			n += bench_maillog_line(m, now, text + n);
		r = write_all(l->fd, text, n);
	}
	return r;
}

/* One stranger: shut out, logs in, is let in. */
static int probe(struct latency *l, struct bench_maillog *m, double from, unsigned int number)
{
	uint8_t frame[BENCH_FRAME_MAX];
	char line[BENCH_LOG_LINE], user[32], text[INET_ADDRSTRLEN];
	size_t len = bench_frame(false, SUBMISSION, frame), n;
	/* 172.16.0.0/12: none of the other lines' */
	uint32_t address = htonl(0xac100000u + number * 257u + 1);
	double written;
	bool yes;
	int r;

	memcpy(frame + SRC_AT, &address, sizeof(address));
	inet_ntop(AF_INET, &address, text, sizeof(text));
	snprintf(user, sizeof(user), "probe%u", number);
	r = passes(l, frame, len, &yes);
	if (r == 0 && yes)
		return -EPROTO;
	n = bench_maillog_login(time(NULL), user, text, line);
	written = bench_now_ms();
	if (r == 0)
		r = write_all(l->fd, line, n);
	while (r == 0 && !yes && bench_now_ms() - written < LATE_MS) {
		r = keep_up(l, m, from);
		nap(POLL_NS);
		if (r == 0)
			r = passes(l, frame, len, &yes);
	}
	if (r == 0 && yes)
		l->ms[l->probes++] = bench_now_ms() - written;
	l->lost += !yes;
	return r;
}

static int measure_latency(struct latency *l)
{
	struct bench_maillog m = { .rng = l->b->seed };
	unsigned int want = l->b->quick ? PROBES_QUICK : PROBES;
	double from = bench_now_ms(), next = from + 500; /* a start for the daemon's caches */
	int r = 0;

	prctl(PR_SET_TIMERSLACK, 1UL);
	for (unsigned int i = 0; r == 0 && i < want; next += PROBE_MS) {
		while (r == 0 && bench_now_ms() < next) {
			r = keep_up(l, &m, from);
			nap(BATCH_MS * 100000L);
		}
		if (r == 0)
			r = probe(l, &m, from, i++);
		if (next < bench_now_ms() - 10 * PROBE_MS)
			next = bench_now_ms();
	}
	if (r < 0)
		return r;
	printf("  %llu lines in %.1f s\n", (unsigned long long)m.line,
	       (bench_now_ms() - from) / 1000);
	return 0;
}

static void report_latency(struct latency *l)
{
	struct bench *b = l->b;
	double p50, p99, worst;

	if (l->lost || !l->probes) {
		printf("  %zu of %zu strangers were not let in within %d ms\n", l->lost,
		       l->probes + l->lost, LATE_MS);
		bench_bar_missing(b, "line to packet", "not every line was followed by a permit");
		return;
	}
	p50 = bench_percentile(l->ms, l->probes, 0.5);
	p99 = bench_percentile(l->ms, l->probes, 0.99);
	worst = bench_percentile(l->ms, l->probes, 1);
	printf("  line to packet, %zu times: median %.3f ms, p99 %.3f ms, worst %.3f ms\n",
	       l->probes, p50, p99, worst);
	json_object_set_new(b->json, "line_to_packet",
			    json_pack("{s:f, s:f, s:f, s:i}", "median_ms", p50, "p99_ms", p99,
				      "worst_ms", worst, "lines_a_second", RATE));
	bench_bar(b, "line to packet, 20,000 lines a second, median", p50, 1, false, "ms");
	bench_bar(b, "line to packet, 20,000 lines a second, p99", p99, 5, false, "ms");
}

/* --- all of it -------------------------------------------------------------------------------- */

static int start(struct latency *l, struct mr_error *e)
{
	char config[512];
	int r = bench_daemon_new(l->b, "latency", 4, &l->daemon, e);

	if (r < 0)
		return r;
	snprintf(l->log, sizeof(l->log), "%s/mail.log", l->daemon.dir);
	l->fd = open(l->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (l->fd < 0)
		return mr_error(e, -errno, "%s: %m", l->log);
	snprintf(config, sizeof(config),
		 "interface r0;\nservice smtp { allow any; }\n"
		 "service submission { allow permitted; }\nservice imap { allow any; }\n"
		 "permit { ttl 30m; max 1048576; }\nban { on failure 5 in 10m; }\n"
		 "learn { file \"%s\"; }\n",
		 l->log);
	r = bench_daemon_config(&l->daemon, config);
	return r < 0 ? mr_error(e, r, "%s: %s", l->daemon.dir, strerror(-r))
		     : bench_daemon_start(&l->daemon);
}

static void stop(struct latency *l)
{
	bench_daemon_clear(&l->daemon);
	mr_closep(&l->fd);
	mr_closep(&l->prog);
	l->fd = l->prog = -EBADF;
}

int bench_latency(struct bench *b)
{
	struct latency l = { .b = b, .daemon.wire.ns = -EBADF, .fd = -EBADF, .prog = -EBADF };
	struct mr_error e = { "" };
	cpu_set_t pinned;
	int r;

	if (bench_unpin(b, &pinned) < 0)
		return -errno;
	printf("\nFrom a log line to a packet, while %d lines a second arrive\n", RATE);
	r = start(&l, &e);
	if (r == 0)
		r = find_program(&l, &e);
	if (r == 0)
		r = measure_latency(&l);
	if (r == 0)
		report_latency(&l);
	else
		bench_bar_missing(b, "line to packet", *e.text ? e.text : strerror(-r));
	stop(&l);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
