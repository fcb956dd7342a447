// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * mailreeve.bpf.c - the entry points: Ethernet and L3 devices, single-buffer and multi-buffer.
 *
 * One program text, judged in guard.h.  A tun or WireGuard device has no Ethernet header, which the
 * program cannot see and user space can (ARPHRD); multi-buffer programs load from Linux 5.18 on.
 */
#include "guard.h"

SEC("xdp")
int mr_l2(struct xdp_md *ctx)
{
	return mr_guard(ctx, 0);
}

SEC("xdp.frags")
int mr_l2_frags(struct xdp_md *ctx)
{
	return mr_guard(ctx, MR_KIND_FRAGS);
}

SEC("xdp")
int mr_l3(struct xdp_md *ctx)
{
	return mr_guard(ctx, MR_KIND_L3);
}

SEC("xdp.frags")
int mr_l3_frags(struct xdp_md *ctx)
{
	return mr_guard(ctx, MR_KIND_L3 | MR_KIND_FRAGS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
