// SPDX-License-Identifier: BSD-2-Clause
/*
 * _latency.c - from a line in a log to a packet that passes, and how long the event loop stands.
 *
 * The real daemon follows a file into which 20,000 lines a second of the usual mix are written, in
 * batches of a millisecond.  In between stands a login of a stranger now and then; the time from
 * the write of that line until a SYN of his passes the very program that filters the device
 * (BPF_PROG_TEST_RUN) is the latency.  Then a million logins are written at once, with one time
 * stamp, so that all permits also end at once; meanwhile Status is called at fixed intervals, and
 * the longest answer is the longest stall.  Called by bench.c; messages on standard error.
 */
#include "_daemon.h"
#include "_maillog.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <mailreeve/bus.h>
#include <mailreeve/kernel.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define RATE	       20000 /* lines a second */
#define BATCH_MS       1
#define PROBE_MS       10 /* between two strangers */
#define PROBES	       1000
#define PROBES_QUICK   200
#define LATE_MS	       2000 /* a stranger who is let in after this never was */
#define POLL_NS	       10000 /* between two looks at the packet */
#define SRC_AT	       26 /* of the source address in an Ethernet frame with IPv4 */
#define SUBMISSION     587
#define ENTRIES	       1000000
#define ENTRIES_QUICK  200000
#define TTL_S	       40 /* of the million's permits: more than it takes to write and learn them */
#define STATUS_MS      10 /* between two questions */
#define STATUS_TIMEOUT 10000000 /* us */
#define GIVE_UP_MS     300000

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

/* --- a million permits come and go ------------------------------------------------------------ */

static int bus_open(struct latency *l, sd_bus **out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
	int fd, r;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/" MR_BUS_SOCKET, l->daemon.dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_fd(bus, fd, fd);
	if (r < 0)
		close(fd);
	else
		r = sd_bus_start(bus);
	if (r >= 0)
		*out = MR_TAKE_PTR(bus);
	return r < 0 ? r : 0;
}

/* One Status; how long its answer took, and how many permits there are. */
static int ask_status(sd_bus *bus, double *ms, uint64_t *permits)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	json_t *s = NULL;
	const char *text;
	double from = bench_now_ms();
	int r;

	r = sd_bus_message_new_method_call(bus, &m, NULL, MR_BUS_PATH, MR_BUS_INTERFACE, "Status");
	if (r >= 0)
		r = sd_bus_call(bus, m, STATUS_TIMEOUT, &error, &reply);
	*ms = bench_now_ms() - from;
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	if (r >= 0)
		s = json_loads(text, 0, NULL);
	if (r >= 0 && !s)
		r = -EPROTO;
	if (r >= 0)
		*permits = (uint64_t)json_integer_value(
			json_object_get(json_object_get(s, "permits"), "live"));
	json_decref(s);
	return r < 0 ? r : 0;
}

static int write_million(const char *path, unsigned int n)
{
	_fclose_ FILE *f = fopen(path, "ae");
	char line[BENCH_LOG_LINE], user[32], address[INET_ADDRSTRLEN];
	time_t now = time(NULL);

	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOFBF, 1 << 20);
	for (unsigned int i = 0; i < n; i++) {
		/* an odd factor: every address once, in no order */
		uint32_t a = htonl(10u << 24 | ((i * 2654435761u) & 0xffffff));
		size_t len;

		inet_ntop(AF_INET, &a, address, sizeof(address));
		snprintf(user, sizeof(user), "user%u@example.com", i / 8);
		len = bench_maillog_login(now, user, address, line);
		if (fwrite(line, 1, len, f) != len)
			return -EIO;
	}
	return fflush(f) == 0 ? 0 : -EIO;
}

struct stall {
	double longest, spent; /* ms */
	uint64_t permits; /* at the end of the phase */
	size_t asked;
	bool done;
};

/* Asks until there are `want` permits (rising), or none. */
static int watch(sd_bus *bus, bool rising, uint64_t want, struct stall *s)
{
	double from = bench_now_ms(), next = from, ms;
	int r = 0;

	while (r == 0 && !s->done && bench_now_ms() - from < GIVE_UP_MS) {
		r = ask_status(bus, &ms, &s->permits);
		s->asked++;
		if (ms > s->longest)
			s->longest = ms;
		s->done = rising ? s->permits >= want : s->permits == 0;
		s->spent = bench_now_ms() - from;
		next += STATUS_MS;
		while (r == 0 && bench_now_ms() < next)
			nap(500000);
		next = next < bench_now_ms() - STATUS_MS ? bench_now_ms() : next;
	}
	return r;
}

static int measure_stalls(struct latency *l)
{
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	unsigned int n = l->b->quick ? ENTRIES_QUICK : ENTRIES;
	struct stall in = { 0 }, out = { 0 }, idle = { 0 };
	char spool[160];
	int r;

	snprintf(spool, sizeof(spool), "%s/million", l->daemon.dir);
	r = write_million(spool, n);
	if (r == 0)
		r = bus_open(l, &bus);
	for (int i = 0; r == 0 && i < 20; i++) {
		double ms;

		r = ask_status(bus, &ms, &idle.permits);
		idle.longest = ms > idle.longest ? ms : idle.longest;
	}
	if (r == 0 && rename(spool, l->log) < 0) /* all of it is there at one moment */
		r = -errno;
	if (r == 0)
		r = watch(bus, true, n, &in);
	if (r == 0 && in.done)
		r = watch(bus, false, 0, &out);
	if (r < 0)
		return r;
	printf("  %u permits learned in %.1f s; all at once they run out, the last is gone after "
	       "%.1f s\n"
	       "  Status every %d ms: longest answer %.1f ms idle, %.1f ms while they come, %.1f "
	       "ms "
	       "while "
	       "they go (%zu and %zu answers); daemon's peak %.0f MiB\n",
	       n, in.spent / 1000, out.spent / 1000, STATUS_MS, idle.longest, in.longest,
	       out.longest, in.asked, out.asked, bench_daemon_peak_mib(&l->daemon));
	json_object_set_new(l->b->json, "stall",
			    json_pack("{s:i, s:f, s:f, s:f, s:f}", "entries", (int)n, "learned_ms",
				      in.spent, "idle_ms", idle.longest, "coming_ms", in.longest,
				      "going_ms", out.longest));
	if (!in.done || !out.done) {
		printf("  %llu and %llu permits at the end of each phase\n",
		       (unsigned long long)in.permits, (unsigned long long)out.permits);
		bench_bar_missing(l->b, "longest stall", "the permits did not all come and go");
		return 0;
	}
	bench_bar(l->b, "longest stall while 1,000,000 permits come", in.longest, 20, false, "ms");
	bench_bar(l->b, "longest stall while 1,000,000 permits go", out.longest, 20, false, "ms");
	return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int start(struct latency *l, const char *name, unsigned int number, const char *ttl,
		 struct mr_error *e)
{
	char config[512];
	int r = bench_daemon_new(l->b, name, number, &l->daemon, e);

	if (r < 0)
		return r;
	snprintf(l->log, sizeof(l->log), "%s/mail.log", l->daemon.dir);
	l->fd = open(l->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (l->fd < 0)
		return mr_error(e, -errno, "%s: %m", l->log);
	snprintf(config, sizeof(config),
		 "interface r0;\nservice smtp { allow any; }\n"
		 "service submission { allow permitted; }\nservice imap { allow any; }\n"
		 "permit { ttl %s; max 1048576; }\nban { on failure 5 in 10m; }\n"
		 "learn { file \"%s\"; }\n",
		 ttl, l->log);
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

	if (sched_getaffinity(0, sizeof(pinned), &pinned) < 0 ||
	    sched_setaffinity(0, sizeof(b->cpus), &b->cpus) < 0)
		return -errno;
	printf("\nFrom a log line to a packet, while %d lines a second arrive\n", RATE);
	r = start(&l, "latency", 4, "30m", &e);
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

int bench_stall(struct bench *b)
{
	struct latency l = { .b = b, .daemon.wire.ns = -EBADF, .fd = -EBADF, .prog = -EBADF };
	struct mr_error e = { "" };
	cpu_set_t pinned;
	char ttl[16];
	int r;

	if (sched_getaffinity(0, sizeof(pinned), &pinned) < 0 ||
	    sched_setaffinity(0, sizeof(b->cpus), &b->cpus) < 0)
		return -errno;
	printf("\nPermits that come and go at once\n");
	snprintf(ttl, sizeof(ttl), "%ds", TTL_S);
	r = start(&l, "stall", 5, ttl, &e);
	if (r == 0)
		r = measure_stalls(&l);
	if (r < 0)
		bench_bar_missing(b, "longest stall", *e.text ? e.text : strerror(-r));
	stop(&l);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
