// SPDX-License-Identifier: BSD-2-Clause
/*
 * split.c - libFuzzer harness of what cuts the bytes of a log file into lines: however they are
 * read, the same lines come of them, and every byte is accounted for.
 *
 * A byte 0x02 stands for LONG bytes of a line, so that short inputs make lines that are too long.
 */
#include "../../daemon/source/lines.h"
#include "_event.h"

#define LONG 30000

static uint64_t run(const char *data, size_t size, size_t step)
{
	struct mr_lines l = { 0 };
	uint64_t used = 0, h = 1;
	struct mr_str line;

	for (size_t at = 0, n; at < size; at += n) {
		size_t room;
		char *to = mr_lines_room(&l, &room);

		if (!to)
			abort();
		n = size - at < step ? size - at : step;
		n = n < room ? n : room;
		if (n == 0)
			abort();
		memcpy(to, data + at, n);
		mr_lines_added(&l, n);
		while (mr_lines_next(&l, &line, &used)) {
			if (line.n == 0 || line.n > MR_LINE_MAX || memchr(line.p, '\n', line.n))
				abort();
			h = h * 31 + line.n;
			for (size_t i = 0; i < line.n; i++)
				h = (h ^ (unsigned char)line.p[i]) * 1099511628211ull;
		}
		if (used + (l.end - l.start) != at + n)
			abort();
	}
	h = h * 31 + l.skipped;
	mr_lines_clear(&l);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = 0, longs = 0;
	char *text;

	for (size_t i = 0; i < size; i++)
		longs += data[i] == 2;
	if (longs > 16 || size == 0)
		return 0;
	text = malloc(size + longs * LONG);
	if (!text)
		abort();
	for (size_t i = 0; i < size; i++) {
		if (data[i] == 2)
			memset(text + n, 'x', LONG);
		else
			text[n] = (char)data[i];
		n += data[i] == 2 ? LONG : 1;
	}
	/* cut in two ways: as large as there is room, and by the first byte */
	if (run(text, n, SIZE_MAX) !=
	    run(text, n, longs ? (size_t)data[0] * 257 + 4096 : 1 + data[0] % 64))
		abort();
	free(text);
	return 0;
}
