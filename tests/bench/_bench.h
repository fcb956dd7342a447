/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _bench.h - the benchmark's parts and what they hand each other.
 *
 * bench.c parses arguments and calls the parts; _lists.c makes the lists, _net.c the network
 * namespaces, _gen.c the traffic, _sides.c and _mailreeve.c what is measured, _drop.c, _pass.c and
 * _apply.c, _learn.c, _latency.c, _ask.c with _echo.c measure, _report.c judges and prints.  All
 * state hangs off struct bench.
 */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <jansson.h>
#include <mailreeve/util.h>
#include <sched.h>

#include "_frame.h"

#define BENCH_ROUNDS_MAX 64
#define BENCH_SIDES_MAX	 8
#define BENCH_PORT	 25 /* where the frames go: smtp */
#define BENCH_NO_PORT	 8443 /* a port of no service */
#define BENCH_FRAME_MAX	 128 /* bytes */

/* --- lists ------------------------------------------------------------------------------------ */

struct bench_prefix {
	uint64_t hi, lo; /* host order; IPv4: lo alone */
	uint8_t plen;
};
enum bench_mix {
	BENCH_MIXED, /* 30 % hosts, 55 % /24, the rest /16 to /22 */
	BENCH_HOSTS, /* single addresses */
	BENCH_MIXED6, /* 20 % /128, 30 % /64, 15 % /56, 25 % /48, the rest /36 to /44 */
};
struct bench_list {
	enum bench_mix mix;
	size_t n;
	struct bench_prefix *p; /* disjoint, ascending */
};
enum bench_format { BENCH_PLAIN, BENCH_NFT, BENCH_IPSET, BENCH_IPSET_SPLIT };

int bench_list_make(enum bench_mix mix, size_t n, uint64_t seed, struct bench_list *out);
void bench_list_clear(struct bench_list *l);
static inline bool bench_list_is6(const struct bench_list *l)
{
	return l->mix == BENCH_MIXED6;
}
size_t bench_list_hosts(const struct bench_list *l);
/* One file in the language of one program; NFT and IPSET files create their sets. */
int bench_list_write(const struct bench_list *l, enum bench_format f, const char *path);
/* An address inside the list: a prefix drawn at random, then an address of it. */
void bench_list_draw(const struct bench_list *l, uint64_t *rng, struct bench_prefix *out);
uint64_t bench_random(uint64_t *state);

/* --- what everything shares ------------------------------------------------------------------- */

struct bench_bpf;
struct bench {
	bool quick;
	const char *list; /* only lists whose name begins so; NULL: all */
	bool own; /* only floor and mailreeve */
	bool no_others; /* leave out fail2ban and postfwd */
	unsigned int rounds;
	uint32_t frames; /* in one measurement */
	uint64_t seed;
	int cpu; /* the one that sends and receives */
	cpu_set_t cpus; /* what the process was given */
	char dir[64]; /* for list files; removed at the end */
	const char *build; /* where mailreeve and mailreeved are */
	int home_ns, gen_ns;
	struct bench_bpf *bpf;
	json_t *json; /* the whole report */
	json_t *bars; /* array within it */
};

/* The programs timed may use the whole machine; *pinned is for sched_setaffinity() after them. */
static inline int bench_unpin(struct bench *b, cpu_set_t *pinned)
{
	if (sched_getaffinity(0, sizeof(*pinned), pinned) < 0 ||
	    sched_setaffinity(0, sizeof(b->cpus), &b->cpus) < 0)
		return -errno;
	return 0;
}

/* --- namespaces and programs ------------------------------------------------------------------ */

int bench_ns_new(int *fd);
int bench_ns_enter(int fd);
/* Runs a program in a namespace (fd < 0: this one); its output, cut off, goes to out if given.
 * -ENOENT: not installed; -EIO: failed, *e has what it said. */
int bench_run(int ns, char *out, size_t size, struct mr_error *e, const char *const argv[]);
#define BENCH_RUN(ns, out, size, e, ...) \
	bench_run(ns, out, size, e, (const char *const[]){ __VA_ARGS__, NULL })

struct bench_wire { /* a veth pair: one end among the generators, the other in a namespace */
	int ns; /* of the receiver */
	int gen_ifindex, rx_ifindex;
};
int bench_wire_new(struct bench *b, unsigned int number, struct bench_wire *out,
		   struct mr_error *e);
void bench_wire_clear(struct bench *b, struct bench_wire *w, unsigned int number);
/* TCP segments that came as far as TCP in a namespace. */
int bench_wire_arrived(const struct bench_wire *w, uint64_t *n);

/* --- traffic ---------------------------------------------------------------------------------- */

int bench_bpf_open(struct bench *b, struct mr_error *e);
void bench_bpf_close(struct bench *b);
/* A SYN: Ethernet, IPv4 or IPv6, TCP with the usual options.  Returns its length. */
size_t bench_frame(bool ipv6, uint16_t port, uint8_t out[static BENCH_FRAME_MAX]);
/* Fills the pool with n sources; draw gives each. */
typedef void (*bench_draw_fn)(size_t i, void *userdata, struct bench_prefix *out);
int bench_pool_fill(struct bench *b, bool ipv6, uint16_t port, uint32_t n, bench_draw_fn draw,
		    void *userdata);
int bench_pool_from_list(struct bench *b, const struct bench_list *l);
/* Sends frames over a wire; *ns is what one cost, sending and receiving. */
int bench_send(struct bench *b, const struct bench_wire *w, bool ipv6, uint32_t frames, double *ns);
/* Runs a program over one frame many times; *ns is one run, *verdict the last one's. */
int bench_test_run(int prog_fd, const uint8_t *frame, size_t len, uint32_t repeat, double *ns,
		   uint32_t *verdict);
/* The program that draws a source and goes on in `target`; *fd is the object's own. */
int bench_draw_prog(struct bench *b, int target, int *fd);
int bench_floor_fd(struct bench *b);
int bench_empty_fd(struct bench *b);
int bench_floor_count(struct bench *b, uint64_t *n);

/* --- sides ------------------------------------------------------------------------------------ */

struct bench_side;
struct bench_side_ops {
	const char *name; /* as printed and in JSON */
	/* 0; 1: cannot do this list, *e says why; or -errno and *e. */
	int (*setup)(struct bench *b, struct bench_side *s, const struct bench_list *l,
		     struct mr_error *e);
	int (*dropped)(struct bench *b, struct bench_side *s, uint64_t *n, struct mr_error *e);
	void (*clear)(struct bench *b, struct bench_side *s);
};
struct bench_side {
	const struct bench_side_ops *ops;
	struct bench_wire wire;
	bool in; /* takes part */
	void *state; /* the side's own */
	int link; /* fd of its bpf_link, or -EBADF */
	uint64_t total; /* dropped so far, where the side's counter starts anew when read */
	double setup_ms;
	double ns[BENCH_ROUNDS_MAX];
};
extern const struct bench_side_ops bench_side_floor, bench_side_nft, bench_side_ipset,
	bench_side_ipset_split, bench_side_xdp_filter, bench_side_mailreeve;
int bench_attach(struct bench *b, struct bench_side *s, int prog_fd);

/* mailreeve's packet side by itself: a policy text loaded, compiled, active; private maps. */
struct mr_kernel;
struct bench_filter {
	struct mr_kernel *kernel;
	struct mr_policy *policy;
	struct mr_host *host;
	struct mr_image *image;
	uint64_t memory; /* kernel memory of its one generation, bytes */
};
int bench_filter_load(struct bench *b, const char *config, uint32_t permits_max,
		      struct bench_filter *out, struct mr_error *e);
void bench_filter_clear(struct bench_filter *f);

/* --- measurements: 0, or -errno after a message on standard error ----------------------------- */

int bench_drop(struct bench *b);
int bench_pass(struct bench *b);
int bench_apply(struct bench *b);
int bench_learn(struct bench *b);
int bench_latency(struct bench *b);
int bench_stall(struct bench *b);
int bench_ask(struct bench *b);

/* --- report ----------------------------------------------------------------------------------- */

double bench_median(const double *v, size_t n);
double bench_percentile(double *v, size_t n, double p); /* p from 0 to 1; sorts v */
/* A promise: printed with MET or MISSED, kept in JSON.  `at_least`: the figure must reach the bar,
 * else it must not exceed it. */
void bench_bar(struct bench *b, const char *what, double figure, double bar, bool at_least,
	       const char *unit);
/* A promise that could not be measured. */
void bench_bar_missing(struct bench *b, const char *what, const char *why);
void bench_bars_print(const struct bench *b);
double bench_now_ms(void);

#endif
