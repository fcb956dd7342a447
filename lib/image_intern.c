// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_intern.c - a table that keeps each row of 64-bit words once and numbers them from 0.
 *
 * Open addressing, linear probing, at most half full; rows lie in one array that grows by doubling,
 * so pointers into it hold only until the next add.  Called by the compiler alone.  Fails with
 * -ENOMEM and is then as it was.
 */
#include "image_private.h"

#define SLOTS_MIN 64 /* table slots to begin with */

static uint64_t hash_row(const uint64_t *row, size_t words)
{
	uint64_t h = 0x243F6A8885A308D3u;

	for (size_t i = 0; i < words; i++) {
		h = (h ^ row[i]) * 0x9E3779B97F4A7C15u;
		h ^= h >> 29;
	}
	return h ^ h >> 32;
}

int mr_image_intern_init(struct intern *t, size_t words)
{
	uint32_t *table = calloc(SLOTS_MIN, sizeof(*table));

	if (!table)
		return -ENOMEM;
	*t = (struct intern){ .table = table, .words = words, .slots = SLOTS_MIN };
	return 0;
}

void mr_image_intern_clear(struct intern *t)
{
	free(t->data);
	free(t->table);
	*t = (struct intern){ 0 };
}

static int grow_table(struct intern *t)
{
	size_t slots = t->slots * 2;
	uint32_t *table = calloc(slots, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		size_t s = hash_row(t->data + i * t->words, t->words) & (slots - 1);

		while (table[s])
			s = (s + 1) & (slots - 1);
		table[s] = (uint32_t)i + 1;
	}
	free(t->table);
	t->table = table;
	t->slots = slots;
	return 0;
}

int mr_image_intern_add(struct intern *t, const uint64_t *row, uint32_t *number)
{
	size_t bytes = t->words * sizeof(*row);
	size_t s;
	int r;

	if (t->n * 2 >= t->slots) {
		r = grow_table(t);
		if (r < 0)
			return r;
	}
	for (s = hash_row(row, t->words) & (t->slots - 1); t->table[s];
	     s = (s + 1) & (t->slots - 1)) {
		if (memcmp(t->data + (t->table[s] - 1) * t->words, row, bytes) == 0) {
			*number = t->table[s] - 1;
			return 0;
		}
	}
	r = mr_grow(&t->data, &t->allocated, t->n, bytes);
	if (r < 0)
		return r;
	memcpy(t->data + t->n * t->words, row, bytes);
	*number = (uint32_t)t->n++;
	t->table[s] = *number + 1;
	return 0;
}
