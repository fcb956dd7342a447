// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c - libFuzzer harness of the policy protocol: however a stream is cut, the same requests
 * come out of it, and the same end.
 */
#include "_stream.h"

#include <mailreeve/policy_protocol.h>

#include <string.h>

/* A sum over all that was understood, and how it ended. */
static uint64_t run(const char *data, size_t size, size_t step)
{
	struct mr_policy_parser p = { 0 };
	struct mr_policy_request r;
	uint64_t h = 1;
	int got = 0;

	for (size_t at = 0, used = 0; at < size && got >= 0; at += used) {
		size_t n = size - at < step ? size - at : step;

		got = mr_policy_feed(&p, data + at, n, &used, &r, NULL);
		if (got >= 0 && (used > n || (got == 0 && used != n)))
			abort();
		if (got != 1)
			continue;
		h = stream_sum(stream_sum(stream_sum(h, r.protocol_state), r.client_address),
			       r.client_name);
		h = stream_sum(stream_sum(stream_sum(h, r.server_address), r.server_port),
			       r.sender);
		h = stream_sum(stream_sum(stream_sum(h, r.recipient), r.sasl_username),
			       r.policy_context);
		h = stream_sum(h, r.instance);
	}
	if (got < 0)
		h = h * 3 + (uint64_t)-got;
	else
		h = h * 3 + mr_policy_pending(&p);
	mr_policy_parser_clear(&p);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	stream_check(run, data, size);
	return 0;
}
