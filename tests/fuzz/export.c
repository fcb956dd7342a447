// SPDX-License-Identifier: BSD-2-Clause
/*
 * export.c - libFuzzer harness of the journal's export format: however a stream is cut, the same
 * records come out of it.
 */
#include "_event.h"
#include "_stream.h"

#include <mailreeve/export.h>

#define ROOM 512 /* bytes: more is not offered at once, in the run that has a limit */

static uint64_t sum_bytes(uint64_t h, struct mr_str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211ull;
	return h * 31 + s.n;
}

static uint64_t sum_record(uint64_t h, const struct mr_line *l)
{
	return sum_bytes(sum_bytes(h, l->program), l->message) * 31 + l->pid + l->time_us;
}

/* Offers what is there, a step more each time that nothing is taken. */
static uint64_t feed(const char *data, size_t size, size_t step, size_t room)
{
	_cleanup_(mr_export_freep) struct mr_export *x = NULL;
	size_t done = 0, there = 0;
	struct mr_line l;
	uint64_t h = 1;

	if (mr_export_new(&x) < 0)
		abort();
	while (done < size) {
		size_t n = there - done < room ? there - done : room, ate;
		char *copy = exact_copy(data + done, n);
		bool record;

		ate = mr_export_feed(x, copy, n, n == room, &record, &l);
		if (ate > n || (n == room && ate == 0))
			abort();
		if (ate && record)
			h = sum_record(h, &l);
		free(copy);
		done += ate;
		if (ate == 0 && there == size)
			break;
		if (ate == 0)
			there = size - there < step ? size : there + step;
	}
	return mr_export_end(x, &l) ? sum_record(h, &l) : h;
}

static uint64_t run(const char *data, size_t size, size_t step)
{
	return feed(data, size, step, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 16384)
		return 0;
	stream_check(run, data, size);
	feed((const char *)data, size, size + 1, ROOM);
	return 0;
}
