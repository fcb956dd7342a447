// SPDX-License-Identifier: BSD-2-Clause
/*
 * generation.c - fills the spare slot with an image, and flips.
 *
 * A generation is a head (struct mr_gen in the state map), inner maps in the spare slot of the
 * outer maps, and the `to` entries of the slot.  The order keeps the program from ever seeing half
 * of one:
 *   1. a grace period: no packet still reads the slot that the last flip made spare;
 *   2. the head's number goes to 0 (not complete), then the slot is emptied;
 *   3. inner maps are made to size, filled, unmapped, frozen, and put into their outer maps;
 *   4. the head is written, its number last;
 *   5. mr_generation_flip() stores the slot number, with release order.
 * On failure the slot is emptied again (or left alone, before 1.), and the active generation has
 * not been touched.
 *
 * Never writes to the active slot.  Called by the daemon, filling from its worker thread; by
 * `replay`, tests and benchmarks.  A trie whose bulk update fails for want of memory is retried
 * with growing pauses, then given up.
 */
#include "internal.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* ENOMEM of the tries passes when the allocator has refilled; 1 ms, doubling, half a second in all
 * without progress. */
#define TRIE_RETRIES	 9
#define TRIE_RETRY_FIRST 1000000L /* ns */
/* What a kernel without an operation of a map says; not in errno.h. */
#define ENOTSUPP_KERNEL 524

struct fill {
	struct mr_kernel *k;
	const struct mr_generation_spec *spec;
	struct mr_layout layout;
	uint32_t slot;
	bool ours; /* the slot: no packet reads it any more */
	int inner[MR_INNER_N];
	struct mr_error *e;
};

static const uint32_t inner_flag[MR_INNER_N] = {
	[MR_INNER_CELLS] = 0, /* MR_GEN_CELLS_NEAR says that it is not there */
	[MR_INNER_INDEX4] = MR_GEN_INDEX4,
	[MR_INNER_HOSTS] = MR_GEN_HOSTS,
	[MR_INNER_TRIE4] = MR_GEN_TRIE4,
	[MR_INNER_TRIE6] = MR_GEN_TRIE6,
	[MR_INNER_TREE6] = MR_GEN_TREE6,
	[MR_INNER_TREE6_VALUES] = MR_GEN_TREE6,
	[MR_INNER_HOSTS6] = MR_GEN_HOSTS6,
};

static uint32_t spare_slot(const struct mr_kernel *k)
{
	return (__atomic_load_n(&k->state->active, __ATOMIC_ACQUIRE) & 1) ^ 1;
}

static int fill_error(struct fill *f, int r, enum mr_inner i, const char *what)
{
	return mr_error(f->e, r, "cannot %s %s of the new generation: %s", what,
			mr_map_names[MR_MAP_CELLS + i], strerror(-r));
}

/* --- the slot --------------------------------------------------------------------------------- */

static int wait_grace_period(struct mr_kernel *k)
{
	_close_ int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mr_fence_in", 4, 4, 1, NULL);
	uint32_t zero = 0;

	if (inner < 0)
		return -errno;
	return bpf_map_update_elem(k->fence, &zero, &inner, BPF_ANY) < 0 ? -errno : 0;
}

/* The `to` entries of a slot.  A deletion disturbs the walk, so keys are collected first. */
static int empty_destinations(struct mr_kernel *k, uint32_t slot)
{
	_free_ struct mr_to_key *keys = malloc(sizeof(*keys) * MR_TO_MAX);
	struct mr_to_key *prev = NULL, key;
	struct mr_to_key at;
	size_t n = 0;

	if (!keys)
		return -ENOMEM;
	while (n < MR_TO_MAX && bpf_map_get_next_key(k->map[MR_MAP_TO], prev, &key) == 0) {
		if (key.slot == slot)
			keys[n++] = key;
		at = key;
		prev = &at;
	}
	for (size_t i = 0; i < n; i++)
		if (bpf_map_delete_elem(k->map[MR_MAP_TO], &keys[i]) < 0 && errno != ENOENT)
			return -errno;
	return 0;
}

static int empty_slot(struct mr_kernel *k, uint32_t slot)
{
	__atomic_store_n(&k->state->gen[slot].number, 0, __ATOMIC_RELEASE);
	for (size_t i = 0; i < MR_INNER_N; i++) {
		if (bpf_map_delete_elem(k->map[MR_MAP_CELLS + i], &slot) < 0 && errno != ENOENT)
			return -errno;
		if (k->inner[slot][i] >= 0)
			close(k->inner[slot][i]);
		k->inner[slot][i] = -EBADF;
	}
	return empty_destinations(k, slot);
}

/* --- inner maps ------------------------------------------------------------------------------- */

static int inner_create(struct fill *f, enum mr_inner i, size_t entries)
{
	const struct mr_inner_shape *s = &f->k->shape[i];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = s->flags);
	uint32_t max = entries ? (uint32_t)entries : 1;
	int fd = bpf_map_create(s->type, mr_map_names[MR_MAP_CELLS + i], s->key_size, s->value_size,
				max, &opts);

	if (fd < 0)
		return fill_error(f, -errno, i, "make the map");
	f->inner[i] = fd;
	return 0;
}

static size_t inner_bytes(const struct fill *f, enum mr_inner i, size_t entries)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (f->k->shape[i].value_size * entries + page - 1) / page * page;
}

static int inner_map(struct fill *f, enum mr_inner i, size_t entries, void **p)
{
	void *m = mmap(NULL, inner_bytes(f, i, entries), PROT_READ | PROT_WRITE, MAP_SHARED,
		       f->inner[i], 0);

	if (m == MAP_FAILED)
		return fill_error(f, -errno, i, "write to the map");
	*p = m;
	return 0;
}

static void inner_unmap(struct fill *f, enum mr_inner i, size_t entries, void *p)
{
	if (p)
		munmap(p, inner_bytes(f, i, entries));
}

static int fill_cells(struct fill *f)
{
	const struct mr_image *img = f->spec->image;
	size_t n = img->classes * img->columns;
	void *p = NULL;
	int r;

	if (n <= MR_CELLS_NEAR) {
		f->layout.flags |= MR_GEN_CELLS_NEAR;
		return 0;
	}
	r = inner_create(f, MR_INNER_CELLS, n);
	if (r == 0)
		r = inner_map(f, MR_INNER_CELLS, n, &p);
	if (r < 0)
		return r;
	if (p)
		memcpy(p, img->cells, n * sizeof(*img->cells));
	inner_unmap(f, MR_INNER_CELLS, n, p);
	return 0;
}

static int fill_index(struct fill *f)
{
	size_t buckets = f->layout.flags & MR_GEN_HOSTS ? f->layout.host_buckets : 0;
	size_t blocks = MR_INDEX_BLOCKS >> f->layout.index_pack;
	void *index = NULL, *hosts = NULL;
	int r;

	if (!(f->layout.flags & MR_GEN_INDEX4))
		return 0;
	r = inner_create(f, MR_INNER_INDEX4, blocks);
	if (r == 0 && buckets)
		r = inner_create(f, MR_INNER_HOSTS, buckets);
	if (r == 0)
		r = inner_map(f, MR_INNER_INDEX4, blocks, &index);
	if (r == 0 && buckets)
		r = inner_map(f, MR_INNER_HOSTS, buckets, &hosts);
	if (r == 0) {
		r = mr_layout_index4(f->spec->image, &f->layout, index, hosts);
		if (r < 0)
			fill_error(f, r, MR_INNER_INDEX4, "lay out the map");
	}
	inner_unmap(f, MR_INNER_INDEX4, blocks, index);
	inner_unmap(f, MR_INNER_HOSTS, buckets, hosts);
	return r;
}

static int fill_tree6(struct fill *f)
{
	size_t nodes = f->layout.tree6_nodes;
	size_t values = (f->layout.tree6_values + MR_TREE6_VALUES - 1) / MR_TREE6_VALUES;
	size_t buckets = f->layout.flags & MR_GEN_HOSTS6 ? f->layout.host6_buckets : 0;
	void *n = NULL, *v = NULL, *h = NULL;
	int r;

	if (!(f->layout.flags & MR_GEN_TREE6))
		return 0;
	r = inner_create(f, MR_INNER_TREE6, nodes);
	if (r == 0)
		r = inner_create(f, MR_INNER_TREE6_VALUES, values);
	if (r == 0)
		r = inner_map(f, MR_INNER_TREE6, nodes, &n);
	if (r == 0)
		r = inner_map(f, MR_INNER_TREE6_VALUES, values, &v);
	if (r == 0 && buckets)
		r = inner_create(f, MR_INNER_HOSTS6, buckets);
	if (r == 0 && buckets)
		r = inner_map(f, MR_INNER_HOSTS6, buckets, &h);
	if (r == 0) {
		r = mr_layout_tree6(f->spec->image, &f->layout, n, v, h);
		if (r < 0)
			fill_error(f, r, MR_INNER_TREE6, "lay out the map");
	}
	inner_unmap(f, MR_INNER_TREE6, nodes, n);
	inner_unmap(f, MR_INNER_TREE6_VALUES, values, v);
	inner_unmap(f, MR_INNER_HOSTS6, buckets, h);
	return r;
}

/* --- tries ------------------------------------------------------------------------------------ */

/* As many elements as the kernel takes in one go: in bulk from Linux 5.13 on, else one by one.
 * *done grows; the return value is that of the element that failed. */
static int trie_push(int fd, const uint8_t *keys, size_t key_size, const uint32_t *classes,
		     size_t n, size_t *done, bool *bulk)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	while (*done < n) {
		uint32_t count = n - *done > UINT32_MAX ? UINT32_MAX : (uint32_t)(n - *done);
		int r;

		if (!*bulk) {
			if (bpf_map_update_elem(fd, keys + *done * key_size, &classes[*done],
						BPF_ANY) < 0)
				return -errno;
			(*done)++;
			continue;
		}
		r = bpf_map_update_batch(fd, keys + *done * key_size, &classes[*done], &count,
					 &opts) < 0
			    ? -errno
			    : 0;
		if (r == -ENOTSUPP_KERNEL || r == -EINVAL || r == -EOPNOTSUPP) {
			*bulk = false;
			continue;
		}
		/* count comes back as what was taken, but not where the copy itself failed */
		if (r != -EFAULT)
			*done += count;
		if (r < 0)
			return r;
	}
	return 0;
}

static int trie_fill(struct fill *f, enum mr_inner i, const void *keys, const uint32_t *classes,
		     size_t n)
{
	size_t done = 0, before;
	bool bulk = true;
	int r, tries = 0;

	for (;;) {
		struct timespec pause = { .tv_nsec = TRIE_RETRY_FIRST << tries };

		before = done;
		r = trie_push(f->inner[i], keys, f->k->shape[i].key_size, classes, n, &done, &bulk);
		if (r != -ENOMEM)
			break;
		tries = done > before ? 0 : tries + 1;
		if (tries >= TRIE_RETRIES)
			break;
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		return mr_error(
			f->e, r,
			"cannot load %s of the new generation: %s, after %zu of %zu prefixes",
			mr_map_names[MR_MAP_CELLS + i], strerror(-r), done, n);
	return 0;
}

static int fill_tries(struct fill *f)
{
	const struct mr_layout *l = &f->layout;
	size_t n4 = l->flags & MR_GEN_TRIE4 ? l->trie4 : 0;
	size_t n6 = l->flags & MR_GEN_TRIE6 ? l->trie6 : 0;
	size_t n = n4 > n6 ? n4 : n6;
	_free_ void *keys = malloc((n ? n : 1) * sizeof(struct mr_trie6_key));
	_free_ uint32_t *classes = malloc((n ? n : 1) * sizeof(*classes));
	int r = 0;

	if (!keys || !classes)
		return mr_error(f->e, -ENOMEM, "no memory for %zu prefixes", n);
	if (n4) {
		r = inner_create(f, MR_INNER_TRIE4, n4);
		if (r == 0)
			r = mr_layout_trie4(f->spec->image, l, keys, classes);
		if (r == 0)
			r = trie_fill(f, MR_INNER_TRIE4, keys, classes, n4);
	}
	if (r == 0 && n6) {
		r = inner_create(f, MR_INNER_TRIE6, n6);
		if (r == 0)
			r = mr_layout_trie6(f->spec->image, l, keys, classes);
		if (r == 0)
			r = trie_fill(f, MR_INNER_TRIE6, keys, classes, n6);
	}
	return r;
}

/* --- the head --------------------------------------------------------------------------------- */

static int fill_destinations(struct fill *f)
{
	const struct mr_image *img = f->spec->image;
	const uint8_t one = 1;

	for (size_t c = 0; c < img->columns; c++) {
		const struct mr_service *s = img->service[c];

		for (size_t i = 0; i < s->n_to; i++) {
			struct mr_to_key key = { .slot = (uint8_t)f->slot,
						 .service = f->spec->service_id[c] };

			memcpy(key.addr, &s->to[i], sizeof(key.addr));
			if (bpf_map_update_elem(f->k->map[MR_MAP_TO], &key, &one, BPF_ANY) == 0)
				continue;
			return mr_error(f->e, -errno,
					errno == E2BIG ? "service %s: more than %d destinations "
							 "(`to`) in two generations"
						       : "service %s: cannot enter its "
							 "destinations (at most %d): %m",
					s->name, MR_TO_MAX);
		}
	}
	return 0;
}

static void prefix_mask(unsigned int plen, __u64 mask[2])
{
	struct mr_addr a;

	memset(&a, 0xff, sizeof(a));
	mr_addr_mask(&a, plen);
	memcpy(mask, &a, sizeof(a));
}

static void head_services(const struct fill *f, struct mr_gen *g)
{
	const struct mr_image *img = f->spec->image;

	for (size_t c = 0; c < img->columns; c++) {
		const struct mr_service *s = img->service[c];

		g->service[c].id = f->spec->service_id[c];
		g->service[c].flags =
			(uint8_t)((s->mode == MR_MODE_SHADOW ? MR_SERVICE_SHADOW : 0) |
				  (s->n_to ? MR_SERVICE_TO : 0) |
				  (s->established_any ? MR_SERVICE_ESTABLISHED : 0));
		for (size_t i = 0; i < s->n_ports; i++)
			g->column[s->ports[i]] = (uint8_t)(c + 1);
	}
}

static void head_cells(const struct fill *f, struct mr_gen *g)
{
	const struct mr_image *img = f->spec->image;
	size_t n = img->classes * img->columns;

	if (n && f->layout.flags & MR_GEN_CELLS_NEAR)
		memcpy(g->cell, img->cells, n * sizeof(g->cell[0]));
}

static int fill_head(struct fill *f)
{
	const struct mr_generation_spec *spec = f->spec;
	const struct mr_layout *l = &f->layout;
	_free_ struct mr_gen *g = calloc(1, sizeof(*g));
	struct mr_gen *to = &f->k->state->gen[f->slot];

	if (!g)
		return mr_error(f->e, -ENOMEM, "no memory for the new generation");
	g->flags = l->flags;
	g->columns = (uint32_t)spec->image->columns;
	g->root4 = spec->image->root4;
	g->root6 = spec->image->root6;
	g->host_buckets = (uint32_t)l->host_buckets;
	g->tree6_nodes = (uint32_t)l->tree6_nodes;
	g->tree6_depth = (uint32_t)l->tree6_depth;
	g->host6_buckets = (uint32_t)l->host6_buckets;
	prefix_mask(spec->policy->ban.ipv6_prefix, g->ban_mask6);
	prefix_mask(spec->policy->permit.ipv6_prefix, g->permit_mask6);
	memcpy(g->top4, l->top4, sizeof(g->top4));
	g->index_pack = l->index_pack;
	memcpy(g->index_code, l->index_code, sizeof(g->index_code));
	memcpy(g->line4, l->line4, sizeof(g->line4));
	memcpy(g->lines4, l->lines4, sizeof(g->lines4));
	if (l->flags & MR_GEN_NEAR4)
		g->near4 = *l->near4;
	if (spec->rule_counter)
		memcpy(g->rule_counter, spec->rule_counter, sizeof(g->rule_counter));
	head_services(f, g);
	head_cells(f, g);
	*to = *g;
	__atomic_store_n(&to->number, spec->number, __ATOMIC_RELEASE);
	return 0;
}

/* --- fill and flip ---------------------------------------------------------------------------- */

/* A structure without content stays out of its slot, and its flag off. */
static void drop_empty(struct fill *f)
{
	struct mr_layout *l = &f->layout;

	if (l->trie4 == 0)
		l->flags &= ~(uint32_t)MR_GEN_TRIE4;
	if (l->trie6 == 0)
		l->flags &= ~(uint32_t)MR_GEN_TRIE6;
	for (size_t i = 1; i < MR_INNER_N; i++)
		if (f->inner[i] < 0)
			l->flags &= ~inner_flag[i];
}

static int put_maps(struct fill *f)
{
	for (size_t i = 0; i < MR_INNER_N; i++) {
		if (f->inner[i] < 0)
			continue;
		if (bpf_map_freeze(f->inner[i]) < 0)
			return fill_error(f, -errno, (enum mr_inner)i, "freeze the map");
		if (bpf_map_update_elem(f->k->map[MR_MAP_CELLS + i], &f->slot, &f->inner[i],
					BPF_ANY) < 0)
			return fill_error(f, -errno, (enum mr_inner)i, "put in place the map");
		f->k->inner[f->slot][i] = MR_TAKE_FD(f->inner[i]);
	}
	return 0;
}

static int fill_slot(struct fill *f)
{
	const struct mr_generation_spec *spec = f->spec;
	int r;

	r = mr_layout_plan(spec->image, spec->policy->index, &f->layout);
	if (r < 0)
		return mr_error(f->e, r, "cannot lay out the new generation: %s", strerror(-r));
	r = wait_grace_period(f->k);
	f->ours = r == 0;
	if (r == 0)
		r = empty_slot(f->k, f->slot);
	if (r < 0)
		return mr_error(f->e, r, "cannot empty the spare generation: %s", strerror(-r));
	r = fill_cells(f);
	if (r == 0)
		r = fill_index(f);
	if (r == 0)
		r = fill_tree6(f);
	if (r == 0)
		r = fill_tries(f);
	if (r == 0)
		r = fill_destinations(f);
	if (r < 0)
		return r;
	drop_empty(f);
	r = put_maps(f);
	return r < 0 ? r : fill_head(f);
}

int mr_generation_fill(struct mr_kernel *k, const struct mr_generation_spec *spec,
		       struct mr_error *e)
{
	struct fill f = { .k = k, .spec = spec, .slot = spare_slot(k), .e = e };
	int r;

	if (!k->skel || spec->number == 0)
		return -EINVAL;
	for (size_t i = 0; i < MR_INNER_N; i++)
		f.inner[i] = -EBADF;
	r = fill_slot(&f);
	mr_layout_clear(&f.layout);
	for (size_t i = 0; i < MR_INNER_N; i++)
		if (f.inner[i] >= 0)
			close(f.inner[i]);
	if (r < 0 && f.ours)
		empty_slot(k, f.slot);
	return r;
}

int mr_generation_flip(struct mr_kernel *k)
{
	uint32_t spare = spare_slot(k);

	if (!k->skel)
		return -EINVAL;
	if (__atomic_load_n(&k->state->gen[spare].number, __ATOMIC_ACQUIRE) == 0)
		return -ENOENT;
	__atomic_store_n(&k->state->active, spare, __ATOMIC_RELEASE);
	return 0;
}

bool mr_generation_spare(struct mr_kernel *k, uint64_t *number)
{
	uint64_t n;

	if (!k->state)
		return false;
	n = __atomic_load_n(&k->state->gen[spare_slot(k)].number, __ATOMIC_ACQUIRE);
	if (n != 0)
		*number = n;
	return n != 0;
}
