// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - what the generations cost, from the `memlock:` line of each map's fdinfo.
 *
 * Reads only.  The maps of a generation that an earlier process filled are known by number alone;
 * opening them takes CAP_SYS_ADMIN, so without it such a slot counts as unknown, 0.
 */
#include "internal.h"

#include <string.h>

static uint64_t map_memory(int fd)
{
	char path[64], line[128];
	_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "memlock:", 8) == 0)
			return strtoull(line + 8, NULL, 10);
	return 0;
}

static int slot_memory(struct mr_kernel *k, uint32_t slot, uint64_t *bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MR_INNER_N; i++) {
		_close_ int fd = -EBADF;
		uint32_t id;

		if (k->inner[slot][i] >= 0) {
			sum += map_memory(k->inner[slot][i]);
			continue;
		}
		if (bpf_map_lookup_elem(k->map[MR_MAP_CELLS + i], &slot, &id) < 0)
			continue;
		fd = bpf_map_get_fd_by_id(id);
		if (fd < 0)
			return -errno;
		sum += map_memory(fd);
	}
	*bytes = sum;
	return 0;
}

int mr_generation_memory(struct mr_kernel *k, uint64_t bytes[MR_SLOTS])
{
	if (!k->state)
		return -ENOENT;
	for (uint32_t slot = 0; slot < MR_SLOTS; slot++) {
		bytes[slot] = 0;
		(void)slot_memory(k, slot, &bytes[slot]);
	}
	return 0;
}
