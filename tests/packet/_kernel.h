/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _kernel.h - the words that kernel.c is written in.
 */
#ifndef MAILREEVE_TESTS_PACKET_KERNEL_H
#define MAILREEVE_TESTS_PACKET_KERNEL_H

#include <mailreeve/kernel.h>

extern char kernel_dir[]; /* the bpffs of the test; set once, in main() */

void kernel_fill(struct mr_kernel *k, uint64_t number, const char *denied,
		 enum mr_index_mode index);
int kernel_verdict(struct mr_kernel *k, const char *src);
void kernel_sh(const char *fmt, ...) _printf_(1, 2);
struct mr_kernel *kernel_at(const char *pins, uint32_t permits);
struct mr_kernel *kernel_reader_at(const char *pins);
char *kernel_pins(const char *name);
struct mr_device kernel_device(const char *name);
struct mr_attachment kernel_attach(struct mr_kernel *k, const char *name, bool want_reject);
uint32_t kernel_running(const char *name);
bool kernel_pin_exists(const char *pins, const char *rest);
void kernel_put(struct mr_kernel *k, enum mr_entry_kind kind, uint32_t v4, uint64_t lives);
size_t kernel_count_entries(struct mr_kernel *k, enum mr_entry_kind kind);
uint64_t kernel_rule_hits(struct mr_kernel *k);
/* A teardown: a test that failed may have left its devices. */
int kernel_no_devices(void **s);

#endif
