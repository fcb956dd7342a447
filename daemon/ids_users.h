/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ids_users.h - the numbers of users; private to ids*.c.
 *
 * A number once given stays, and so does its name where it stands in memory: another thread may
 * read those below a number that it was told, while the main thread gives out further ones.
 */
#ifndef MAILREEVE_DAEMON_IDS_USERS_H
#define MAILREEVE_DAEMON_IDS_USERS_H

#include <mailreeve/util.h>

#define MR_IDS_USERS_MAX   1000000u /* users that are told apart; more share the number 0 */
#define MR_IDS_USERS_CHUNK 4096u /* names in one piece of memory, 32 KiB */

struct mr_ids_hash { /* a name -> its number, 0: empty; open addressing */
	uint32_t *slot;
	size_t slots, used;
};
struct mr_ids_users {
	char **chunk[MR_IDS_USERS_MAX / MR_IDS_USERS_CHUNK + 1]; /* NULL within: reserved */
	uint32_t n; /* the next number; [0] is nobody's */
	struct mr_ids_hash hash, old; /* `old` while its names move, some at each call */
	size_t moved; /* slots of `old` that were looked at */
};

void mr_ids_users_clear(struct mr_ids_users *u);
int mr_ids_users_find(struct mr_ids_users *u, const char *name, uint32_t *out); /* -ENOENT */
/* Gives a number that nobody has; -ENOSPC above the last. */
int mr_ids_users_set(struct mr_ids_users *u, uint32_t number, const char *name);
int mr_ids_users_reserve(struct mr_ids_users *u, uint32_t number);
const char *mr_ids_users_name(const struct mr_ids_users *u, uint32_t number); /* NULL: unknown */

#endif
