// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * mailreeve.bpf.c - the four programs: Ethernet and L3 devices, single-buffer and multi-buffer.
 */
#include "lookup.h"

static __always_inline int guard(struct xdp_md *ctx, const int l3, const int frags)
{
	(void)ctx, (void)l3, (void)frags;
	if (mr_replay)
		decision.why = 0;
	return class_of4(state.active & 1, 0) == MR_CLASS_NONE ? XDP_PASS : XDP_PASS;
}

SEC("xdp")
int mr_l2(struct xdp_md *ctx)
{
	return guard(ctx, 0, 0);
}

SEC("xdp.frags")
int mr_l2_frags(struct xdp_md *ctx)
{
	return guard(ctx, 0, 1);
}

SEC("xdp")
int mr_l3(struct xdp_md *ctx)
{
	return guard(ctx, 1, 0);
}

SEC("xdp.frags")
int mr_l3_frags(struct xdp_md *ctx)
{
	return guard(ctx, 1, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
