// SPDX-License-Identifier: BSD-2-Clause
/*
 * lines.c - libFuzzer harness of all log formats: the input is a log, line by line.
 *
 * Of every event: its strings lie in the line or in the joiner, its address stands in the line
 * (a run of address characters parses to it) or was in an earlier one, counts and names are sane.
 * A reader that asks every format about every line comes to the same.
 */
#include "_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *log = (const char *)data, *p = log, *end = log + size;
	struct readers two = readers_new(size);

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *next = nl ? nl + 1 : end, *last = nl ? nl : end;

		while (last > p && last[-1] == '\r') /* the reader would trim it */
			last--;
		event_line(two, p, (size_t)(last - p), log, (size_t)(last - log));
		p = next;
	}
	readers_free(two);
	return 0;
}
