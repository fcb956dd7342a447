// SPDX-License-Identifier: BSD-2-Clause
/*
 * join.c - remembers sessions whose story takes two lines: the first has the address, the second
 * the verdict (OpenSMTPD, popa3d, …), or the login has the address and the logout has not
 * (Dovecot).
 *
 * A fixed table, so that hostile traffic cannot make it grow: sets of MR_JOIN_WAYS slots by the
 * hash of scope and key; in a full set what was put first goes, notes before sessions.  What has
 * gone means no event, never a wrong one: scope and key are compared whole.  Strings are copied in;
 * what mr_join_get() hands out lives until the next put.  Never logs.  mr_join_put() cannot fail
 * once the table stands, but for a key that is too long (-EINVAL).
 */
#include <mailreeve/format.h>

#define MR_JOIN_WAYS 4 /* slots that one key may take; eviction looks at no more */
#define SCOPE_BYTES  12

struct slot {
	struct mr_addr addr;
	uint64_t time_us;
	uint8_t family;
	uint8_t key_len;
	uint16_t user_len;
	char scope[SCOPE_BYTES];
	char text[MR_JOIN_KEY + MR_JOIN_USER]; /* the key and, directly behind it, the user */
};
/* Most keys are asked for once and not found: the tags say so without a look at the slots, which
 * stand apart so that all tags fit into a cache.  A slot that is given up is chosen here, too. */
struct set {
	uint64_t age[MR_JOIN_WAYS]; /* 0: free */
	uint32_t tag[MR_JOIN_WAYS]; /* of the key's hash */
	bool note[MR_JOIN_WAYS];
};
struct mr_join {
	uint64_t clock;
	size_t sets;
	struct slot *slot; /* MR_JOIN_WAYS for each set */
	struct set set[];
};

int mr_join_new(size_t sessions, struct mr_join **out)
{
	size_t sets = (sessions + MR_JOIN_WAYS - 1) / MR_JOIN_WAYS;
	struct mr_join *j;

	if (sets == 0 || sets > SIZE_MAX / MR_JOIN_WAYS / sizeof(struct slot) / 2)
		return -EINVAL;
	j = calloc(1, sizeof(*j) + sets * sizeof(j->set[0]));
	if (!j)
		return -ENOMEM;
	j->sets = sets;
	j->slot = calloc(sets, MR_JOIN_WAYS * sizeof(*j->slot));
	if (!j->slot) {
		free(j);
		return -ENOMEM;
	}
	*out = j;
	return 0;
}

void mr_join_free(struct mr_join *j)
{
	if (!j)
		return;
	free(j->slot);
	free(j);
}

/* FNV-1a (Fowler, Noll, Vo), eight bytes a step.  An attacker who makes keys collide evicts only
 * sessions of that set; four ways and one address each make it a poor trade. */
static uint64_t hash(uint64_t h, const char *p, size_t n)
{
	uint64_t v;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0x100000001b3u;
		h ^= h >> 29; /* a multiplication carries nothing downwards */
	}
	for (; n; p++, n--)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Where a key belongs: a set, and the slot in it, MR_JOIN_WAYS if it is not there. */
struct place {
	struct set *set; /* NULL: no key that is kept */
	struct slot *slots;
	uint32_t tag;
	size_t n;
};

static struct place find(struct mr_join *j, const char *scope, struct mr_str key)
{
	struct place p = { .n = MR_JOIN_WAYS };
	size_t scope_len = strlen(scope), number;
	uint64_t h;

	if (key.n == 0 || key.n > MR_JOIN_KEY || scope_len >= SCOPE_BYTES)
		return p;
	h = hash(hash(0xcbf29ce484222325u, scope, scope_len), key.p, key.n);
	number = h % j->sets;
	p.set = &j->set[number];
	p.slots = &j->slot[number * MR_JOIN_WAYS];
	p.tag = (uint32_t)(h >> 32);
	for (size_t i = 0; i < MR_JOIN_WAYS && p.n == MR_JOIN_WAYS; i++)
		if (p.set->age[i] && p.set->tag[i] == p.tag && p.slots[i].key_len == key.n &&
		    memcmp(p.slots[i].text, key.p, key.n) == 0 &&
		    strcmp(p.slots[i].scope, scope) == 0)
			p.n = i;
	return p;
}

/* What is remembered of a session has an address or a service; the rest are notes for minutes,
 * which everybody who tries passwords causes. */
static bool is_note(const struct mr_joined *v)
{
	static const struct mr_addr none;

	return v->family == MR_FAMILY_NONE && memcmp(&v->addr, &none, sizeof(none)) == 0;
}

/* The slot of a full set that is given up: a note before a session, then the oldest */
static size_t victim(const struct set *set)
{
	size_t n = 0;

	for (size_t i = 1; i < MR_JOIN_WAYS; i++)
		if (set->note[i] != set->note[n] ? set->note[i] : set->age[i] < set->age[n])
			n = i;
	return n;
}

/* A free slot of the set, or MR_JOIN_WAYS */
static size_t vacancy(const struct set *set)
{
	size_t n = 0;

	while (n < MR_JOIN_WAYS && set->age[n])
		n++;
	return n;
}

int mr_join_put(struct mr_join *j, const char *scope, struct mr_str key, const struct mr_joined *v)
{
	struct place p = find(j, scope, key);
	struct slot *s;

	if (!p.set)
		return -EINVAL;
	if (p.n == MR_JOIN_WAYS)
		p.n = vacancy(p.set);
	if (p.n == MR_JOIN_WAYS)
		p.n = victim(p.set);
	p.set->age[p.n] = ++j->clock;
	p.set->tag[p.n] = p.tag;
	p.set->note[p.n] = is_note(v);
	s = &p.slots[p.n];
	s->addr = v->addr;
	s->family = (uint8_t)v->family;
	s->time_us = v->time_us;
	s->key_len = (uint8_t)key.n;
	s->user_len = (uint16_t)(v->user.n < MR_JOIN_USER ? v->user.n : MR_JOIN_USER);
	strcpy(s->scope, scope);
	if (s->user_len) /* before the key: the name may have come from here */
		memmove(s->text + key.n, v->user.p, s->user_len);
	memcpy(s->text, key.p, key.n);
	return 0;
}

bool mr_join_get(struct mr_join *j, const char *scope, struct mr_str key, struct mr_joined *out)
{
	struct place p = find(j, scope, key);
	const struct slot *s;

	if (p.n == MR_JOIN_WAYS)
		return false;
	s = &p.slots[p.n];
	*out = (struct mr_joined){ .addr = s->addr,
				   .family = s->family,
				   .user = { s->text + s->key_len, s->user_len },
				   .time_us = s->time_us };
	return true;
}

void mr_join_drop(struct mr_join *j, const char *scope, struct mr_str key)
{
	struct place p = find(j, scope, key);

	if (p.n < MR_JOIN_WAYS)
		p.set->age[p.n] = 0;
}

struct saved {
	struct mr_addr addr;
	uint64_t time_us;
	uint16_t user_len;
	uint8_t family, key_len, scope_len;
	uint8_t unused[3];
}; /* and scope, key, user */

static void save_slot(const struct slot *s, FILE *f)
{
	struct saved v = { .addr = s->addr,
			   .time_us = s->time_us,
			   .user_len = s->user_len,
			   .family = s->family,
			   .key_len = s->key_len,
			   .scope_len = (uint8_t)strlen(s->scope) };

	fwrite(&v, sizeof(v), 1, f);
	fwrite(s->scope, 1, v.scope_len, f);
	fwrite(s->text, 1, (size_t)v.key_len + v.user_len, f);
}

/* Those of a set in the order in which they came: so the oldest goes first again. */
int mr_join_save(const struct mr_join *j, FILE *f)
{
	for (size_t i = 0; i < j->sets; i++) {
		const struct set *set = &j->set[i];
		uint64_t done = 0;

		for (size_t n = 0; n < MR_JOIN_WAYS; n++) {
			size_t next = MR_JOIN_WAYS;

			for (size_t k = 0; k < MR_JOIN_WAYS; k++)
				if (set->age[k] > done &&
				    (next == MR_JOIN_WAYS || set->age[k] < set->age[next]))
					next = k;
			if (next == MR_JOIN_WAYS)
				break;
			done = set->age[next];
			save_slot(&j->slot[i * MR_JOIN_WAYS + next], f);
		}
	}
	return ferror(f) ? -EIO : 0;
}

int mr_join_restore(struct mr_join *j, struct mr_str s)
{
	char scope[SCOPE_BYTES];
	struct mr_joined v;
	struct mr_str key;
	struct saved h;

	while (s.n) {
		if (s.n < sizeof(h))
			return -EBADMSG;
		memcpy(&h, s.p, sizeof(h));
		s.p += sizeof(h);
		s.n -= sizeof(h);
		if (s.n < (size_t)h.scope_len + h.key_len + h.user_len ||
		    h.scope_len >= SCOPE_BYTES || h.user_len > MR_JOIN_USER ||
		    h.family > MR_FAMILY_SIEVE)
			return -EBADMSG;
		memcpy(scope, s.p, h.scope_len);
		scope[h.scope_len] = '\0';
		key = (struct mr_str){ s.p + h.scope_len, h.key_len };
		v = (struct mr_joined){ .addr = h.addr,
					.family = h.family,
					.user = { key.p + key.n, h.user_len },
					.time_us = h.time_us };
		if (mr_join_put(j, scope, key, &v) < 0)
			return -EBADMSG;
		s.n -= (size_t)(v.user.p + v.user.n - s.p);
		s.p = v.user.p + v.user.n;
	}
	return 0;
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
