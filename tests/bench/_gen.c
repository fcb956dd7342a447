// SPDX-License-Identifier: BSD-2-Clause
/*
 * _gen.c - traffic: frames made inside the kernel, and test runs of single programs.
 *
 * bench_send runs the generator program with BPF_F_TEST_XDP_LIVE_FRAMES: the kernel makes frames in
 * batches of 64, the program gives each a source, the veth carries them over, and the receiver's
 * NAPI runs right behind each batch on the same CPU.  So one CPU does all the work of a frame, and
 * the time of the run divided by the frames is what a frame costs.  The kernel takes the time
 * itself, without what other processes ran in between.  Called by the measurements.
 */
#include "_bench.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <string.h>

#include "bench.skel.h"

#define BATCH	  64 /* frames; one NAPI poll of the receiver takes as many */
#define TCP_BYTES 40 /* a SYN as Linux sends it: 20 bytes of header, 20 of options */

int bench_bpf_open(struct bench *b, struct mr_error *e)
{
	struct bench_bpf *s = bench_bpf__open();

	if (!s)
		return mr_error(e, -errno, "the benchmark's BPF object: %s", strerror(errno));
	if (bench_bpf__load(s)) {
		int r = -errno;

		bench_bpf__destroy(s);
		return mr_error(e, r, "the benchmark's BPF programs do not load: %s", strerror(-r));
	}
	b->bpf = s;
	return 0;
}

void bench_bpf_close(struct bench *b)
{
	bench_bpf__destroy(b->bpf);
	b->bpf = NULL;
}

int bench_floor_fd(struct bench *b)
{
	return bpf_program__fd(b->bpf->progs.bench_floor);
}

int bench_empty_fd(struct bench *b)
{
	return bpf_program__fd(b->bpf->progs.bench_empty);
}

int bench_floor_count(struct bench *b, uint64_t *n)
{
	int cpus = libbpf_num_possible_cpus();
	_free_ uint64_t *v = cpus > 0 ? calloc((size_t)cpus, sizeof(*v)) : NULL;
	uint32_t zero = 0;

	if (!v)
		return -ENOMEM;
	if (bpf_map_lookup_elem(bpf_map__fd(b->bpf->maps.floor_count), &zero, v) < 0)
		return -errno;
	*n = 0;
	for (int i = 0; i < cpus; i++)
		*n += v[i];
	return 0;
}

size_t bench_frame(bool ipv6, uint16_t port, uint8_t out[static BENCH_FRAME_MAX])
{
	static const uint8_t options[20] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
					     0, 1, 0, 0,    0, 0, 1, 3,	 3, 7 };
	struct ethhdr *eth = (struct ethhdr *)out;
	size_t at = sizeof(*eth);
	struct tcphdr *tcp;

	memset(out, 0, BENCH_FRAME_MAX);
	memcpy(eth->h_dest, (uint8_t[]){ 2, 0, 0, 0, 0, 2 }, 6);
	memcpy(eth->h_source, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	eth->h_proto = htons(ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (ipv6) {
		struct ipv6hdr *ip = (struct ipv6hdr *)(out + at);

		ip->version = 6;
		ip->payload_len = htons(TCP_BYTES);
		ip->nexthdr = IPPROTO_TCP;
		ip->hop_limit = 64;
		inet_pton(AF_INET6, "2001:db8::1", &ip->daddr);
		at += sizeof(*ip);
	} else {
		struct iphdr *ip = (struct iphdr *)(out + at);

		ip->version = 4;
		ip->ihl = 5;
		ip->tot_len = htons(sizeof(*ip) + TCP_BYTES);
		ip->ttl = 64;
		ip->protocol = IPPROTO_TCP;
		inet_pton(AF_INET, "192.0.2.1", &ip->daddr);
		at += sizeof(*ip);
	}
	tcp = (struct tcphdr *)(out + at);
	tcp->source = htons(40000);
	tcp->dest = htons(port);
	tcp->doff = TCP_BYTES / 4;
	tcp->syn = 1;
	tcp->window = htons(64240);
	memcpy(tcp + 1, options, sizeof(options));
	return at + TCP_BYTES;
}

static uint32_t sum_words(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* Sums of the frame without a source, plus the source's own words. */
static void make_source(bool ipv6, const uint8_t *frame, const struct bench_prefix *a,
			struct bench_source *out)
{
	size_t ip = sizeof(struct ethhdr);
	size_t tcp = ip + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	uint32_t own, destination;

	memset(out, 0, sizeof(*out));
	if (ipv6) {
		uint64_t words[2] = { __builtin_bswap64(a->hi), __builtin_bswap64(a->lo) };

		memcpy(out->addr, words, 16);
		destination = sum_words(frame + ip + 24, 16);
		own = sum_words(out->addr, 16);
	} else {
		out->addr[0] = htonl((uint32_t)a->lo);
		destination = sum_words(frame + ip + 16, 4);
		own = sum_words(out->addr, 4);
		out->ip_sum = fold(sum_words(frame + ip, 20) + own);
	}
	out->tcp_sum = fold(sum_words(frame + tcp, TCP_BYTES) + destination + own + IPPROTO_TCP +
			    TCP_BYTES);
}

int bench_pool_fill(struct bench *b, bool ipv6, uint16_t port, uint32_t n, bench_draw_fn draw,
		    void *userdata)
{
	_free_ struct bench_source *v = calloc(n, sizeof(*v));
	_free_ uint32_t *keys = calloc(n, sizeof(*keys));
	uint8_t frame[BENCH_FRAME_MAX];
	uint32_t count = n;

	if (!v || !keys)
		return -ENOMEM;
	bench_frame(ipv6, port, frame);
	for (uint32_t i = 0; i < n; i++) {
		struct bench_prefix a;

		draw(i, userdata, &a);
		make_source(ipv6, frame, &a, &v[i]);
		keys[i] = i;
	}
	b->bpf->data->pool_size = n;
	if (bpf_map_update_batch(bpf_map__fd(b->bpf->maps.pool), keys, v, &count, NULL) < 0)
		return -errno;
	return 0;
}

struct from_list {
	const struct bench_list *list;
	uint64_t rng;
};

static void draw_from_list(size_t i, void *userdata, struct bench_prefix *out)
{
	struct from_list *f = userdata;

	(void)i;
	bench_list_draw(f->list, &f->rng, out);
}

int bench_pool_from_list(struct bench *b, const struct bench_list *l)
{
	struct from_list f = { .list = l, .rng = b->seed };

	return bench_pool_fill(b, bench_list_is6(l), BENCH_PORT, BENCH_POOL, draw_from_list, &f);
}

int bench_send(struct bench *b, const struct bench_wire *w, bool ipv6, uint32_t frames, double *ns)
{
	uint8_t frame[BENCH_FRAME_MAX];
	size_t len = bench_frame(ipv6, BENCH_PORT, frame);
	struct xdp_md ctx = { .data_end = (uint32_t)len,
			      .ingress_ifindex = (uint32_t)w->gen_ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	double from, took;
	int r;

	/* the device is looked up in the caller's namespace */
	r = bench_ns_enter(b->gen_ns);
	if (r < 0)
		return r;
	from = bench_now_ms();
	r = bpf_prog_test_run_opts(bpf_program__fd(b->bpf->progs.bench_generate), &o);
	took = bench_now_ms() - from;
	if (bench_ns_enter(b->home_ns) < 0)
		abort();
	if (r < 0)
		return r;
	/* not every kernel fills in the duration of a live run */
	*ns = o.duration ? (double)o.duration : took * 1e6 / frames;
	return 0;
}

int bench_test_run(int prog_fd, const uint8_t *frame, size_t len, uint32_t repeat, double *ns,
		   uint32_t *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)len,
		    .repeat = (int)repeat);
	int r = bpf_prog_test_run_opts(prog_fd, &o);

	if (r < 0)
		return r;
	*ns = (double)o.duration;
	*verdict = o.retval;
	return 0;
}

int bench_draw_prog(struct bench *b, int target, int *fd)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(b->bpf->maps.target), &zero, &target, BPF_ANY) < 0)
		return -errno;
	*fd = bpf_program__fd(b->bpf->progs.bench_draw);
	return 0;
}
