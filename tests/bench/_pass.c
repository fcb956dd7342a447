// SPDX-License-Identifier: BSD-2-Clause
/*
 * _pass.c - what it costs to pass a packet: one that is no service's, and one that a permit opens.
 *
 * Single programs by BPF_PROG_TEST_RUN, no device: the differences are some nanoseconds, which a
 * whole path through a veth would bury.  Sources that change come from bench_draw, which writes one
 * into the frame and goes on in mailreeve's program by tail call; what is compared has drawn from
 * as many sources in the same way.  Every run must end in XDP_PASS, and every permitted frame must
 * be one in mailreeve's own counters.  Called by bench.c; messages on standard error.
 */
#include "_bench.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <mailreeve/kernel.h>
#include <string.h>

#define REPEAT	     2000000 /* runs in one measurement: some 0.1 s */
#define REPEAT_QUICK 500000
#define PERMITS	     100000
#define PERMITS_AT   0x0a000000u /* 10.0.0.0 and up: permitted, by entry */
#define STATIC_AT    0x0b000000u /* 11.0.0.0/8: allowed, by rule; data only */
#define HOUR_NS	     3600000000000ull

struct packet {
	const char *name;
	size_t (*make)(uint8_t out[static BENCH_FRAME_MAX]);
};

static size_t make_tcp4(uint8_t out[static BENCH_FRAME_MAX])
{
	return bench_frame(false, BENCH_NO_PORT, out);
}
static size_t make_tcp6(uint8_t out[static BENCH_FRAME_MAX])
{
	return bench_frame(true, BENCH_NO_PORT, out);
}
static size_t make_udp4(uint8_t out[static BENCH_FRAME_MAX])
{
	size_t len = bench_frame(false, BENCH_NO_PORT, out);

	out[23] = IPPROTO_UDP;
	return len;
}
static size_t make_arp(uint8_t out[static BENCH_FRAME_MAX])
{
	bench_frame(false, BENCH_NO_PORT, out);
	out[12] = 0x08;
	out[13] = 0x06;
	return 60;
}
static size_t make_vlan(uint8_t out[static BENCH_FRAME_MAX])
{
	size_t len = bench_frame(false, BENCH_NO_PORT, out);

	memmove(out + 16, out + 12, len - 12);
	memcpy(out + 12, (uint8_t[]){ 0x81, 0x00, 0x00, 0x05 }, 4);
	return len + 4;
}

static const struct packet packets[] = {
	{ "TCP, IPv4", make_tcp4 },
	{ "TCP, IPv6", make_tcp6 },
	{ "UDP, IPv4", make_udp4 },
	{ "ARP", make_arp },
	{ "TCP, IPv4, one VLAN tag", make_vlan },
};

static uint32_t repeat(const struct bench *b)
{
	return b->quick ? REPEAT_QUICK : REPEAT;
}

static int run_passing(struct bench *b, int fd, const uint8_t *frame, size_t len, double *ns)
{
	uint32_t verdict;
	int r = bench_test_run(fd, frame, len, repeat(b), ns, &verdict);

	if (r == 0 && verdict != XDP_PASS) {
		fprintf(stderr, "bench: a packet that must pass met verdict %u\n", verdict);
		return -EIO;
	}
	return r;
}

/* --- no service ------------------------------------------------------------------------------- */

static int one_packet(struct bench *b, const struct packet *p, int own, double *more)
{
	double empty[BENCH_ROUNDS_MAX], filter[BENCH_ROUNDS_MAX], me, mf;
	uint8_t frame[BENCH_FRAME_MAX];
	size_t len = p->make(frame);
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < b->rounds; i++) {
		r = run_passing(b, bench_empty_fd(b), frame, len, &empty[i]);
		if (r == 0)
			r = run_passing(b, own, frame, len, &filter[i]);
	}
	if (r < 0)
		return r;
	me = bench_median(empty, b->rounds);
	mf = bench_median(filter, b->rounds);
	*more = mf - me;
	printf("  %-28s %8.1f %10.1f %+8.1f\n", p->name, me, mf, *more);
	json_object_set_new(json_object_get(b->json, "no_service"), p->name,
			    json_pack("{s:f, s:f}", "empty_ns", me, "mailreeve_ns", mf));
	return 0;
}

static int no_service(struct bench *b)
{
	struct bench_filter f = { 0 };
	double more, most = -1e9;
	struct mr_error e;
	int r;

	r = bench_filter_load(b,
			      "interface r0;\nservice smtp { deny 203.0.113.0/24; allow any; }\n"
			      "service submission { allow permitted; }\nservice imap { allow any; "
			      "}\n",
			      0, &f, &e);
	if (r < 0) {
		fprintf(stderr, "bench: %s\n", e.text);
		return r;
	}
	printf("\nTo pass a packet that is no service's: ns a run, the program alone\n  %-28s %8s "
	       "%10s "
	       "%8s\n",
	       "packet", "empty", "mailreeve", "more");
	json_object_set_new(b->json, "no_service", json_object());
	for (size_t i = 0; r == 0 && i < MR_ARRAY_SIZE(packets); i++) {
		r = one_packet(b, &packets[i], mr_program_fd(f.kernel, false), &more);
		if (r == 0 && more > most)
			most = more;
	}
	if (r == 0)
		bench_bar(b, "no service, above an empty program (worst packet)", most, 8, false,
			  "ns");
	bench_filter_clear(&f);
	return r;
}

/* --- permits ---------------------------------------------------------------------------------- */

/* Spread over 10/8, so that the entries are not neighbours in anything. */
static void draw_permitted(size_t i, void *userdata, struct bench_prefix *out)
{
	(void)userdata;
	*out = (struct bench_prefix){ .lo = PERMITS_AT | ((i * 2654435761u) & 0xffffff),
				      .plen = 32 };
}

static void draw_static(size_t i, void *userdata, struct bench_prefix *out)
{
	draw_permitted(i, userdata, out);
	out->lo = STATIC_AT | (out->lo & 0xffffff);
}

static int give_permits(struct mr_kernel *k)
{
	uint64_t now = mr_boottime_ns();
	struct mr_entry v = { .expires = now + HOUR_NS,
			      .granted = now,
			      .services = ~0ull,
			      .origin = MR_ORIGIN_HAND,
			      .plen = 32 };

	for (size_t i = 0; i < PERMITS; i++) {
		struct mr_entry_key key;
		struct mr_addr a;
		struct bench_prefix p;
		int r;

		draw_permitted(i, NULL, &p);
		a = mr_addr_from4((uint32_t)p.lo);
		memcpy(key.addr, a.b, sizeof(key.addr));
		r = mr_entries_put(k, MR_PERMIT, &key, &v);
		if (r < 0)
			return r;
	}
	mr_kernel_state(k)->permits_live = PERMITS;
	return 0;
}

/* A SYN to submission from n sources; *ns is a run, the draw included. */
static int draw_and_run(struct bench *b, int fd, bench_draw_fn draw, uint32_t n, double *ns)
{
	uint8_t frame[BENCH_FRAME_MAX];
	size_t len = bench_frame(false, 587, frame);
	int r = bench_pool_fill(b, false, 587, n, draw, NULL);

	return r < 0 ? r : run_passing(b, fd, frame, len, ns);
}

static int compare_permits(struct bench *b, int fd, uint32_t n, const char *what, double bar)
{
	double by_rule[BENCH_ROUNDS_MAX], by_entry[BENCH_ROUNDS_MAX], mr, me;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < b->rounds; i++) {
		r = draw_and_run(b, fd, draw_static, n, &by_rule[i]);
		if (r == 0)
			r = draw_and_run(b, fd, draw_permitted, n, &by_entry[i]);
	}
	if (r < 0)
		return r;
	mr = bench_median(by_rule, b->rounds);
	me = bench_median(by_entry, b->rounds);
	printf("  %-28s %8.1f %10.1f %+8.1f\n", what, mr, me, me - mr);
	json_object_set_new(json_object_get(b->json, "permits"), what,
			    json_pack("{s:f, s:f}", "rule_ns", mr, "permit_ns", me));
	bench_bar(b, n == 1 ? "a permit above a rule, hot" : "a permit above a rule, 100,000 drawn",
		  me - mr, bar, false, "ns");
	return 0;
}

static uint64_t allowed(struct mr_kernel *k)
{
	_free_ struct mr_count *v = calloc(MR_SERVICES_MAX * MR_COUNTED_N, sizeof(*v));

	return v && mr_counters_services(k, v) == 0 ? v[MR_COUNTED_ALLOW].packets : 0;
}

static int permits(struct bench *b)
{
	struct bench_filter f = { 0 };
	struct mr_error e = { "" };
	uint64_t passed;
	int fd, r;

	r = bench_filter_load(b,
			      "interface r0;\npermit { max 131072; }\n"
			      "service submission { allow 11.0.0.0/8; allow permitted; }\n",
			      131072, &f, &e);
	if (r == 0)
		r = give_permits(f.kernel);
	if (r == 0)
		r = bench_draw_prog(b, mr_program_fd(f.kernel, false), &fd);
	if (r == 0) {
		printf("\nTo pass a SYN to submission, %d permits live: ns a run, the draw "
		       "included\n  %-28s %8s %10s %8s\n",
		       PERMITS, "source", "by rule", "by permit", "more");
		json_object_set_new(b->json, "permits", json_object());
		passed = allowed(f.kernel);
		r = compare_permits(b, fd, 1, "one address", 120);
		if (r == 0)
			r = compare_permits(b, fd, PERMITS, "drawn from 100,000", 350);
		passed = allowed(f.kernel) - passed;
		if (r == 0 && passed != 4ull * b->rounds * repeat(b))
			r = mr_error(&e, -EIO, "of %llu SYNs %llu were counted as allowed",
				     4ull * b->rounds * repeat(b), (unsigned long long)passed);
	}
	if (r < 0)
		fprintf(stderr, "bench: permits: %s %s\n", strerror(-r), e.text);
	bench_filter_clear(&f);
	return r;
}

int bench_pass(struct bench *b)
{
	int r = no_service(b);

	if (r < 0)
		bench_bar_missing(b, "no service, above an empty program",
				  "the measurement failed");
	r = permits(b);
	if (r < 0)
		bench_bar_missing(b, "a permit above a rule", "the measurement failed");
	return r;
}
