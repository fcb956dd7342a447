// SPDX-License-Identifier: BSD-2-Clause
/*
 * arena.c - blocks of memory in a list, handed out from the front (arena.h).
 *
 * Never returns uninitialised memory, never moves what it handed out.  Used by the configuration
 * reader and the findings.  Fails with NULL or -ENOMEM only.
 */
#include "arena.h"

#include <string.h>

#define BLOCK_BYTES 16384 /* a usual policy fits into one or two */
#define ALIGN	    16
#define FIRST_ROOM  4 /* elements of a growing array at first */

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};
struct mr_arena {
	struct block *head;
};

void mr_arena_free(struct mr_arena *a)
{
	if (!a)
		return;
	while (a->head) {
		struct block *b = a->head;

		a->head = b->next;
		free(b);
	}
	free(a);
}

void *mr_arena_alloc(struct mr_arena **a, size_t size)
{
	struct block *b;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (!*a)
		*a = calloc(1, sizeof(**a));
	if (!*a)
		return NULL;
	b = (*a)->head;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

		b = calloc(1, sizeof(*b) + room);
		if (!b)
			return NULL;
		b->size = room;
		b->next = (*a)->head;
		(*a)->head = b;
	}
	p = b->data + b->used;
	b->used += size;
	return p;
}

char *mr_arena_copy(struct mr_arena **a, const char *text, size_t len)
{
	char *p = mr_arena_alloc(a, len + 1);

	if (p && len)
		memcpy(p, text, len);
	return p;
}

char *mr_arena_vprintf(struct mr_arena **a, const char *fmt, va_list ap)
{
	_free_ char *text = NULL;
	int n = vasprintf(&text, fmt, ap);

	if (n < 0) {
		text = NULL;
		return NULL;
	}
	return mr_arena_copy(a, text, (size_t)n);
}

char *mr_arena_printf(struct mr_arena **a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = mr_arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

/* Capacities are 4, 8, 16, …: an array is full exactly when n is one of them (or 0). */
int mr_arena_grow(struct mr_arena **a, void *array, size_t n, size_t size)
{
	void **p = array;
	size_t room = n ? n * 2 : FIRST_ROOM;
	void *q;

	if (n && (n < FIRST_ROOM || (n & (n - 1))))
		return 0;
	if (room > SIZE_MAX / 4 / size)
		return -ENOMEM;
	q = mr_arena_alloc(a, room * size);
	if (!q)
		return -ENOMEM;
	if (n)
		memcpy(q, *p, n * size);
	*p = q;
	return 0;
}
