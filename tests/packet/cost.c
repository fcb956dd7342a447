// SPDX-License-Identifier: BSD-2-Clause
/*
 * cost.c - what the program costs: the verifier's instruction count of each entry point, and
 * nanoseconds a packet on the paths that matter, beside an empty program.
 *
 * Asserts that the programs load and that the verifier is far from its limit; times are printed, a
 * machine's mood proves nothing.  `cost REPEAT` for better figures.
 */
#include "_shape.h"
#include "_world.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "mailreeve.skel.h"

#define REPEAT	  200000 /* packets a measurement */
#define ROUNDS	  9 /* measurements, alternating; the median counts */
#define LOG_BYTES (1 << 16)
#define INSNS_MAX 250000 /* a quarter of what the verifier walks at most */

static const char *const names[] = { "mr_l2", "mr_l2_frags", "mr_l3", "mr_l3_frags" };

/* The verifier's own words: "processed 5123 insns (limit 1000000) …". */
static long processed(const char *log)
{
	const char *at = strstr(log, "processed ");

	return at ? strtol(at + strlen("processed "), NULL, 10) : -1;
}

/* Instruction counts of the programs this kernel takes; -errno if one does not load. */
static int count_insns(bool frags, long out[static 4])
{
	static char logs[MR_ARRAY_SIZE(names)][LOG_BYTES];
	struct mailreeve_bpf *skel = mailreeve_bpf__open();
	int r;

	if (!skel)
		return -errno;
	for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(skel->obj, names[i]);

		bpf_program__set_autoload(p, frags || !strstr(names[i], "frags"));
		bpf_program__set_log_buf(p, logs[i], LOG_BYTES);
		bpf_program__set_log_level(p, 4);
		out[i] = 0;
	}
	r = mailreeve_bpf__load(skel);
	for (size_t i = 0; r == 0 && i < MR_ARRAY_SIZE(names); i++)
		if (logs[i][0])
			out[i] = processed(logs[i]);
	mailreeve_bpf__destroy(skel);
	return r;
}

static int empty_program(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "empty", "GPL", pass, MR_ARRAY_SIZE(pass), NULL);
}

static uint32_t measure(int prog, const uint8_t *frame, size_t n, int repeat)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)n,
		    .repeat = repeat);

	return bpf_prog_test_run_opts(prog, &o) < 0 ? 0 : o.duration;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

struct path {
	const char *name;
	struct shape s;
};
#define HERE .dst = "192.0.2.26", .sport = 40000, .flags = TCP_SYN
static const struct path paths[] = {
	{ "IPv4 TCP to no service", { .src = "203.0.113.1", .dport = 443 + 1, HERE } },
	{ "IPv4 UDP", { .src = "203.0.113.1", .dport = 53, .proto = 17, HERE } },
	{ "IPv6 TCP to no service",
	  { .v6 = true, .src = "2001:db8:2::1", .dst = "2001:db8::26", .dport = 22 } },
	{ "802.1Q, IPv4 TCP to no service",
	  { .tags = { 0x8100 }, .src = "203.0.113.1", .dport = 22, HERE } },
	{ "ARP", { .type = 0x0806, .src = "203.0.113.1", HERE } },
	{ "allowed by a rule", { .src = "198.51.100.1", .dport = 25, HERE } },
	{ "denied by a rule", { .src = "203.0.113.1", .dport = 25, HERE } },
	{ "denied, IPv6",
	  { .v6 = true, .src = "2001:db8:2::1", .dst = "2001:db8::26", .dport = 25 } },
	{ "unmatched, no session", { .src = "192.0.2.1", .dport = 25, .dst = "192.0.2.26" } },
};

static void print_times(struct world *w, int repeat)
{
	static uint32_t ours[MR_ARRAY_SIZE(paths)][ROUNDS], empty[MR_ARRAY_SIZE(paths)][ROUNDS];
	uint8_t frame[SHAPE_BYTES];
	_close_ int nothing = empty_program();

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < MR_ARRAY_SIZE(paths); i++) {
			size_t n = shape_build(&paths[i].s, frame);

			empty[i][round] = measure(nothing, frame, n, repeat);
			ours[i][round] = measure(world_program(w, false, false), frame, n, repeat);
		}
	}
	printf("# ns a packet, medians of %d x %d:\n", ROUNDS, repeat);
	for (size_t i = 0; i < MR_ARRAY_SIZE(paths); i++) {
		qsort(ours[i], ROUNDS, sizeof(ours[i][0]), by_value);
		qsort(empty[i], ROUNDS, sizeof(empty[i][0]), by_value);
		printf("#   %-32s %4u, empty program %3u\n", paths[i].name, ours[i][ROUNDS / 2],
		       empty[i][ROUNDS / 2]);
	}
}

int main(int argc, char **argv)
{
	int repeat = argc > 1 ? (int)strtol(argv[1], NULL, 10) : REPEAT, failures = 0;
	long insns[MR_ARRAY_SIZE(names)] = { 0 };
	struct world w;

	if (world_skip())
		return 77;
	if (world_open(&w, MR_REPLAY_OFF) < 0 || count_insns(w.frags, insns) < 0)
		return 1;
	printf("1..%zu\n", MR_ARRAY_SIZE(names));
	for (size_t i = 0; i < MR_ARRAY_SIZE(names); i++) {
		bool skip = !w.frags && strstr(names[i], "frags");
		bool ok = skip || (insns[i] > 0 && insns[i] < INSNS_MAX);

		printf("%s %zu - %s: the verifier walked %ld instructions%s\n",
		       ok ? "ok" : "not ok", i + 1, names[i], insns[i],
		       skip ? " # SKIP no multi-buffer XDP here" : "");
		failures += !ok;
	}
	print_times(&w, repeat);
	world_close(&w);
	return failures != 0;
}
