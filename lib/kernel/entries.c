// SPDX-License-Identifier: BSD-2-Clause
/*
 * entries.c - single entries in and out of the permit and ban maps.
 *
 * Holds no opinion: the book (entry.h) decides, this writes, to the larger maps to come as well
 * while resize.c makes them.  Called by the daemon for each change
 * and at start to adopt what is pinned; by the command to list from the pins.  Fails with the
 * kernel's errno; -E2BIG is a full map.
 */
#include "internal.h"

#include <string.h>

static int entry_map(const struct mr_kernel *k, enum mr_entry_kind kind)
{
	return k->map[kind == MR_BAN ? MR_MAP_BANS : MR_MAP_PERMITS];
}

int mr_entries_put(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key,
		   const struct mr_entry *value)
{
	if (bpf_map_update_elem(entry_map(k, kind), key, value, BPF_ANY) < 0)
		return -errno;
	mr_resize_put(k, kind, key, value);
	return 0;
}

int mr_entries_delete(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_entry_key *key)
{
	int r = bpf_map_delete_elem(entry_map(k, kind), key) < 0 ? -errno : 0;

	if (r == 0 || r == -ENOENT)
		mr_resize_delete(k, kind, key, 1);
	return r;
}

int mr_entries_delete_many(struct mr_kernel *k, enum mr_entry_kind kind,
			   const struct mr_entry_key *keys, size_t n)
{
	for (size_t done = 0; done < n;) {
		uint32_t count = n - done > UINT32_MAX ? UINT32_MAX : (uint32_t)(n - done);
		int r = bpf_map_delete_batch(entry_map(k, kind), &keys[done], &count, NULL);

		if (r < 0 && errno != ENOENT)
			return -errno;
		done += count + (r < 0); /* it stops at one that is not there */
	}
	mr_resize_delete(k, kind, keys, n);
	return 0;
}

/* A walk by buckets: entries that come and go meanwhile do not send it back to the start, as the
 * walk by keys would be.  The cursor holds the bucket number in the first bytes of `next`. */
int mr_entries_read(struct mr_kernel *k, enum mr_entry_kind kind, struct mr_entries_cursor *c,
		    struct mr_entry_key *keys, struct mr_entry *values, size_t max, size_t *n)
{
	struct mr_entry_key out = { { 0 } };
	uint32_t count = max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
	int r;

	if (c->ended) {
		*n = 0;
		return 0;
	}
	r = bpf_map_lookup_batch(entry_map(k, kind), c->started ? &c->next : NULL, &out, keys,
				 values, &count, NULL);
	if (r < 0 && errno != ENOENT)
		return -errno;
	c->ended = r < 0;
	c->started = true;
	c->next = out;
	*n = count;
	return 0;
}

uint32_t mr_entries_max(const struct mr_kernel *k, enum mr_entry_kind kind)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = k->map[kind == MR_PERMIT ? MR_MAP_PERMITS : MR_MAP_BANS];

	return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.max_entries;
}
