// SPDX-License-Identifier: BSD-2-Clause
/*
 * _apply.c - how long a million-prefix list takes from its text file to being enforced.
 *
 * The real daemon and the real command, in a namespace with a device: `mailreeve apply` from start
 * to end, against `nft -f` and `ipset restore` of the same prefixes.  Two lists take turns, so that
 * every apply replaces a million prefixes by a million others and the daemon's peak memory is that
 * of the worst case.  After each apply frames from the new list are sent over the device: not one
 * may arrive.  Called by bench.c; messages on standard error.
 */
#include "_daemon.h"

#include <mailreeve/kernel.h>
#include <sched.h>
#include <string.h>

#define PREFIXES     1000000
#define CHECK_FRAMES 1000 /* sent after each apply */
#define LISTS	     2

struct apply {
	struct bench *b;
	struct bench_list list[LISTS];
	struct bench_daemon daemon;
	double own[BENCH_ROUNDS_MAX], nft[BENCH_ROUNDS_MAX], ipset[BENCH_ROUNDS_MAX],
		split[BENCH_ROUNDS_MAX];
};

static int write_config(struct apply *a, int list)
{
	char config[512], which[128] = "";

	if (list >= 0)
		snprintf(which, sizeof(which),
			 "set list { file \"list%d.txt\"; }\nglobal { deny @list; }\n", list);
	snprintf(config, sizeof(config),
		 "interface r0;\n%sservice smtp { allow any; }\n"
		 "service submission { allow permitted; }\nservice imap { allow any; }\n",
		 which);
	return bench_daemon_config(&a->daemon, config);
}

/* Frames from a list: all refused, or (list -1) all let through. */
static int enforced(struct apply *a, int list)
{
	uint64_t before = 0, after = 0, want = list < 0 ? CHECK_FRAMES : 0;
	double ns;
	int r;

	r = bench_pool_from_list(a->b, &a->list[list < 0 ? 0 : list]);
	if (r == 0)
		r = bench_wire_arrived(&a->daemon.wire, &before);
	if (r == 0)
		r = bench_send(a->b, &a->daemon.wire, false, CHECK_FRAMES, &ns);
	if (r == 0)
		r = bench_wire_arrived(&a->daemon.wire, &after);
	if (r == 0 && after - before != want) {
		fprintf(stderr, "bench: after apply, of %d frames %llu passed, not %llu\n",
			CHECK_FRAMES, (unsigned long long)(after - before),
			(unsigned long long)want);
		r = -EIO;
	}
	return r;
}

static int timed_apply(struct apply *a, int list, double *ms)
{
	struct mr_error e;
	double from;
	int r = write_config(a, list);

	if (r < 0)
		return r;
	from = bench_now_ms();
	r = bench_daemon_command(&a->daemon, "apply", &e);
	*ms = bench_now_ms() - from;
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", e.text);
		bench_daemon_log(&a->daemon);
	}
	return r < 0 ? r : enforced(a, list);
}

/* --- the others ------------------------------------------------------------------------------- */

static int timed_nft(struct apply *a, int ns, int list, double *ms)
{
	struct mr_error e;
	char path[128];
	double from;
	int r;

	snprintf(path, sizeof(path), "%s/list%d.nft", a->daemon.dir, list);
	from = bench_now_ms();
	r = BENCH_RUN(ns, NULL, 0, &e, "nft", "-f", path);
	*ms = bench_now_ms() - from;
	if (r == 0)
		r = BENCH_RUN(ns, NULL, 0, &e, "nft", "flush", "ruleset");
	if (r < 0)
		fprintf(stderr, "bench: %s\n", e.text);
	return r;
}

static int timed_ipset(struct apply *a, int ns, int list, bool split, double *ms)
{
	struct mr_error e;
	char path[128];
	double from;
	int r;

	snprintf(path, sizeof(path), "%s/list%d.%s", a->daemon.dir, list,
		 split ? "split" : "ipset");
	from = bench_now_ms();
	r = BENCH_RUN(ns, NULL, 0, &e, "ipset", "-file", path, "restore");
	*ms = bench_now_ms() - from;
	if (r == 0)
		r = BENCH_RUN(ns, NULL, 0, &e, "ipset", "destroy");
	if (r < 0)
		fprintf(stderr, "bench: %s\n", e.text);
	return r;
}

/* --- memory ----------------------------------------------------------------------------------- */

static void memory(struct apply *a)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = NULL;
	uint64_t bytes[MR_SLOTS] = { 0 };
	struct mr_error e = { "" };
	char pins[128];
	double peak = bench_daemon_peak_mib(&a->daemon);

	snprintf(pins, sizeof(pins), "%s/pins", a->daemon.dir);
	if (mr_kernel_open_pins(pins, &k, &e) == 0)
		mr_generation_memory(k, bytes);
	printf("  daemon's peak memory %.0f MiB; kernel memory of the two generations %.1f and "
	       "%.1f "
	       "MiB\n",
	       peak, (double)bytes[0] / 1048576, (double)bytes[1] / 1048576);
	json_object_set_new(a->b->json, "memory",
			    json_pack("{s:f, s:[f,f]}", "daemon_peak_mib", peak, "generations_mib",
				      (double)bytes[0] / 1048576, (double)bytes[1] / 1048576));
	bench_bar(a->b, "daemon's peak memory", peak, 300, false, "MiB");
}

/* --- all of it -------------------------------------------------------------------------------- */

static int prepare(struct apply *a, struct mr_error *e)
{
	struct bench *b = a->b;
	char path[160];
	int r;

	r = bench_daemon_new(b, "apply", 0, &a->daemon, e);
	if (r < 0)
		return r;
	for (int i = 0; r == 0 && i < LISTS; i++) {
		static const struct {
			enum bench_format format;
			const char *suffix;
		} file[] = { { BENCH_PLAIN, "txt" },
			     { BENCH_NFT, "nft" },
			     { BENCH_IPSET, "ipset" },
			     { BENCH_IPSET_SPLIT, "split" } };

		r = bench_list_make(BENCH_MIXED, PREFIXES, b->seed + (uint64_t)i, &a->list[i]);
		for (size_t k = 0; r == 0 && k < MR_ARRAY_SIZE(file); k++) {
			snprintf(path, sizeof(path), "%s/list%d.%s", a->daemon.dir, i,
				 file[k].suffix);
			r = bench_list_write(&a->list[i], file[k].format, path);
		}
	}
	if (r < 0)
		return mr_error(e, r, "%s: %s", a->daemon.dir, strerror(-r));
	return 0;
}

static int others(struct apply *a)
{
	struct bench *b = a->b;
	struct bench_wire w;
	struct mr_error e;
	int r;

	r = bench_wire_new(b, 1, &w, &e);
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", e.text);
		return r;
	}
	for (unsigned int i = 0; r == 0 && i < b->rounds; i++) {
		r = timed_nft(a, w.ns, (int)(i % LISTS), &a->nft[i]);
		if (r == 0)
			r = timed_ipset(a, w.ns, (int)(i % LISTS), false, &a->ipset[i]);
		if (r == 0)
			r = timed_ipset(a, w.ns, (int)(i % LISTS), true, &a->split[i]);
		if (r == 0 && a->daemon.pid > 0)
			r = timed_apply(a, (int)(i % LISTS), &a->own[i]);
	}
	bench_wire_clear(b, &w, 1);
	return r;
}

static void report(struct apply *a)
{
	struct bench *b = a->b;
	double own = a->daemon.pid > 0 ? bench_median(a->own, b->rounds) : 0;
	double nft = bench_median(a->nft, b->rounds), ipset = bench_median(a->ipset, b->rounds);
	double split = bench_median(a->split, b->rounds), best = split < ipset ? split : ipset;

	printf("  %-28s %8.0f ms\n  %-28s %8.0f ms\n  %-28s %8.0f ms\n", "nft -f", nft,
	       "ipset restore", ipset, "ipset restore, ip+net", split);
	json_object_set_new(b->json, "apply",
			    json_pack("{s:f, s:f, s:f, s:f}", "mailreeve_ms", own, "nft_ms", nft,
				      "ipset_ms", ipset, "ipset_split_ms", split));
	if (own <= 0)
		return;
	printf("  %-28s %8.0f ms\n", "mailreeve apply", own);
	bench_bar(b, "apply of 1,000,000 prefixes, nft -f takes", nft / own, 8, true, "x");
	bench_bar(b, "apply of 1,000,000 prefixes, ipset restore takes", best / own, 2, true, "x");
	memory(a);
}

int bench_apply(struct bench *b)
{
	struct apply a = { .b = b, .daemon.wire.ns = -EBADF };
	struct mr_error e = { "" };
	cpu_set_t pinned;
	int r;

	/* the programs timed here may use the whole machine */
	if (bench_unpin(b, &pinned) < 0)
		return -errno;
	printf("\nA list of %d prefixes, from its text file to being enforced\n", PREFIXES);
	r = prepare(&a, &e);
	if (r < 0)
		fprintf(stderr, "bench: %s\n", e.text);
	if (r == 0)
		r = write_config(&a, -1);
	if (r == 0 && access(a.daemon.path, X_OK) < 0) {
		bench_bar_missing(b, "apply", "build/mailreeved is not built");
	} else if (r == 0) {
		r = bench_daemon_start(&a.daemon);
		if (r == 0)
			r = enforced(&a, -1);
	}
	if (r == 0)
		r = others(&a);
	if (r == 0)
		report(&a);
	else
		bench_bar_missing(b, "apply", "the measurement failed");
	bench_daemon_clear(&a.daemon);
	for (int i = 0; i < LISTS; i++)
		bench_list_clear(&a.list[i]);
	sched_setaffinity(0, sizeof(pinned), &pinned);
	return r;
}
