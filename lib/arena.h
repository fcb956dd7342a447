/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.h - memory that lives and dies together: a policy's strings and arrays, a finding's texts.
 *
 * Zeroed, aligned for any type, freed in one go.  Nothing is given back before.
 */
#ifndef MAILREEVE_ARENA_H
#define MAILREEVE_ARENA_H

#include <mailreeve/util.h>
#include <stdarg.h>

struct mr_arena;

void mr_arena_free(struct mr_arena *a);
MR_DEFINE_CLEANUP(struct mr_arena *, mr_arena_free)

/* All of them make the arena on first use and return NULL (or -ENOMEM) for want of memory. */
void *mr_arena_alloc(struct mr_arena **a, size_t size);
char *mr_arena_copy(struct mr_arena **a, const char *text, size_t len);
char *mr_arena_vprintf(struct mr_arena **a, const char *fmt, va_list ap) _printf_(2, 0);
char *mr_arena_printf(struct mr_arena **a, const char *fmt, ...) _printf_(2, 3);
/* Room for one more element behind *n in *array; the capacity follows from *n alone. */
int mr_arena_grow(struct mr_arena **a, void *array, size_t n, size_t size);

#endif
