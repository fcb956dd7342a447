// SPDX-License-Identifier: BSD-2-Clause
/*
 * copy.c - carries entries and counters from one set of maps to another: a map of another size, or
 * the maps of another ABI.
 *
 * Reads the old maps, writes the new ones before anybody uses them; never changes the old.  What
 * has run out is left behind.  Values of another length are copied as far as both go, because
 * layouts grow at the end only; a map of a layout that cannot be known is left behind, and noted.
 * Called by load.c at open.  Fails if entries do not fit.
 */
#include "internal.h"

#include <string.h>

#define COPY_CHUNK 1024 /* entries read at a time; a bucket that is larger does not occur */

static int copy_chunk(const struct bpf_map_info *fi, int to, uint64_t now, const uint8_t *keys,
		      const uint8_t *values, uint32_t n, size_t *copied)
{
	struct mr_entry v;
	size_t len = fi->value_size < sizeof(v) ? fi->value_size : sizeof(v);

	for (uint32_t i = 0; i < n; i++) {
		memset(&v, 0, sizeof(v));
		memcpy(&v, values + (size_t)i * fi->value_size, len);
		if (v.expires <= now)
			continue;
		if (bpf_map_update_elem(to, keys + (size_t)i * fi->key_size, &v, BPF_ANY) < 0)
			return -errno;
		(*copied)++;
	}
	return 0;
}

int mr_copy_entries(int from, const struct bpf_map_info *fi, int to, uint64_t now, size_t *copied)
{
	_free_ uint8_t *keys = malloc((size_t)COPY_CHUNK * fi->key_size);
	_free_ uint8_t *values = malloc((size_t)COPY_CHUNK * fi->value_size);
	uint32_t in = 0, out = 0;
	bool started = false;
	size_t done = 0;

	if (fi->key_size != sizeof(struct mr_entry_key) || fi->value_size < sizeof(uint64_t))
		return -EPROTO;
	if (!keys || !values)
		return -ENOMEM;
	for (bool more = true; more;) {
		uint32_t n = COPY_CHUNK;
		int r = bpf_map_lookup_batch(from, started ? &in : NULL, &out, keys, values, &n,
					     NULL);

		if (r < 0 && errno != ENOENT)
			return -errno;
		more = r == 0;
		r = copy_chunk(fi, to, now, keys, values, n, &done);
		if (r < 0)
			return r;
		in = out;
		started = true;
	}
	*copied = done;
	return 0;
}

/* Counters by index.  stride: counters of one service, so that another number of kinds does not
 * shift the services; 0 = a plain list. */
static int copy_counters(int from, const struct bpf_map_info *fi, int to, uint32_t to_max,
			 uint32_t groups)
{
	size_t cpus = (size_t)libbpf_num_possible_cpus();
	uint32_t from_stride = fi->max_entries / groups, to_stride = to_max / groups;
	uint32_t stride = from_stride < to_stride ? from_stride : to_stride;
	_free_ struct mr_count *v = calloc(cpus, sizeof(*v));

	if (fi->type != BPF_MAP_TYPE_PERCPU_ARRAY || fi->key_size != 4 ||
	    fi->value_size != sizeof(*v))
		return -EPROTO;
	if (!v)
		return -ENOMEM;
	for (uint32_t g = 0; g < groups; g++) {
		for (uint32_t i = 0; i < stride; i++) {
			uint32_t old = g * from_stride + i, new = g *to_stride + i;

			if (bpf_map_lookup_elem(from, &old, v) < 0 ||
			    bpf_map_update_elem(to, &new, v, BPF_ANY) < 0)
				return -errno;
		}
	}
	return 0;
}

static int copy_map(struct mr_kernel *k, enum mr_map m, int from, const struct bpf_map_info *fi)
{
	size_t copied;

	switch (m) {
	case MR_MAP_PERMITS:
	case MR_MAP_BANS:
		return mr_copy_entries(from, fi, k->map[m], mr_boottime_ns(), &copied);
	case MR_MAP_SERVICES:
		return copy_counters(from, fi, k->map[m], MR_SERVICES_MAX * MR_COUNTED_N,
				     MR_SERVICES_MAX);
	case MR_MAP_RULES:
		return copy_counters(from, fi, k->map[m], MR_COUNTERS_MAX, 1);
	default:
		return copy_counters(from, fi, k->map[m], MR_WHY_N, 1);
	}
}

int mr_copy_other_abis(struct mr_kernel *k, const bool fresh[static MR_MAP_N], struct mr_error *e)
{
	unsigned int abis[MR_PIN_ABIS_MAX];
	char path[PATH_MAX];
	size_t n = 0;
	int r;

	r = mr_pin_other_abis(k->pin_dir, abis, MR_ARRAY_SIZE(abis), &n);
	if (r < 0)
		return mr_error(e, r, "cannot read the pin directory %s: %s", k->pin_dir,
				strerror(-r));
	k->other_abi = n > 0;
	for (size_t i = 0; i < n; i++) {
		for (enum mr_map m = MR_MAP_PERMITS; m <= MR_MAP_REASONS; m++) {
			struct bpf_map_info info;
			_close_ int fd = -EBADF;

			/* one that is pinned already was copied by the run that pinned it */
			if (!fresh[m] || mr_pin_path(k->pin_dir, abis[i], mr_map_names[m], path))
				continue;
			fd = mr_pin_open(path, true, &info, e);
			if (fd == -ENOENT)
				continue;
			if (fd < 0)
				return fd;
			r = copy_map(k, m, fd, &info);
			if (r == -EPROTO) { /* a layout that this version cannot know */
				k->left_behind |= 1u << m;
				continue;
			}
			if (r < 0)
				return mr_error(e, r, "cannot copy %s of an earlier version: %s",
						path, strerror(-r));
		}
	}
	return 0;
}
