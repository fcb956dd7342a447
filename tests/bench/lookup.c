// SPDX-License-Identifier: BSD-2-Clause
/*
 * lookup.c - what one lookup costs, alone, in the kernel: the trie, and what lib/layout*.c put
 * beside it.
 *
 * Runs the real lookup over 262,144 addresses drawn from inside the list, in one test run, nine
 * times; prints the median less that of the bare loop, in ns.  The figures behind the thresholds in
 * lib/layout.c, and behind the choice of buckets over the kernel's hash.  Also the CPU time and
 * the peak memory of compiling and laying out (of the whole run so far, lists and all).  Needs root
 * and Linux 5.17 (bpf_loop); attaches nothing.
 *
 * lookup [N mixed|hosts|mixed6]; without arguments the whole table.
 */
#include "_bench.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <mailreeve/image.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "_lookup.h"
#include "lookup.skel.h"

#define ROUNDS 9

static const char *const mixes[] = {
	[BENCH_MIXED] = "mixed", [BENCH_HOSTS] = "hosts", [BENCH_MIXED6] = "mixed6"
};

struct lookup {
	struct mr_named_set set;
	struct mr_image *image;
	struct mr_layout layout;
	struct lookup_bpf *skel;
	double compile_ms, plan_ms, fill_ms;
};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compile(struct lookup *x, const struct bench_list *l)
{
	struct mr_rule rules[] = {
		{ .action = MR_DENY, .source.kind = MR_SOURCE_SET, .number = 1 },
		{ .action = MR_ALLOW, .source.kind = MR_SOURCE_ANY, .number = 2 },
	};
	struct mr_service s = { .name = "smtp", .rules = rules, .n_rules = 2 };
	struct mr_policy p = { .sets = &x->set, .n_sets = 1, .services = &s, .n_services = 1 };
	double start;
	int r = 0;

	for (size_t n = 0; n < l->n && r == 0; n++) {
		struct mr_prefix f = { mr_addr_from6(l->p[n].hi, l->p[n].lo), l->p[n].plen };

		if (!bench_list_is6(l)) {
			f.addr = mr_addr_from4((uint32_t)l->p[n].lo);
			f.plen = (uint8_t)(f.plen + 96);
		}
		r = mr_set_add(&x->set.set, &f, 0, 1);
	}
	if (r == 0)
		r = mr_set_seal(&x->set.set);
	start = cpu_ms();
	if (r == 0)
		r = mr_image_compile(&p, NULL, &x->image, NULL);
	x->compile_ms = cpu_ms() - start;
	return r;
}

/* --- maps ------------------------------------------------------------------------------------- */

/* An inner array in slot 0, mapped; NULL on failure. */
static void *inner_array(const struct bpf_map *outer, uint32_t value_size, size_t n, bool fixed)
{
	LIBBPF_OPTS(bpf_map_create_opts, o,
		    .map_flags = BPF_F_MMAPABLE | (fixed ? 0 : BPF_F_INNER_MAP));
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench", 4, value_size, (uint32_t)n, &o);
	uint32_t slot = 0;
	void *p = MAP_FAILED;

	if (fd >= 0 && bpf_map_update_elem(bpf_map__fd(outer), &slot, &fd, 0) == 0)
		p = mmap(NULL, value_size * n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int inner_trie(const struct bpf_map *outer, uint32_t key_size, const void *keys,
		      const uint32_t *classes, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_NO_PREALLOC);
	LIBBPF_OPTS(bpf_map_batch_opts, batch);
	_close_ int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "bench", key_size, 4, n ? n : 1, &o);
	uint32_t slot = 0;

	if (fd < 0 || (n && bpf_map_update_batch(fd, keys, classes, &n, &batch) < 0))
		return -errno;
	return bpf_map_update_elem(bpf_map__fd(outer), &slot, &fd, 0) < 0 ? -errno : 0;
}

static int fill_arrays(struct lookup *x)
{
	struct mr_layout *l = &x->layout;
	void *a, *b = NULL, *c = NULL;
	int r = 0;

	if (l->flags & MR_GEN_INDEX4) {
		a = inner_array(x->skel->maps.index4, sizeof(struct mr_index_block),
				MR_INDEX_BLOCKS, true);
		if (l->host_buckets)
			b = inner_array(x->skel->maps.hosts, sizeof(struct mr_host_bucket),
					l->host_buckets, false);
		if (!a || (l->host_buckets && !b))
			return -ENOMEM;
		x->fill_ms -= cpu_ms();
		r = mr_layout_index4(x->image, l, a, b);
		x->fill_ms += cpu_ms();
	}
	if (r == 0 && l->flags & MR_GEN_TREE6) {
		a = inner_array(x->skel->maps.tree6, sizeof(struct mr_tree6_node), l->tree6_nodes,
				false);
		b = inner_array(x->skel->maps.tree6_values, sizeof(struct mr_tree6_values),
				l->tree6_values / MR_TREE6_VALUES, false);
		if (l->host6_buckets)
			c = inner_array(x->skel->maps.hosts6, sizeof(struct mr_host6_bucket),
					l->host6_buckets, false);
		if (!a || !b || (l->host6_buckets && !c))
			return -ENOMEM;
		x->fill_ms -= cpu_ms();
		r = mr_layout_tree6(x->image, l, a, b, c);
		x->fill_ms += cpu_ms();
	}
	return r;
}

static int fill_tries(struct lookup *x)
{
	struct mr_layout *l = &x->layout;
	_free_ struct mr_trie4_key *key4 = calloc(l->trie4 + 1, sizeof(*key4));
	_free_ struct mr_trie6_key *key6 = calloc(l->trie6 + 1, sizeof(*key6));
	_free_ uint32_t *class = calloc(l->trie4 + l->trie6 + 1, sizeof(*class));
	int r;

	if (!key4 || !key6 || !class)
		return -ENOMEM;
	r = mr_layout_trie4(x->image, l, key4, class);
	if (r == 0)
		r = inner_trie(x->skel->maps.trie4, sizeof(*key4), key4, class, (uint32_t)l->trie4);
	if (r == 0)
		r = mr_layout_trie6(x->image, l, key6, class);
	if (r == 0)
		r = inner_trie(x->skel->maps.trie6, sizeof(*key6), key6, class, (uint32_t)l->trie6);
	return r;
}

static int fill_hash(struct lookup *x)
{
	int fd = bpf_map__fd(x->skel->maps.host_hash);

	for (size_t n = 0; n < x->image->n4; n++) {
		uint32_t class = x->image->v4[n].class;

		if (x->image->v4[n].plen == 32 &&
		    bpf_map_update_elem(fd, &x->image->v4[n].addr, &class, 0) < 0)
			return -errno;
	}
	return 0;
}

static int fill_probes(struct lookup *x, const struct bench_list *l)
{
	uint64_t rng = 42;

	for (uint32_t i = 0; i < LOOKUP_PROBES; i++) {
		struct lookup_probe p;
		struct bench_prefix d;

		bench_list_draw(l, &rng, &d);
		p = (struct lookup_probe){ .half = { d.hi, d.lo } };
		if (bpf_map_update_elem(bpf_map__fd(x->skel->maps.probes), &i, &p, 0) < 0)
			return -errno;
	}
	return 0;
}

static int load(struct lookup *x, const struct bench_list *l, enum mr_index_mode mode)
{
	struct mr_gen *g;
	size_t hosts = 1;
	int r;

	x->fill_ms = 0;
	x->plan_ms = cpu_ms();
	r = mr_layout_plan(x->image, mode, &x->layout);
	x->plan_ms = cpu_ms() - x->plan_ms;
	if (r < 0)
		return r;
	for (size_t n = 0; n < x->image->n4; n++)
		hosts += x->image->v4[n].plen == 32;
	x->skel = lookup_bpf__open();
	if (!x->skel)
		return -errno;
	bpf_map__set_max_entries(x->skel->maps.host_hash, (uint32_t)hosts);
	r = lookup_bpf__load(x->skel);
	if (r == 0)
		r = fill_arrays(x);
	if (r == 0)
		r = fill_tries(x);
	if (r == 0)
		r = fill_hash(x);
	if (r == 0)
		r = fill_probes(x, l);
	if (r < 0)
		return r;
	g = &x->skel->data_state->state.gen[0];
	g->flags = x->layout.flags;
	g->root4 = x->image->root4;
	g->root6 = x->image->root6;
	g->host_buckets = (uint32_t)x->layout.host_buckets;
	g->host6_buckets = (uint32_t)x->layout.host6_buckets;
	g->tree6_nodes = (uint32_t)x->layout.tree6_nodes;
	memcpy(g->top4, x->layout.top4, sizeof(g->top4));
	g->index_pack = x->layout.index_pack;
	memcpy(g->index_code, x->layout.index_code, sizeof(g->index_code));
	memcpy(g->line4, x->layout.line4, sizeof(g->line4));
	memcpy(g->lines4, x->layout.lines4, sizeof(g->lines4));
	if (x->layout.flags & MR_GEN_NEAR4)
		g->near4 = *x->layout.near4;
	return 0;
}

/* --- measure ---------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* ns a probe, the median of nine runs; the sum of the classes in *sum. */
static double run(const struct bpf_program *prog, uint32_t *sum)
{
	double ns[ROUNDS];
	char packet[64] = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = packet, .data_size_in = sizeof(packet),
			    .repeat = 1);

		if (bpf_prog_test_run_opts(bpf_program__fd(prog), &o) < 0)
			return 0;
		ns[i] = (double)o.duration / LOOKUP_PROBES;
		*sum = o.retval;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), ascending);
	return ns[ROUNDS / 2];
}

static int measure(struct lookup *x, const struct bench_list *l, enum mr_index_mode mode,
		   double *ns, double *hash_ns)
{
	bool six = bench_list_is6(l);
	uint32_t sum = 0, hash_sum = 0, bare_sum = 0;
	double bare;
	int r = load(x, l, mode);

	if (r == 0) {
		bare = run(x->skel->progs.bare, &bare_sum);
		*ns = run(six ? x->skel->progs.v6 : x->skel->progs.v4, &sum) - bare;
		if (mode == MR_INDEX_ON && !six) {
			*hash_ns = run(x->skel->progs.v4_hash, &hash_sum) - bare;
			r = sum == hash_sum ? 0 : -EBADMSG;
		}
		/* every probe lies in the list, whose class is not the root's */
		if (sum % LOOKUP_PROBES != 0 || sum == 0)
			r = -EBADMSG;
	}
	lookup_bpf__destroy(x->skel);
	return r;
}

static int row(enum bench_mix mix, size_t n)
{
	struct lookup x = { 0 };
	double trie = 0, index = 0, hash = 0;
	struct bench_list l;
	struct rusage u;
	int r = bench_list_make(mix, n, 1, &l);

	if (r < 0)
		return r;
	r = compile(&x, &l);
	if (r == 0)
		r = measure(&x, &l, MR_INDEX_OFF, &trie, &hash);
	mr_layout_clear(&x.layout);
	if (r == 0)
		r = measure(&x, &l, MR_INDEX_ON, &index, &hash);
	mr_layout_clear(&x.layout);
	getrusage(RUSAGE_SELF, &u);
	if (r == 0) {
		printf("%9zu %-6s %7.1f %7.1f ", n, mixes[mix], trie, index);
		if (mix == BENCH_MIXED6)
			printf("%7s", "-");
		else
			printf("%7.1f", hash);
		printf(" %8.1f %6.1f %6.1f %6ld\n", x.compile_ms, x.plan_ms, x.fill_ms,
		       u.ru_maxrss / 1024);
	}
	mr_image_free(x.image);
	mr_set_clear(&x.set.set);
	bench_list_clear(&l);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		enum bench_mix mix;
		size_t n;
	} table[] = {
		{ BENCH_MIXED, 10 },	  { BENCH_MIXED, 100 },	     { BENCH_MIXED, 1000 },
		{ BENCH_MIXED, 10000 },	  { BENCH_MIXED, 100000 },   { BENCH_MIXED, 1000000 },
		{ BENCH_HOSTS, 300000 },  { BENCH_MIXED6, 10 },	     { BENCH_MIXED6, 1000 },
		{ BENCH_MIXED6, 100000 }, { BENCH_MIXED6, 1000000 },
	};
	int r = 0;

	printf("%9s %-6s %7s %7s %7s %8s %6s %6s %6s\n", "prefixes", "list", "trie ns", "index",
	       "hash", "compile", "plan", "fill ms", "MiB");
	if (argc == 3) {
		for (size_t m = 0; m < MR_ARRAY_SIZE(mixes); m++)
			if (strcmp(argv[2], mixes[m]) == 0)
				r = row((enum bench_mix)m, strtoull(argv[1], NULL, 10));
	} else {
		for (size_t i = 0; i < MR_ARRAY_SIZE(table) && r == 0; i++)
			r = row(table[i].mix, table[i].n);
	}
	if (r < 0)
		fprintf(stderr, "lookup: %s\n", strerror(-r));
	return r < 0;
}
