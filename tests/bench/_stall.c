// SPDX-License-Identifier: BSD-2-Clause
/*
 * _stall.c - how long the daemon's event loop stands while a million entries come, go, and change.
 *
 * The real daemon with a million permits, half of them IPv6, learned from one log with one time
 * stamp, so that all end at once; then a storm that fills the map of bans.  Throughout, Status is
 * called every 10 ms: the longest answer is the longest that anybody waited.  On a busy machine
 * much of that is waiting for a CPU, which /proc tells; the bars judge what is left.  Beside it
 * stands the longest turn of the loop, as the daemon itself has measured it.  Called by bench.c;
 * messages on standard error.
 */
#include "_daemon.h"
#include "_maillog.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mailreeve/bus.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define ENTRIES	       1000000
#define ENTRIES_QUICK  200000
#define STORM	       300000 /* strangers: more than the bans that there is room for */
#define BANS_MAX       262144
#define TTL_S	       90 /* of the permits: more than it takes to learn them, and to save them once */
#define STATUS_MS      10 /* between two questions */
#define STATUS_TIMEOUT 10000000 /* us */
#define GIVE_UP_MS     300000
#define TAIL_MS	       1000 /* watched after a command is done: its steps may go on */
#define BAR_MS	       20

struct phase {
	const char *name;
	double longest, waited_less, turn; /* ms: of Status; without waits for a CPU; of the loop */
	double spent;
	bool done;
};
struct stall {
	struct bench *b;
	struct bench_daemon daemon;
	sd_bus *bus;
	char log[128];
	unsigned int n;
	double ends; /* when the permits do, ms */
	uint64_t permits, bans_made; /* as Status told last */
	struct phase phase[8];
	size_t phases;
};

static void nap(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

/* --- Status ----------------------------------------------------------------------------------- */

static int bus_open(struct stall *s, sd_bus **out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
	int fd, r;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/run/" MR_BUS_SOCKET, s->daemon.dir);
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

/* ms that a process's first thread has waited for a CPU. */
static double waited(pid_t pid)
{
	unsigned long long ran = 0, wait = 0;
	_fclose_ FILE *f = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu %llu", &ran, &wait) != 2)
		return 0;
	return (double)wait / 1e6;
}

static int call_status(struct stall *s, json_t **out)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *text;
	int r;

	r = sd_bus_message_new_method_call(s->bus, &m, NULL, MR_BUS_PATH, MR_BUS_INTERFACE,
					   "Status");
	if (r >= 0)
		r = sd_bus_call(s->bus, m, STATUS_TIMEOUT, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	if (r >= 0)
		*out = json_loads(text, 0, NULL);
	return r < 0 ? r : *out ? 0 : -EPROTO;
}

static json_int_t number(json_t *o, const char *a, const char *b)
{
	return json_integer_value(json_object_get(json_object_get(o, a), b));
}

static void larger(double *a, double b)
{
	if (b > *a)
		*a = b;
}

static int ask(struct stall *s, struct phase *p)
{
	pid_t pid = s->daemon.pid;
	double wait = waited(pid) + waited(getpid()), from = bench_now_ms(), ms;
	json_t *o = NULL;
	int r = call_status(s, &o);

	ms = bench_now_ms() - from;
	wait = waited(pid) + waited(getpid()) - wait;
	if (r < 0)
		return r;
	larger(&p->longest, ms);
	larger(&p->waited_less, ms - wait);
	larger(&p->turn,
	       1000 * json_number_value(json_object_get(json_object_get(o, "loop"), "recent")));
	s->permits = (uint64_t)number(o, "permits", "live");
	s->bans_made = (uint64_t)number(o, "learn", "bans");
	json_decref(o);
	return 0;
}

/* Asks until `done` says so. */
static int watch(struct stall *s, const char *name, bool (*done)(struct stall *s, void *userdata),
		 void *userdata)
{
	struct phase *p = &s->phase[s->phases++];
	double from = bench_now_ms(), next = from;
	int r = 0;

	p->name = name;
	while (r == 0 && !p->done && bench_now_ms() - from < GIVE_UP_MS) {
		r = ask(s, p);
		p->done = r == 0 && done(s, userdata);
		p->spent = bench_now_ms() - from;
		next += STATUS_MS;
		while (r == 0 && bench_now_ms() < next)
			nap(500000);
		next = next < bench_now_ms() - STATUS_MS ? bench_now_ms() : next;
	}
	return r;
}

/* --- what happens meanwhile ------------------------------------------------------------------- */

struct command {
	pid_t pid;
	int status;
	double ended; /* 0: runs */
};

static int begin(struct stall *s, struct command *c, const char *const words[])
{
	const char *argv[8] = { s->daemon.command, "--runtime-dir", NULL };
	char run[128];
	size_t n = 3;
	int fd;

	snprintf(run, sizeof(run), "%s/run", s->daemon.dir);
	argv[2] = run;
	while (*words && n + 1 < MR_ARRAY_SIZE(argv))
		argv[n++] = *words++;
	argv[n] = NULL;
	*c = (struct command){ .pid = fork() };
	if (c->pid == 0) {
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && dup2(fd, 1) == 1)
			execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return c->pid < 0 ? -errno : 0;
}

static bool command_done(struct stall *s _unused_, void *userdata)
{
	struct command *c = userdata;

	if (!c->ended && waitpid(c->pid, &c->status, WNOHANG) == c->pid)
		c->ended = bench_now_ms();
	return c->ended > 0 && bench_now_ms() >= c->ended + TAIL_MS;
}

static int watch_command(struct stall *s, const char *name, const char *const words[])
{
	struct command c;
	int r = begin(s, &c, words);

	if (r == 0)
		r = watch(s, name, command_done, &c);
	if (r == 0 && c.status != 0) {
		fprintf(stderr, "bench: mailreeve %s failed\n", words[0]);
		r = -EIO;
	}
	return r;
}
#define WATCH_COMMAND(s, name, ...) \
	watch_command(s, name, (const char *const[]){ __VA_ARGS__, NULL })

static bool all_came(struct stall *s, void *userdata _unused_)
{
	return s->permits >= s->n;
}

static bool all_gone(struct stall *s, void *userdata _unused_)
{
	return s->permits == 0;
}

static bool storm_over(struct stall *s, void *userdata _unused_)
{
	return s->bans_made >= STORM;
}

static int configure(struct stall *s, const char *top, const char *permit)
{
	char config[768];
	int r;

	snprintf(config, sizeof(config),
		 "interface r0;\n%sservice smtp { allow any; }\n"
		 "service submission { allow permitted; }\nservice imap { allow any; }\n"
		 "permit { ttl %ds; max 2097152; %s}\n"
		 "ban { ttl 1h; on failure 1 in 10m; max %d; }\nlearn { file \"%s\"; }\n",
		 top, TTL_S, permit, BANS_MAX, s->log);
	r = bench_daemon_config(&s->daemon, config);
	return r;
}

static void million_line(unsigned int i, time_t now, char *line)
{
	char user[32], address[INET6_ADDRSTRLEN];
	/* an odd factor: every address once, in no order */
	uint32_t a = htonl(10u << 24 | ((i * 2654435761u) & 0xffffff));

	if (i % 2)
		snprintf(address, sizeof(address), "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
	else
		inet_ntop(AF_INET, &a, address, sizeof(address));
	snprintf(user, sizeof(user), "user%u@example.com", i / 8);
	bench_maillog_login(now, user, address, line);
}

static void storm_line(unsigned int i, time_t now, char *line)
{
	struct tm tm;
	size_t n;

	localtime_r(&now, &tm);
	n = strftime(line, BENCH_LOG_LINE, "%b %e %H:%M:%S mx1 ", &tm);
	snprintf(line + n, BENCH_LOG_LINE - n,
		 "dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in "
		 "2 secs): user=<x%u>, method=PLAIN, rip=172.%u.%u.%u, lip=192.0.2.1, TLS, "
		 "session=<S%u>\n",
		 i, 16 + (i >> 16), i >> 8 & 255, i & 255, i);
}

/* All of it is there at one moment: what the daemon follows becomes another file. */
static int write_log(struct stall *s, unsigned int n,
		     void (*make)(unsigned int i, time_t now, char *line))
{
	char spool[160], line[BENCH_LOG_LINE];
	time_t now = time(NULL);
	FILE *f;
	int r = 0;

	snprintf(spool, sizeof(spool), "%s/spool", s->daemon.dir);
	f = fopen(spool, "we");
	if (!f)
		return -errno;
	setvbuf(f, NULL, _IOFBF, 1 << 20);
	for (unsigned int i = 0; i < n && r == 0; i++) {
		make(i, now, line);
		r = fputs(line, f) < 0 ? -EIO : 0;
	}
	if (fclose(f) != 0 || r < 0)
		return -EIO;
	s->ends = bench_now_ms() + (double)(TTL_S - (time(NULL) - now)) * 1000;
	return rename(spool, s->log) < 0 ? -errno : 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int changes(struct stall *s)
{
	int r = WATCH_COMMAND(s, "are listed", "permit", "list", "--json");

	if (r == 0)
		r = configure(s, "set more { 192.0.2.0/24; }\n", "");
	if (r == 0)
		r = WATCH_COMMAND(s, "outlive an apply", "apply");
	if (r == 0)
		r = configure(s, "", "ipv6-prefix 64; ");
	if (r == 0)
		r = WATCH_COMMAND(s, "get other keys", "apply");
	if (r == 0)
		r = configure(s, "proxies { 10.1.0.0/16; }\n", "ipv6-prefix 64; ");
	return r < 0 ? r : WATCH_COMMAND(s, "end in part: proxies", "apply");
}

static int measure(struct stall *s)
{
	int r = write_log(s, s->n, million_line);

	if (r == 0)
		r = watch(s, "come", all_came, NULL);
	if (r == 0)
		r = changes(s);
	if (r == 0)
		r = watch(s, "are saved, and go", all_gone, NULL);
	if (r == 0)
		printf("  the last permit was gone %.1f s after its end\n",
		       (bench_now_ms() - s->ends) / 1000);
	if (r == 0)
		r = write_log(s, STORM, storm_line);
	return r < 0 ? r : watch(s, "are gone: a storm of bans", storm_over, NULL);
}

static void report(struct stall *s)
{
	json_t *all = json_object();

	printf("  %-28s %9s %9s %9s %9s\n", "", "Status", "on a CPU", "loop", "took");
	for (size_t i = 0; i < s->phases; i++) {
		const struct phase *p = &s->phase[i];
		char what[96];

		printf("  %-28s %6.1f ms %6.1f ms %6.1f ms %7.1f s%s\n", p->name, p->longest,
		       p->waited_less, p->turn, p->spent / 1000, p->done ? "" : "  NOT DONE");
		json_object_set_new(all, p->name,
				    json_pack("{s:f, s:f, s:f, s:f}", "longest_ms", p->longest,
					      "on_cpu_ms", p->waited_less, "turn_ms", p->turn,
					      "spent_ms", p->spent));
		snprintf(what, sizeof(what), "longest stall on a CPU while %u permits %s", s->n,
			 p->name);
		if (p->done)
			bench_bar(s->b, what, p->waited_less, BAR_MS, false, "ms");
		else
			bench_bar_missing(s->b, what, "it did not come to its end");
	}
	printf("  daemon's peak %.0f MiB\n", bench_daemon_peak_mib(&s->daemon));
	json_object_set_new(s->b->json, "stall", all);
}

int bench_stall(struct bench *b)
{
	struct stall s = { .b = b, .daemon.wire.ns = -EBADF };
	struct mr_error e = { "" };
	cpu_set_t pinned;
	int r;

	if (bench_unpin(b, &pinned) < 0)
		return -errno;
	s.n = b->quick ? ENTRIES_QUICK : ENTRIES;
	printf("\n%u permits come, change and go at once; the longest that anybody waited\n", s.n);
	r = bench_daemon_new(b, "stall", 5, &s.daemon, &e);
	snprintf(s.log, sizeof(s.log), "%s/mail.log", s.daemon.dir);
	if (r == 0)
		r = mr_write_file(s.log, "", 0, 0644);
	if (r == 0)
		r = configure(&s, "", "");
	if (r == 0)
		r = bench_daemon_start(&s.daemon);
	if (r == 0)
		r = bus_open(&s, &s.bus);
	if (r == 0)
		r = measure(&s);
	if (r == 0)
		report(&s);
	else
		bench_bar_missing(b, "longest stall", *e.text ? e.text : strerror(-r));
	sd_bus_flush_close_unref(s.bus);
	bench_daemon_clear(&s.daemon);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
