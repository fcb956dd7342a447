// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.c - the benchmark: what a refused frame, a passed frame and an apply cost.
 *
 * Root only; everything happens in network namespaces and a mount namespace of its own, and goes
 * with the process.  Prints tables with ratios, writes JSON, judges the bars.  Exit status 0: all
 * was measured, whatever came out; 1: something could not be measured; 2: usage.
 */
#include "_bench.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#define ROUNDS	     9
#define ROUNDS_QUICK 3
#define FRAMES	     262144 /* in one measurement: 0.1 to 0.7 s */
#define FRAMES_QUICK 65536

static const struct {
	const char *name;
	int (*run)(struct bench *b);
} parts[] = {
	{ "drop", bench_drop },	  { "pass", bench_pass },	{ "apply", bench_apply },
	{ "learn", bench_learn }, { "latency", bench_latency }, { "stall", bench_stall },
	{ "ask", bench_ask },
};

static int usage(void)
{
	fprintf(stderr, "usage: bench [--quick] [--only PART] [--no-others] [--list NAME] "
			"[--own] [--seed N] [--build DIR] [--json FILE]\n");
	return 2;
}

/* Pins and lock files of the programs under test stay in here. */
static int private_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
		return -errno;
	return 0;
}

/* One CPU for sender and receiver: the last one this process may use. */
static int pin(struct bench *b)
{
	cpu_set_t one;

	if (sched_getaffinity(0, sizeof(b->cpus), &b->cpus) < 0)
		return -errno;
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &b->cpus))
			b->cpu = i;
	CPU_SET(b->cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
}

static void describe(struct bench *b)
{
	char model[128] = "unknown", line[256];
	_fclose_ FILE *f = fopen("/proc/cpuinfo", "re");
	struct utsname u;

	uname(&u);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %127[^\n]", model) == 1)
			break;
	printf("%s, %ld CPUs, Linux %s; %u rounds, medians; %u frames a measurement, CPU %d\n\n",
	       model, sysconf(_SC_NPROCESSORS_ONLN), u.release, b->rounds, b->frames, b->cpu);
	json_object_set_new(b->json, "machine",
			    json_pack("{s:s, s:i, s:s}", "cpu", model, "cpus",
				      (int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release));
	json_object_set_new(b->json, "rounds", json_integer(b->rounds));
	json_object_set_new(b->json, "frames", json_integer(b->frames));
	json_object_set_new(b->json, "seed", json_integer((json_int_t)b->seed));
}

static int set_up(struct bench *b, struct mr_error *e)
{
	int r;

	r = private_mounts();
	if (r < 0)
		return mr_error(e, r, "no mount namespace of its own: %s (needs root)",
				strerror(-r));
	strcpy(b->dir, "/run/bench");
	r = mr_mkdirs(b->dir, 0700);
	if (r == 0)
		r = pin(b);
	b->home_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (r == 0 && b->home_ns < 0)
		r = -errno;
	if (r == 0)
		r = bench_ns_new(&b->gen_ns);
	if (r < 0)
		return mr_error(e, r, "setting up: %s", strerror(-r));
	/* no router solicitations between the frames that are counted */
	r = BENCH_RUN(b->gen_ns, NULL, 0, e, "sysctl", "-q", "-w",
		      "net.ipv6.conf.default.disable_ipv6=1");
	return r < 0 ? r : bench_bpf_open(b, e);
}

static int parse(int argc, char **argv, struct bench *b, const char **only, const char **json)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "only", required_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 's' },
		{ "json", required_argument, NULL, 'j' },
		{ "build", required_argument, NULL, 'b' },
		{ "list", required_argument, NULL, 'l' },
		{ "own", no_argument, NULL, 'm' },
		{ "no-others", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'q')
			b->quick = true;
		else if (c == 'o')
			*only = optarg;
		else if (c == 's')
			b->seed = strtoull(optarg, NULL, 10);
		else if (c == 'j')
			*json = optarg;
		else if (c == 'b')
			b->build = optarg;
		else if (c == 'l')
			b->list = optarg;
		else if (c == 'm')
			b->own = true;
		else if (c == 'n')
			b->no_others = true;
		else
			return -EINVAL;
	}
	if (optind < argc)
		return -EINVAL;
	b->rounds = b->quick ? ROUNDS_QUICK : ROUNDS;
	b->frames = b->quick ? FRAMES_QUICK : FRAMES;
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = { .seed = 1, .build = "build", .home_ns = -EBADF, .gen_ns = -EBADF };
	const char *only = NULL, *json = NULL;
	struct mr_error e = { "" };
	int failed = 0, ran = 0;

	if (parse(argc, argv, &b, &only, &json) < 0)
		return usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	b.json = json_object();
	b.bars = json_array();
	if (set_up(&b, &e) < 0) {
		fprintf(stderr, "bench: %s\n", e.text);
		return 1;
	}
	describe(&b);
	for (size_t i = 0; i < MR_ARRAY_SIZE(parts); i++) {
		if (only && strcmp(only, parts[i].name) != 0)
			continue;
		ran++;
		failed |= parts[i].run(&b) < 0;
	}
	if (!ran)
		return usage();
	bench_bars_print(&b);
	json_object_set(b.json, "bars", b.bars);
	if (json && json_dump_file(b.json, json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) < 0) {
		fprintf(stderr, "bench: %s: cannot be written\n", json);
		failed = 1;
	}
	bench_bpf_close(&b);
	json_decref(b.bars);
	json_decref(b.json);
	return failed ? 1 : 0;
}
