// SPDX-License-Identifier: BSD-2-Clause
/*
 * ids_users.c - names of users by number, numbers by name (ids_users.h).
 *
 * Names stand in pieces that never move.  The hash is doubled at half full, and its names move to
 * the larger one a few at each call: a million at once would hold up the event loop.  Called by
 * ids.c, on the main thread but for mr_ids_users_name.  Fails with -errno and is then as it was.
 */
#include "ids_users.h"

#include <string.h>

#define SLOTS_FIRST 64
#define MOVE_STEP   32 /* slots moved at each call: done long before the next doubling */

static size_t hash_slot(const struct mr_ids_users *u, const struct mr_ids_hash *h, const char *name)
{
	uint64_t v = 0xcbf29ce484222325ull; /* FNV-1a */
	size_t s;

	for (const char *p = name; *p; p++)
		v = (v ^ (unsigned char)*p) * 0x100000001b3ull;
	for (s = (v ^ (v >> 29)) & (h->slots - 1); h->slot[s]; s = (s + 1) & (h->slots - 1))
		if (strcmp(mr_ids_users_name(u, h->slot[s]), name) == 0)
			break;
	return s;
}

static void move_some(struct mr_ids_users *u, size_t n)
{
	for (; n && u->moved < u->old.slots; n--, u->moved++) {
		uint32_t number = u->old.slot[u->moved];

		if (number)
			u->hash.slot[hash_slot(u, &u->hash, mr_ids_users_name(u, number))] = number;
	}
	if (!u->old.slot || u->moved < u->old.slots)
		return;
	free(u->old.slot);
	u->old = (struct mr_ids_hash){ 0 };
}

static int hash_room(struct mr_ids_users *u)
{
	struct mr_ids_hash twice = { .slots = u->hash.slots * 2, .used = u->hash.used };

	move_some(u, MOVE_STEP);
	if (u->hash.slots && u->hash.used * 2 < u->hash.slots)
		return 0;
	if (!twice.slots)
		twice.slots = SLOTS_FIRST;
	twice.slot = calloc(twice.slots, sizeof(*twice.slot));
	if (!twice.slot)
		return -ENOMEM;
	move_some(u, SIZE_MAX);
	u->old = u->hash;
	u->hash = twice;
	u->moved = 0;
	return 0;
}

int mr_ids_users_find(struct mr_ids_users *u, const char *name, uint32_t *out)
{
	uint32_t found = 0;

	move_some(u, MOVE_STEP);
	if (u->hash.slot)
		found = u->hash.slot[hash_slot(u, &u->hash, name)];
	if (!found && u->old.slot)
		found = u->old.slot[hash_slot(u, &u->old, name)];
	if (!found)
		return -ENOENT;
	*out = found;
	return 0;
}

/* The piece in which a number stands. */
static int chunk_make(struct mr_ids_users *u, uint32_t number)
{
	char ***c = &u->chunk[number / MR_IDS_USERS_CHUNK];

	if (!*c)
		*c = calloc(MR_IDS_USERS_CHUNK, sizeof(**c));
	return *c ? 0 : -ENOMEM;
}

int mr_ids_users_set(struct mr_ids_users *u, uint32_t number, const char *name)
{
	_free_ char *copy = NULL;
	int r;

	if (number > MR_IDS_USERS_MAX)
		return -ENOSPC;
	copy = strdup(name);
	r = copy ? chunk_make(u, number) : -ENOMEM;
	if (r == 0)
		r = hash_room(u);
	if (r < 0)
		return r;
	u->chunk[number / MR_IDS_USERS_CHUNK][number % MR_IDS_USERS_CHUNK] = MR_TAKE_PTR(copy);
	u->hash.slot[hash_slot(u, &u->hash, name)] = number;
	u->hash.used++;
	if (u->n <= number)
		u->n = number + 1;
	return 0;
}

int mr_ids_users_reserve(struct mr_ids_users *u, uint32_t number)
{
	int r = number > MR_IDS_USERS_MAX ? -ENOSPC : chunk_make(u, number);

	if (r == 0 && u->n <= number)
		u->n = number + 1;
	return r;
}

const char *mr_ids_users_name(const struct mr_ids_users *u, uint32_t number)
{
	/* not bounded by `n`, which the main thread changes: a reader knows how far it may go */
	char **c = number <= MR_IDS_USERS_MAX ? u->chunk[number / MR_IDS_USERS_CHUNK] : NULL;

	return c ? c[number % MR_IDS_USERS_CHUNK] : NULL;
}

void mr_ids_users_clear(struct mr_ids_users *u)
{
	for (size_t i = 0; i < MR_ARRAY_SIZE(u->chunk); i++) {
		for (size_t k = 0; u->chunk[i] && k < MR_IDS_USERS_CHUNK; k++)
			free(u->chunk[i][k]);
		free(u->chunk[i]);
	}
	free(u->hash.slot);
	free(u->old.slot);
	*u = (struct mr_ids_users){ 0 };
}
