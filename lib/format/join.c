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
	struct mr_addr addr;
	uint64_t time_us;
	uint8_t family;
	uint8_t key_len;
	uint16_t user_len;
	char scope[SCOPE_BYTES];
	char key[MR_JOIN_KEY];
	char user[MR_JOIN_USER];
};
/* Most keys are asked for once and not found: the tags say so without a look at the slots. */
struct set {
	uint64_t age[MR_JOIN_WAYS]; /* 0: free */
	uint32_t tag[MR_JOIN_WAYS]; /* of the key's hash */
	struct slot slot[MR_JOIN_WAYS];
};
struct mr_join {
	uint64_t clock;
	size_t sets;
	struct set set[];
};

int mr_join_new(size_t sessions, struct mr_join **out)
{
	size_t sets = (sessions + MR_JOIN_WAYS - 1) / MR_JOIN_WAYS;
	struct mr_join *j;

	if (sets == 0 || sets > SIZE_MAX / sizeof(struct set) / 2)
		return -EINVAL;
	j = calloc(1, sizeof(*j) + sets * sizeof(struct set));
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

static struct set *set_of(struct mr_join *j, const char *scope, struct mr_str key, uint32_t *tag)
{
	uint64_t h;

	if (key.n == 0 || key.n > MR_JOIN_KEY || strlen(scope) >= SCOPE_BYTES)
		return NULL;
	h = hash(scope, key);
	*tag = (uint32_t)(h >> 32);
	return &j->set[h % j->sets];
}

/* The slot's number in its set; MR_JOIN_WAYS: not there. */
static size_t find(const struct set *set, uint32_t tag, const char *scope, struct mr_str key)
{
	size_t i;

	for (i = 0; i < MR_JOIN_WAYS; i++) {
		const struct slot *s = &set->slot[i];

		if (set->age[i] && set->tag[i] == tag && s->key_len == key.n &&
		    memcmp(s->key, key.p, key.n) == 0 && strcmp(s->scope, scope) == 0)
			break;
	}
	return i;
}

static size_t oldest(const struct set *set)
{
	size_t n = 0;

	for (size_t i = 1; i < MR_JOIN_WAYS; i++)
		if (set->age[i] < set->age[n])
			n = i;
	return n;
}

int mr_join_put(struct mr_join *j, const char *scope, struct mr_str key, const struct mr_joined *v)
{
	uint32_t tag;
	struct set *set = set_of(j, scope, key, &tag);
	struct slot *s;
	size_t n;

	if (!set)
		return -EINVAL;
	n = find(set, tag, scope, key);
	if (n == MR_JOIN_WAYS)
		n = oldest(set);
	set->age[n] = ++j->clock;
	set->tag[n] = tag;
	s = &set->slot[n];
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
	uint32_t tag;
	const struct set *set = set_of(j, scope, key, &tag);
	size_t n = set ? find(set, tag, scope, key) : MR_JOIN_WAYS;
	const struct slot *s;

	if (n == MR_JOIN_WAYS)
		return false;
	s = &set->slot[n];
	*out = (struct mr_joined){ .addr = s->addr,
				   .family = s->family,
				   .user = { s->user, s->user_len },
				   .time_us = s->time_us };
	return true;
}

void mr_join_drop(struct mr_join *j, const char *scope, struct mr_str key)
{
	uint32_t tag;
	struct set *set = set_of(j, scope, key, &tag);
	size_t n = set ? find(set, tag, scope, key) : MR_JOIN_WAYS;

	if (n < MR_JOIN_WAYS)
		set->age[n] = 0;
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
