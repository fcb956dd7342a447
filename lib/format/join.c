// SPDX-License-Identifier: BSD-2-Clause
/*
 * join.c - remembers sessions whose story takes two lines: the first has the address, the second
 * the verdict (OpenSMTPD, popa3d, …), or the login has the address and the logout has not
 * (Dovecot).
 *
 * All of it is fixed, so that hostile traffic cannot make it grow.  Records are written one behind
 * the other into rings, and an index of sets of MR_JOIN_WAYS by the hash of scope and key says
 * where: so what is remembered lies densely, in few pages, however many sessions there are room
 * for. In a full set what was put first goes, notes before sessions.  A session that a ring would
 * write over while it stands is written anew: many short ones, which any stranger can make at
 * OpenSMTPD, push out none that lasts.  Notes have a ring of their own, and go when it comes round.
 * What has gone means no event, never a wrong one: scope and key are compared whole.  Strings are
 * copied in; what mr_join_get() hands out lives until the next put.  Never logs. mr_join_put()
 * cannot fail once the table stands, but for a key that is too long (-EINVAL).
 */
#include <mailreeve/format.h>

#define MR_JOIN_WAYS 4 /* places that one key may take; eviction looks at no more */
#define SCOPE_BYTES  12 /* of a scope's name, with its NUL */
#define SESSION_SIZE \
	96 /* bytes for each session: most need less; with long names fewer find room */
#define NOTE_SIZE 64 /* and for each note, which has no user */
#define AHEAD	  8 /* of a ring of sessions such a part is kept free, … */
#define PASSED	  8 /* … by passing so many of the oldest for each that is put, dropped or moved */

/* As it is saved, too; behind it scope, key and user. */
struct record {
	struct mr_addr addr;
	uint64_t time_us;
	uint16_t user_len;
	uint8_t family, key_len, scope_len;
	uint8_t gone; /* was dropped, or is told anew elsewhere; in a ring only */
	uint8_t unused[2];
	char text[];
};
#define RECORD_MAX (sizeof(struct record) + SCOPE_BYTES + MR_JOIN_KEY + MR_JOIN_USER)
#define ROUNDED(n) (((n) + 7) & ~(size_t)7)

/* Places count on as if the ring had no end.  The last record of a round may stand out of it, by
 * less than RECORD_MAX. */
struct ring {
	char *bytes;
	size_t size;
	uint64_t begin, end; /* the oldest record, and where the next one goes */
};
/* Most keys are asked for once and not found: the tags say so without a look at the records. */
struct set {
	uint64_t at[MR_JOIN_WAYS]; /* where it is in its ring, and one; 0: free */
	uint32_t tag[MR_JOIN_WAYS]; /* of the key's hash */
	bool note[MR_JOIN_WAYS];
};
struct mr_join {
	struct ring ring[2]; /* sessions, notes */
	size_t sets;
	struct set set[];
};

static int ring_new(struct ring *r, size_t size)
{
	size_t at_least = MR_JOIN_WAYS * RECORD_MAX;

	r->size = (size > at_least ? size : at_least) & ~(size_t)7;
	r->bytes = malloc(r->size + ROUNDED(RECORD_MAX));
	return r->bytes ? 0 : -ENOMEM;
}

int mr_join_new(size_t sessions, struct mr_join **out)
{
	size_t sets = (sessions + MR_JOIN_WAYS - 1) / MR_JOIN_WAYS;
	_cleanup_(mr_join_freep) struct mr_join *j = NULL;

	if (sets == 0 || sets > UINT32_MAX / MR_JOIN_WAYS / SESSION_SIZE)
		return -EINVAL;
	j = calloc(1, sizeof(*j) + sets * sizeof(j->set[0]));
	if (!j)
		return -ENOMEM;
	j->sets = sets;
	if (ring_new(&j->ring[0], sessions * SESSION_SIZE) < 0 ||
	    ring_new(&j->ring[1], sessions * NOTE_SIZE) < 0)
		return -ENOMEM;
	*out = MR_TAKE_PTR(j);
	return 0;
}

void mr_join_free(struct mr_join *j)
{
	if (!j)
		return;
	free(j->ring[0].bytes);
	free(j->ring[1].bytes);
	free(j);
}

static struct record *at_place(const struct ring *r, uint64_t at)
{
	return (void *)(r->bytes + at % r->size);
}

/* The record of a place; NULL: it is free, or has been written over. */
static struct record *record_of(const struct mr_join *j, const struct set *set, size_t n)
{
	const struct ring *r = &j->ring[set->note[n]];

	return set->at[n] > r->begin ? at_place(r, set->at[n] - 1) : NULL;
}

static size_t bytes_of(const struct record *r)
{
	return sizeof(*r) + r->scope_len + r->key_len + r->user_len;
}

/* Takes a place of the set's; it is free then. */
static void give_up(const struct mr_join *j, struct set *set, size_t n)
{
	struct record *r = record_of(j, set, n);

	if (r)
		r->gone = 1;
	set->at[n] = 0;
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
	/* the last bytes have reached the low bits only: process ids differ in nothing else */
	h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* Where a key belongs: a set, and the place in it, MR_JOIN_WAYS if it is not there. */
struct place {
	struct set *set; /* NULL: no key that is kept */
	const struct record *record; /* NULL: not there */
	uint32_t tag;
	size_t n;
};

static bool is_of(const struct record *r, const char *scope, size_t scope_len, struct mr_str key)
{
	return r && r->key_len == key.n && r->scope_len == scope_len &&
	       memcmp(r->text, scope, scope_len) == 0 &&
	       memcmp(r->text + scope_len, key.p, key.n) == 0;
}

static bool is_key(size_t scope_len, struct mr_str key)
{
	return key.n && key.n <= MR_JOIN_KEY && scope_len < SCOPE_BYTES;
}

static struct place find(struct mr_join *j, const char *scope, size_t scope_len, struct mr_str key)
{
	struct place p = { .n = MR_JOIN_WAYS };
	uint64_t h;

	if (!is_key(scope_len, key))
		return p;
	h = hash(hash(0xcbf29ce484222325u, scope, scope_len), key.p, key.n);
	p.set = &j->set[(h >> 32) * j->sets >> 32];
	p.tag = (uint32_t)h;
	for (size_t i = 0; i < MR_JOIN_WAYS && p.n == MR_JOIN_WAYS; i++) {
		if (!p.set->at[i] || p.set->tag[i] != p.tag)
			continue;
		p.record = record_of(j, p.set, i);
		if (is_of(p.record, scope, scope_len, key))
			p.n = i;
	}
	return p;
}

/* What is remembered of a session has an address or a service; the rest are notes for minutes,
 * which everybody who tries passwords causes. */
static bool is_note(const struct mr_joined *v)
{
	static const struct mr_addr none;

	return v->family == MR_FAMILY_NONE && memcmp(&v->addr, &none, sizeof(none)) == 0;
}

/* The place of a full set that is given up: a note before a session, then the oldest */
static size_t victim(const struct set *set)
{
	size_t n = 0;

	for (size_t i = 1; i < MR_JOIN_WAYS; i++)
		if (set->note[i] != set->note[n] ? set->note[i] : set->at[i] < set->at[n])
			n = i;
	return n;
}

/* A free place of the set, or MR_JOIN_WAYS */
static size_t vacancy(const struct mr_join *j, const struct set *set)
{
	size_t n = 0;

	while (n < MR_JOIN_WAYS && record_of(j, set, n))
		n++;
	return n;
}

static struct record *append(struct ring *r, size_t n)
{
	struct record *at = at_place(r, r->end);

	r->end += ROUNDED(n);
	return at;
}

/* The oldest session, which stands: to the ring's end, where its own room is enough for it. */
static void move_oldest(struct mr_join *j, struct ring *r)
{
	struct record *old = at_place(r, r->begin);
	size_t n = bytes_of(old), scope_len = old->scope_len;
	struct place p = find(j, old->text, scope_len,
			      (struct mr_str){ old->text + scope_len, old->key_len });

	if (p.n == MR_JOIN_WAYS || p.record != old)
		return;
	p.set->at[p.n] = r->end + 1;
	memmove(append(r, n), old, n);
}

static void pass_oldest(struct mr_join *j, struct ring *r, bool move)
{
	const struct record *oldest = at_place(r, r->begin);
	size_t freed = ROUNDED(bytes_of(oldest));

	if (move && !oldest->gone)
		move_oldest(j, r);
	r->begin += freed;
}

/* Room for n bytes.  Sessions are moved some time before their room is needed, for those that stand
 * may stand close together; where that was too late the oldest go. */
static void make_room(struct mr_join *j, bool note, size_t n)
{
	struct ring *r = &j->ring[note];
	size_t ahead = r->size / AHEAD;

	for (int i = 0; i < PASSED && !note && r->end + ahead > r->begin + r->size; i++)
		pass_oldest(j, r, true);
	while (r->end + ROUNDED(n) > r->begin + r->size)
		pass_oldest(j, r, false);
}

int mr_join_put(struct mr_join *j, const char *scope, struct mr_str key, const struct mr_joined *v)
{
	struct record head = { .addr = v->addr,
			       .time_us = v->time_us,
			       .family = (uint8_t)v->family,
			       .key_len = (uint8_t)key.n };
	char user[MR_JOIN_USER];
	bool note = is_note(v);
	struct place p;
	struct record *r;

	if (!is_key(strlen(scope), key))
		return -EINVAL;
	head.scope_len = (uint8_t)strlen(scope);
	head.user_len = (uint16_t)(v->user.n < MR_JOIN_USER ? v->user.n : MR_JOIN_USER);
	if (head.user_len) /* it may have come from here, where records move now */
		memcpy(user, v->user.p, head.user_len);
	make_room(j, note, bytes_of(&head));
	p = find(j, scope, head.scope_len, key);
	if (p.n == MR_JOIN_WAYS)
		p.n = vacancy(j, p.set);
	if (p.n == MR_JOIN_WAYS)
		p.n = victim(p.set);
	give_up(j, p.set, p.n);
	p.set->at[p.n] = j->ring[note].end + 1;
	p.set->tag[p.n] = p.tag;
	p.set->note[p.n] = note;
	r = append(&j->ring[note], bytes_of(&head));
	*r = head;
	memcpy(r->text, scope, head.scope_len);
	memcpy(r->text + head.scope_len, key.p, head.key_len);
	memcpy(r->text + head.scope_len + head.key_len, user, head.user_len);
	return 0;
}

static void joined_of(const struct record *r, struct mr_joined *out)
{
	*out = (struct mr_joined){ .addr = r->addr,
				   .family = r->family,
				   .user = { r->text + r->scope_len + r->key_len, r->user_len },
				   .time_us = r->time_us };
}

bool mr_join_get(struct mr_join *j, const char *scope, struct mr_str key, struct mr_joined *out)
{
	struct place p = find(j, scope, strlen(scope), key);

	if (p.n == MR_JOIN_WAYS)
		return false;
	joined_of(p.record, out);
	return true;
}

void mr_join_drop(struct mr_join *j, const char *scope, struct mr_str key)
{
	struct place p = find(j, scope, strlen(scope), key);

	if (p.n < MR_JOIN_WAYS)
		give_up(j, p.set, p.n);
}

static void save_record(const struct record *r, FILE *f)
{
	fwrite(r, 1, bytes_of(r), f);
}

/* Those of a set in the order in which they came: so the oldest goes first again. */
int mr_join_save(const struct mr_join *j, FILE *f)
{
	for (size_t i = 0; i < j->sets; i++) {
		const struct set *set = &j->set[i];
		bool done[MR_JOIN_WAYS] = { false };

		for (size_t n = 0; n < MR_JOIN_WAYS; n++) {
			size_t next = MR_JOIN_WAYS;

			for (size_t k = 0; k < MR_JOIN_WAYS; k++)
				if (!done[k] && record_of(j, set, k) &&
				    (next == MR_JOIN_WAYS || set->at[k] < set->at[next]))
					next = k;
			if (next == MR_JOIN_WAYS)
				break;
			done[next] = true;
			save_record(record_of(j, set, next), f);
		}
	}
	return ferror(f) ? -EIO : 0;
}

int mr_join_restore(struct mr_join *j, struct mr_str s)
{
	char scope[SCOPE_BYTES];
	struct mr_joined v;
	struct mr_str key;
	struct record h;

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
