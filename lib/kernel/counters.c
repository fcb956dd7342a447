// SPDX-License-Identifier: BSD-2-Clause
/*
 * counters.c - sums of the per-CPU counters, and the ring buffer of sampled decisions.
 *
 * Counters are only ever read and summed; the one write is the zeroing of a rule's counter that
 * gets a new rule, while nothing counts there.  Called by the daemon and, from the pins, by
 * `status`, `stats`, `rules`.
 */
#include "internal.h"

#include <string.h>

/* Counters read with one system call where the kernel can (5.13): 128 KiB for 8 CPUs. */
#define COUNTERS_CHUNK 1024
/* Events handed over in one call, so that a flood of them cannot hold the event loop. */
#define EVENTS_CHUNK 4096

static struct mr_count sum_cpus(const struct mr_count *v, size_t cpus)
{
	struct mr_count s = { 0 };

	for (size_t i = 0; i < cpus; i++) {
		s.packets += v[i].packets;
		s.bytes += v[i].bytes;
	}
	return s;
}

static int read_single(int fd, struct mr_count *out, uint32_t from, uint32_t n, size_t cpus,
		       struct mr_count *scratch)
{
	for (uint32_t i = from; i < n; i++) {
		if (bpf_map_lookup_elem(fd, &i, scratch) < 0)
			return -errno;
		out[i] = sum_cpus(scratch, cpus);
	}
	return 0;
}

static int read_counters(int fd, struct mr_count *out, uint32_t n)
{
	int possible = libbpf_num_possible_cpus();
	size_t cpus = possible > 0 ? (size_t)possible : 1;
	_free_ struct mr_count *v = calloc(COUNTERS_CHUNK * cpus, sizeof(*v));
	_free_ uint32_t *keys = calloc(COUNTERS_CHUNK, sizeof(*keys));
	uint32_t in = 0, next = 0, done = 0;

	if (possible < 0)
		return possible;
	if (!v || !keys)
		return -ENOMEM;
	if (fd < 0)
		return -ENOENT;
	while (done < n) {
		uint32_t count = n - done < COUNTERS_CHUNK ? n - done : COUNTERS_CHUNK;
		int r = bpf_map_lookup_batch(fd, done ? &in : NULL, &next, keys, v, &count, NULL);

		if (r < 0 && errno != ENOENT)
			return read_single(fd, out, done, n, cpus, v);
		for (uint32_t i = 0; i < count; i++)
			if (keys[i] < n)
				out[keys[i]] = sum_cpus(v + i * cpus, cpus);
		if (r < 0 || count == 0)
			break;
		done += count;
		in = next;
	}
	return 0;
}

int mr_counters_services(struct mr_kernel *k, struct mr_count *out)
{
	return read_counters(k->map[MR_MAP_SERVICES], out, MR_SERVICES_MAX * MR_COUNTED_N);
}

int mr_counters_rules(struct mr_kernel *k, struct mr_count *out)
{
	return read_counters(k->map[MR_MAP_RULES], out, MR_COUNTERS_MAX);
}

int mr_counters_reasons(struct mr_kernel *k, struct mr_count *out)
{
	return read_counters(k->map[MR_MAP_REASONS], out, MR_WHY_N);
}

static int zero(int map, uint32_t first, uint32_t n)
{
	int cpus = libbpf_num_possible_cpus();
	_free_ struct mr_count *v = NULL;

	if (cpus < 0)
		return cpus;
	v = calloc((size_t)cpus, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (uint32_t i = first; i < first + n; i++)
		if (bpf_map_update_elem(map, &i, v, BPF_ANY) < 0)
			return -errno;
	return 0;
}

int mr_counters_reset_rule(struct mr_kernel *k, unsigned int index)
{
	return zero(k->map[MR_MAP_RULES], index, 1);
}

int mr_counters_reset_service(struct mr_kernel *k, unsigned int id)
{
	return zero(k->map[MR_MAP_SERVICES], id * MR_COUNTED_N, MR_COUNTED_N);
}

/* --- events ----------------------------------------------------------------------------------- */

static int on_event(void *ctx, void *data, size_t size)
{
	struct mr_kernel *k = ctx;

	if (size >= sizeof(struct mr_event_packet) && k->event_fn)
		k->event_fn(data, k->event_userdata);
	return ++k->events_seen >= EVENTS_CHUNK ? -ECANCELED : 0;
}

static int events_open(struct mr_kernel *k)
{
	if (k->ring)
		return 0;
	if (!k->skel)
		return -EACCES; /* reading moves the reader's position: the daemon alone may */
	k->ring = ring_buffer__new(k->map[MR_MAP_EVENTS], on_event, k, NULL);
	return k->ring ? 0 : -errno;
}

int mr_events_fd(struct mr_kernel *k)
{
	int r = events_open(k);

	return r < 0 ? r : ring_buffer__epoll_fd(k->ring);
}

int mr_events_consume(struct mr_kernel *k, mr_event_fn fn, void *userdata)
{
	int r = events_open(k);

	if (r < 0)
		return r;
	k->event_fn = fn;
	k->event_userdata = userdata;
	k->events_seen = 0;
	r = ring_buffer__consume(k->ring);
	k->event_fn = NULL;
	/* stopped for the loop's sake; the descriptor is still readable */
	return r < 0 && r != -ECANCELED ? r : 0;
}
