// SPDX-License-Identifier: BSD-2-Clause
/*
 * _sides.c - those that mailreeve is measured against: floor, nftables, ipset, xdp-filter.
 *
 * Each refuses the sources of a list in a namespace of its own, set up the way that is fastest for
 * it, and tells how many frames it has dropped by its own counter.  Fails with -errno and the
 * program's own words; 1 where a side cannot do a list at all.
 */
#include "_bench.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>

#define SAY_BYTES 8192 /* output of a counter listing */
/* xdp-filter of Debian 12: struct map entries per kind (XDP_FILTER_MAX … is 10,000) */
#define XDP_FILTER_HOSTS 10000

int bench_attach(struct bench *b, struct bench_side *s, int prog_fd)
{
	LIBBPF_OPTS(bpf_link_create_opts, o, .flags = XDP_FLAGS_DRV_MODE);
	int fd, r;

	r = bench_ns_enter(s->wire.ns);
	if (r < 0)
		return r;
	fd = bpf_link_create(prog_fd, s->wire.rx_ifindex, BPF_XDP, &o);
	r = fd < 0 ? -errno : 0;
	if (bench_ns_enter(b->home_ns) < 0)
		abort();
	if (r == 0)
		s->link = fd;
	return r;
}

/* --- floor ------------------------------------------------------------------------------------ */

static int floor_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
		       struct mr_error *e)
{
	int r = bench_attach(b, s, bench_floor_fd(b));

	(void)l;
	return r < 0 ? mr_error(e, r, "cannot attach: %s", strerror(-r)) : 0;
}

static int floor_dropped(struct bench *b, struct bench_side *s, uint64_t *n, struct mr_error *e)
{
	int r = bench_floor_count(b, n);

	(void)s;
	return r < 0 ? mr_error(e, r, "cannot read the counter: %s", strerror(-r)) : 0;
}

const struct bench_side_ops bench_side_floor = { "floor", floor_setup, floor_dropped, NULL };

/* --- nftables --------------------------------------------------------------------------------- */

static int nft_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
		     struct mr_error *e)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/list.nft", b->dir);
	r = bench_list_write(l, BENCH_NFT, path);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	return BENCH_RUN(s->wire.ns, NULL, 0, e, "nft", "-f", path);
}

/* Reset, not list: to list anything nft first fetches every element, minutes at a million. */
static int nft_dropped(struct bench *b, struct bench_side *s, uint64_t *n, struct mr_error *e)
{
	unsigned long long packets;
	char out[SAY_BYTES];
	const char *p;
	int r;

	(void)b;
	r = BENCH_RUN(s->wire.ns, out, sizeof(out), e, "nft", "reset", "counter", "netdev", "bench",
		      "dropped");
	if (r < 0)
		return r;
	p = strstr(out, "packets ");
	if (!p || sscanf(p, "packets %llu", &packets) != 1)
		return mr_error(e, -EPROTO, "nft reset counter: unexpected output: %.200s", out);
	s->total += packets;
	*n = s->total;
	return 0;
}

/* Freed now, not while another side is measured. */
static void nft_clear(struct bench *b, struct bench_side *s)
{
	(void)b;
	BENCH_RUN(s->wire.ns, NULL, 0, NULL, "nft", "flush", "ruleset");
}

const struct bench_side_ops bench_side_nft = { "nftables", nft_setup, nft_dropped, nft_clear };

/* --- ipset ------------------------------------------------------------------------------------ */

static const char *iptables(const struct bench_list *l)
{
	return bench_list_is6(l) ? "ip6tables-legacy" : "iptables-legacy";
}

static int ipset_rule(struct bench_side *s, const char *set, struct mr_error *e)
{
	char port[8];

	snprintf(port, sizeof(port), "%d", BENCH_PORT);
	return BENCH_RUN(s->wire.ns, NULL, 0, e, s->state, "-t", "raw", "-A", "PREROUTING", "-p",
			 "tcp", "--dport", port, "-m", "set", "--match-set", set, "src", "-j",
			 "DROP");
}

static int ipset_load(struct bench *b, struct bench_side *s, const struct bench_list *l, bool split,
		      struct mr_error *e)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/list.ipset", b->dir);
	s->state = (void *)(uintptr_t)iptables(l);
	r = bench_list_write(l, split ? BENCH_IPSET_SPLIT : BENCH_IPSET, path);
	if (r < 0)
		return mr_error(e, r, "%s: %s", path, strerror(-r));
	r = BENCH_RUN(s->wire.ns, NULL, 0, e, "ipset", "-file", path, "restore");
	if (r == 0 && split)
		r = ipset_rule(s, "hosts", e);
	if (r == 0 && (!split || bench_list_hosts(l) < l->n))
		r = ipset_rule(s, "nets", e);
	return r;
}

static int ipset_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
		       struct mr_error *e)
{
	return ipset_load(b, s, l, false, e);
}

static int ipset_split_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
			     struct mr_error *e)
{
	return ipset_load(b, s, l, true, e);
}

/* The packets column of every rule. */
static int ipset_dropped(struct bench *b, struct bench_side *s, uint64_t *n, struct mr_error *e)
{
	unsigned long long packets;
	char out[SAY_BYTES];
	int r;

	(void)b;
	r = BENCH_RUN(s->wire.ns, out, sizeof(out), e, s->state, "-t", "raw", "-L", "PREROUTING",
		      "-v", "-x", "-n");
	if (r < 0)
		return r;
	*n = 0;
	for (char *save, *line = strtok_r(out, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (strstr(line, "DROP") && sscanf(line, "%llu", &packets) == 1)
			*n += packets;
	return 0;
}

static void ipset_clear(struct bench *b, struct bench_side *s)
{
	(void)b;
	if (s->state)
		BENCH_RUN(s->wire.ns, NULL, 0, NULL, s->state, "-t", "raw", "-F");
	BENCH_RUN(s->wire.ns, NULL, 0, NULL, "ipset", "destroy");
}

const struct bench_side_ops bench_side_ipset = { "ipset", ipset_setup, ipset_dropped, ipset_clear };
const struct bench_side_ops bench_side_ipset_split = { "ipset ip+net", ipset_split_setup,
						       ipset_dropped, ipset_clear };

/* --- xdp-filter ------------------------------------------------------------------------------- */

static int xdp_filter_setup(struct bench *b, struct bench_side *s, const struct bench_list *l,
			    struct mr_error *e)
{
	const char *feature = bench_list_is6(l) ? "ipv6" : "ipv4";
	int r;

	(void)b;
	if (bench_list_hosts(l) < l->n)
		return mr_error(e, 1, "knows single addresses only");
	if (l->n > XDP_FILTER_HOSTS)
		return mr_error(e, 1, "takes %d addresses at most", XDP_FILTER_HOSTS);
	r = BENCH_RUN(s->wire.ns, NULL, 0, e, "xdp-filter", "load", "-m", "native", "-p", "allow",
		      "-f", feature, "r0");
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		char text[32];

		snprintf(text, sizeof(text), "%u.%u.%u.%u", (unsigned int)(l->p[i].lo >> 24),
			 (unsigned int)(l->p[i].lo >> 16 & 255),
			 (unsigned int)(l->p[i].lo >> 8 & 255), (unsigned int)(l->p[i].lo & 255));
		r = BENCH_RUN(s->wire.ns, NULL, 0, e, "xdp-filter", "ip", "-m", "src", text);
	}
	return r;
}

/* Its statistics by verdict are a pinned map: per CPU, packets and bytes. */
static int xdp_filter_dropped(struct bench *b, struct bench_side *s, uint64_t *n,
			      struct mr_error *e)
{
	_close_ int map = bpf_obj_get("/sys/fs/bpf/xdp-filter/xdp_stats_map");
	int cpus = libbpf_num_possible_cpus();
	_free_ uint64_t *v = cpus > 0 ? calloc((size_t)cpus, 2 * sizeof(*v)) : NULL;
	uint32_t key = XDP_DROP;

	(void)b;
	(void)s;
	if (!v || map < 0 || bpf_map_lookup_elem(map, &key, v) < 0)
		return mr_error(e, -errno, "xdp-filter's statistics: %s", strerror(errno));
	*n = 0;
	for (int i = 0; i < cpus; i++)
		*n += v[2 * i];
	return 0;
}

static void xdp_filter_clear(struct bench *b, struct bench_side *s)
{
	(void)b;
	BENCH_RUN(s->wire.ns, NULL, 0, NULL, "xdp-filter", "unload", "--all");
}

const struct bench_side_ops bench_side_xdp_filter = { "xdp-filter", xdp_filter_setup,
						      xdp_filter_dropped, xdp_filter_clear };
