// SPDX-License-Identifier: BSD-2-Clause
/*
 * testrun.c - one packet through the real program, without a device (BPF_PROG_TEST_RUN).
 *
 * The verdict hangs on the headers alone, so of a packet above a page only the beginning is handed
 * in.  The kernel takes no frame below 14 bytes; those are judged here, as the program would judge
 * them.  Called by `replay`, tests and benchmarks.  Needs the rights that loading needs.
 */
#include "internal.h"

#include <string.h>

#define FRAME_MIN 14 /* bytes; the kernel's lower limit for XDP */
/* Bytes handed in at most: a page less headroom, tailroom and some reserve.  Longer than any chain
 * of headers that the program walks. */
#define FRAME_MAX 3072
#define FRAME_OUT 4096 /* what may come back: a reset is shorter than what it answers */

/* Below 14 bytes an Ethernet frame holds no IP, and an IP packet holds no whole header. */
static void judge_short(bool l3, const uint8_t *p, size_t len, struct mr_decision *d)
{
	unsigned int version = l3 && len ? p[0] >> 4 : 0;
	bool ip = version == 4 || version == 6;

	*d = (struct mr_decision){
		.verdict = ip ? XDP_DROP : XDP_PASS,
		.why = ip ? MR_WHY_MALFORMED : MR_WHY_NOT_IP,
		.service = 255,
		.action = MR_ALLOW,
	};
}

int mr_test_run(struct mr_kernel *k, bool l3, const void *packet, size_t len, struct mr_decision *d,
		void *out, size_t *out_len)
{
	uint8_t back[FRAME_OUT];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_out = back,
		    .data_size_in = len > FRAME_MAX ? FRAME_MAX : (uint32_t)len,
		    .data_size_out = sizeof(back), .repeat = 1);

	if (!k->skel)
		return -EINVAL;
	if (len < FRAME_MIN) {
		judge_short(l3, packet, len, d);
		if (out)
			memcpy(out, packet, len);
		if (out_len)
			*out_len = len;
		return 0;
	}
	memset(k->decision, 0, sizeof(*k->decision));
	if (bpf_prog_test_run_opts(mr_program_fd(k, l3), &opts) < 0)
		return -errno;
	*d = *k->decision;
	d->verdict = (uint8_t)opts.retval;
	if (!k->replay)
		d->service = 255; /* not recorded: the verdict is all there is */
	if (out)
		memcpy(out, back, opts.data_size_out);
	if (out_len)
		*out_len = opts.data_size_out;
	return 0;
}
