/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _lookup.h - what lookup.c and its BPF programs share.
 */
#ifndef BENCH_LOOKUP_H
#define BENCH_LOOKUP_H

#define LOOKUP_PROBES 262144 /* addresses looked up in one run */
struct lookup_probe {
	__u64 half[2]; /* host order; IPv4 in the second */
};

#endif
