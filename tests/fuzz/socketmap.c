// SPDX-License-Identifier: BSD-2-Clause
/*
 * socketmap.c - libFuzzer harness of the socketmap protocol: however a stream is cut, the same
 * requests come out of it, and the same end.
 */
#include "_stream.h"

#include <mailreeve/socketmap.h>

#include <string.h>

static uint64_t run(const char *data, size_t size, size_t step)
{
	struct mr_socketmap_parser p = { 0 };
	struct mr_socketmap_request r;
	char reply[MR_SOCKETMAP_NETSTRING];
	uint64_t h = 1;
	int got = 0;

	for (size_t at = 0, used = 0; at < size && got >= 0; at += used) {
		size_t n = size - at < step ? size - at : step;

		got = mr_socketmap_feed(&p, data + at, n, &used, &r, NULL);
		if (got >= 0 && (used > n || (got == 0 && used != n)))
			abort();
		if (got != 1)
			continue;
		h = stream_sum(stream_sum(h, r.map), r.key);
		if (mr_socketmap_reply(reply, "OK", r.key) != strlen(reply))
			abort();
	}
	if (got < 0)
		h = h * 3 + (uint64_t)-got;
	else
		h = h * 3 + mr_socketmap_pending(&p);
	mr_socketmap_parser_clear(&p);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	stream_check(run, data, size);
	return 0;
}
