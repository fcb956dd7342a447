/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _stream.h - what the harnesses of stream protocols share: a stream must mean the same however the
 * reads cut it.
 */
#ifndef MAILREEVE_TESTS_FUZZ_STREAM_H
#define MAILREEVE_TESTS_FUZZ_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* FNV-1a, text by text. */
static inline uint64_t stream_sum(uint64_t h, const char *text)
{
	do
		h = (h ^ (unsigned char)*text) * 1099511628211ull;
	while (*text++);
	return h;
}

/* `run` reads the stream in pieces of `step` bytes and sums up what it understood. */
static inline void stream_check(uint64_t (*run)(const char *data, size_t size, size_t step),
				const uint8_t *data, size_t size)
{
	size_t step = size ? 1 + data[0] % 64 : 1;

	if (run((const char *)data, size, size + 1) != run((const char *)data, size, step))
		abort();
}

#endif
