/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _frame.h - what the benchmark's BPF programs and its user space share: the pool of sources.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include <linux/types.h>

#define BENCH_POOL 262144 /* sources that frames are drawn from */

/* One source with the checksums that its frame then has; all in network order. */
struct bench_source {
	__u32 addr[4]; /* IPv4: only the first */
	__u16 ip_sum; /* IPv4 header checksum */
	__u16 tcp_sum;
};

#endif
