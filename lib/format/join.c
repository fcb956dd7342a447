// SPDX-License-Identifier: BSD-2-Clause
/*
 * join.c - remembers sessions whose story takes two lines: the first has the address, the second
 * the verdict (OpenSMTPD, popa3d, …), or the login has the address and the logout has not
 * (Dovecot).
 *
 * A fixed table, so that hostile traffic cannot make it grow: sets of MR_JOIN_WAYS slots by the
 * hash of scope and key; in a full set the session that was put first goes.  What has gone means no
 * event, never a wrong one: scope and key are compared whole.  Strings are copied in; what
 * mr_join_get() hands out lives until the next put.  Never logs.  mr_join_put() cannot fail once
 * the table stands, but for a key that is too long (-EINVAL).
 */
#include <mailreeve/format.h>

#include <stdio.h>

#define MR_JOIN_WAYS 4 /* slots that one key may take; eviction looks at no more */
#define SCOPE_BYTES  12

struct slot {
	uint64_t age; /* 0: free */
	struct mr_addr addr;
	uint64_t time_us;
	uint8_t family;
	uint8_t key_len;
	uint16_t user_len;
	char scope[SCOPE_BYTES];
	char key[MR_JOIN_KEY];
	char user[MR_JOIN_USER];
};
struct mr_join {
	uint64_t clock;
	size_t sets;
	struct slot slot[];
};

int mr_join_new(size_t sessions, struct mr_join **out)
{
	size_t sets = (sessions + MR_JOIN_WAYS - 1) / MR_JOIN_WAYS;
	struct mr_join *j;

	if (sets == 0 || sets > SIZE_MAX / MR_JOIN_WAYS / sizeof(struct slot) / 2)
		return -EINVAL;
	j = calloc(1, sizeof(*j) + sets * MR_JOIN_WAYS * sizeof(struct slot));
	if (!j)
		return -ENOMEM;
	j->sets = sets;
	*out = j;
	return 0;
}

void mr_join_free(struct mr_join *j)
{
	free(j);
}

/* FNV-1a, 64 bits (Fowler, Noll, Vo).  An attacker who makes keys collide evicts only sessions of
 * that set; four ways and one address each make it a poor trade. */
static uint64_t hash(const char *scope, struct mr_str key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *scope; scope++)
		h = (h ^ (uint8_t)*scope) * 0x100000001b3u;
	for (size_t i = 0; i < key.n; i++)
		h = (h ^ (uint8_t)key.p[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

static bool same(const struct slot *s, const char *scope, struct mr_str key)
{
	return s->age && s->key_len == key.n && memcmp(s->key, key.p, key.n) == 0 &&
	       strcmp(s->scope, scope) == 0;
}

static struct slot *find(struct mr_join *j, const char *scope, struct mr_str key)
{
	struct slot *set = &j->slot[hash(scope, key) % j->sets * MR_JOIN_WAYS];

	for (size_t i = 0; i < MR_JOIN_WAYS; i++)
		if (same(&set[i], scope, key))
			return &set[i];
	return NULL;
}

int mr_join_put(struct mr_join *j, const char *scope, struct mr_str key, const struct mr_joined *v)
{
	struct slot *s, *set;

	if (key.n == 0 || key.n > MR_JOIN_KEY || strlen(scope) >= SCOPE_BYTES)
		return -EINVAL;
	s = find(j, scope, key);
	if (!s) {
		set = &j->slot[hash(scope, key) % j->sets * MR_JOIN_WAYS];
		s = set;
		for (size_t i = 1; i < MR_JOIN_WAYS; i++)
			if (set[i].age < s->age)
				s = &set[i];
	}
	s->age = ++j->clock;
	s->addr = v->addr;
	s->family = (uint8_t)v->family;
	s->time_us = v->time_us;
	s->key_len = (uint8_t)key.n;
	s->user_len = (uint16_t)(v->user.n < MR_JOIN_USER ? v->user.n : MR_JOIN_USER);
	strcpy(s->scope, scope);
	memcpy(s->key, key.p, key.n);
	if (s->user_len)
		memmove(s->user, v->user.p, s->user_len);
	return 0;
}

bool mr_join_get(struct mr_join *j, const char *scope, struct mr_str key, struct mr_joined *out)
{
	struct slot *s = key.n && key.n <= MR_JOIN_KEY ? find(j, scope, key) : NULL;

	if (!s)
		return false;
	*out = (struct mr_joined){ .addr = s->addr,
				   .family = s->family,
				   .user = { s->user, s->user_len },
				   .time_us = s->time_us };
	return true;
}

void mr_join_drop(struct mr_join *j, const char *scope, struct mr_str key)
{
	struct slot *s = key.n && key.n <= MR_JOIN_KEY ? find(j, scope, key) : NULL;

	if (s)
		s->age = 0;
}

#define PID_TEXT 12 /* bytes: ten digits and a NUL */

static struct mr_str pid_key(uint32_t pid, char buf[static PID_TEXT])
{
	int n = snprintf(buf, PID_TEXT, "%u", pid);

	return (struct mr_str){ buf, n > 0 ? (size_t)n : 0 };
}

void mr_join_put_pid(struct mr_join *j, const char *scope, uint32_t pid, const struct mr_joined *v)
{
	char buf[PID_TEXT];

	if (j && pid)
		mr_join_put(j, scope, pid_key(pid, buf), v);
}

bool mr_join_get_pid(struct mr_join *j, const char *scope, uint32_t pid, struct mr_joined *out)
{
	char buf[PID_TEXT];

	return j && pid && mr_join_get(j, scope, pid_key(pid, buf), out);
}

void mr_join_drop_pid(struct mr_join *j, const char *scope, uint32_t pid)
{
	char buf[PID_TEXT];

	if (j && pid)
		mr_join_drop(j, scope, pid_key(pid, buf));
}
