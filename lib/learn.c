// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn.c - who earns a permit, for how long, and how sessions keep it (learn.h).
 *
 * Decides from events; writes to the book and to its own memory, nowhere else.  Never reads text of
 * a log, never looks at a clock.  Called by the daemon's learning side and by the dry run.
 *
 * A permit ends `ttl` after the last login, counted from the line's own time.  Where a server logs
 * logouts too, a permit lives on while a session stands: it is extended a little at a time (the
 * kernel knows only an end, and if this process dies the permit must too), at most `max-age` after
 * the login.  A server whose logouts were never seen gets no such extension: its sessions would
 * seem to stand for ever.
 */
#include "learn_private.h"

#include <inttypes.h>
#include <stdarg.h>

#define PREFIX4 24 /* what `per-prefix` counts: one customer block, one carrier-grade NAT pool */
#define PREFIX6 48 /* one site (RFC 6177) */
#define MAX_AGE_DEFAULT_NS \
	(86400 * MR_NS_PER_S) /* if `max-age` is off: a session may still be lost */

int mr_learn_say(struct mr_learn_result *out, enum mr_learn_action action, const char *fmt, ...)
{
	va_list ap;

	out->action = action;
	va_start(ap, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
	return 0;
}

const char *mr_learn_span(uint64_t ns, char buf[static 24])
{
	uint64_t s = ns / MR_NS_PER_S;

	if (s >= 7200 && s % 3600 == 0)
		snprintf(buf, 24, "%" PRIu64 "h", s / 3600);
	else if (s >= 120 && s % 60 == 0)
		snprintf(buf, 24, "%" PRIu64 "m", s / 60);
	else
		snprintf(buf, 24, "%" PRIu64 "s", s);
	return buf;
}

static bool names_permitted(const struct mr_service *s)
{
	for (size_t i = 0; i < s->n_rules; i++)
		if (s->rules[i].source.kind == MR_SOURCE_PERMITTED)
			return true;
	return false;
}

static uint64_t service_bits(const struct mr_policy *p, const uint8_t *service_id,
			     const char *const *names, size_t n)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];
		bool in = !names && names_permitted(s);

		for (size_t k = 0; k < n && names; k++)
			in |= strcmp(names[k], s->name) == 0;
		if (in)
			bits |= 1ull << (service_id ? service_id[i] : i);
	}
	return bits;
}

uint64_t mr_learn_permits(const struct mr_policy *p, const uint8_t *service_id)
{
	return service_bits(p, service_id, p->permit.services, p->permit.n_services);
}

uint64_t mr_learn_bans(const struct mr_policy *p, const uint8_t *service_id)
{
	return p->ban.services ? service_bits(p, service_id, p->ban.services, p->ban.n_services)
			       : ~0ull;
}

int mr_learner_new(struct mr_book *book, uint32_t (*user_id)(struct mr_str user, void *userdata),
		   void *userdata, struct mr_learner **out)
{
	_cleanup_(mr_learner_freep) struct mr_learner *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->book = book;
	l->user_id = user_id;
	l->userdata = userdata;
	r = mr_learn_table_new(MR_LEARN_ADDRESSES, &l->memory);
	if (r == 0)
		r = mr_learn_table_new(MR_LEARN_SESSIONS, &l->sessions);
	if (r < 0)
		return r;
	*out = MR_TAKE_PTR(l);
	return 0;
}

void mr_learner_free(struct mr_learner *l)
{
	if (!l)
		return;
	mr_learn_table_free(l->memory);
	mr_learn_table_free(l->sessions);
	free(l);
}

void mr_learner_setup(struct mr_learner *l, const struct mr_learn_setup *s)
{
	l->setup = *s;
}

/* Records are found by a keyed 128-bit hash of kind and name: two names never share one. */
static void hash_key(const struct mr_learn_table *t, unsigned int kind, const void *p, size_t n,
		     uint64_t key[2])
{
	uint64_t first = mr_learn_table_hash(t, p, n);
	uint64_t again[2] = { first, kind };

	key[0] = mr_learn_table_hash(t, again, sizeof(again));
	again[1] |= 1ull << 32;
	key[1] = mr_learn_table_hash(t, again, sizeof(again)) ^ n;
}

struct mr_learn_item *mr_learn_record(struct mr_learner *l, enum mr_memory kind, const void *p,
				      size_t n, bool make)
{
	uint64_t key[2];

	hash_key(l->memory, kind, p, n, key);
	return mr_learn_table_get(l->memory, key, make);
}

uint64_t mr_learn_user(const struct mr_learner *l, struct mr_str user)
{
	return user.n ? mr_learn_table_hash(l->memory, user.p, user.n) : 0;
}

/* Loopback and our own proxies: neither permit nor ban. */
bool mr_learn_listed(const struct mr_learner *l, const struct mr_addr *a,
		     struct mr_learn_result *out)
{
	const struct mr_policy *p = l->setup.policy;

	if (mr_set_find(&l->setup.host->loopback, a, NULL, NULL, NULL)) {
		mr_learn_say(out, MR_LEARN_NONE, "loopback: neither permit nor ban");
		return true;
	}
	if (p->proxies && mr_set_find(&p->sets[p->proxies - 1].set, a, NULL, NULL, NULL)) {
		mr_learn_say(out, MR_LEARN_NONE, "one of our proxies: neither permit nor ban");
		return true;
	}
	return false;
}

static bool may_earn(const struct mr_permit_options *o, struct mr_str user)
{
	if (!o->users)
		return true;
	for (size_t i = 0; i < o->n_users; i++)
		if (strlen(o->users[i]) == user.n && strncasecmp(o->users[i], user.p, user.n) == 0)
			return true;
	return false;
}

/* A list with a cap: true if `what` stands in it or may join it. */
static bool room_for(struct mr_learn_item *r, uint64_t what, uint32_t cap, uint64_t now)
{
	if (!r)
		return true;
	mr_learn_marks_expire(r, now);
	return cap == 0 || r->marks < cap || mr_learn_marks_find(r, what);
}

static int note(struct mr_learn_item *r, uint64_t what, uint64_t expires)
{
	struct mr_learn_mark *m;

	if (!r)
		return -ENOMEM;
	m = mr_learn_marks_find(r, what);
	if (!m)
		return mr_learn_marks_add(r, expires, what);
	if (m->at < expires)
		m->at = expires;
	return 0;
}

struct circle { /* the three lists that a permit stands in */
	struct mr_prefix prefix;
	uint64_t user, addr;
};

static struct circle circle_of(const struct mr_learner *l, const struct mr_addr *a,
			       struct mr_str user)
{
	struct circle c = { .prefix = { *a, mr_addr_is4(a) ? 96 + PREFIX4 : PREFIX6 } };

	mr_addr_mask(&c.prefix.addr, c.prefix.plen);
	c.user = mr_learn_user(l, user);
	c.addr = mr_learn_table_hash(l->memory, a->b, sizeof(a->b));
	return c;
}

/* false: a cap bites, and *out says which. */
static bool within_caps(struct mr_learner *l, const struct circle *c, const struct mr_addr *a,
			uint64_t now, struct mr_learn_result *out)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;

	if (c->user && !room_for(mr_learn_record(l, MR_MEMORY_ADDRESSES, &c->user, 8, false),
				 c->addr, o->addresses_per_user, now)) {
		l->stats.capped_user++;
		mr_learn_say(out, MR_LEARN_NONE, "this user holds permits at %u addresses already",
			     o->addresses_per_user);
		return false;
	}
	if (c->user && !room_for(mr_learn_record(l, MR_MEMORY_USERS, a->b, 16, false), c->user,
				 o->users_per_address, now)) {
		l->stats.capped_address++;
		mr_learn_say(out, MR_LEARN_NONE, "%u users share this address already",
			     o->users_per_address);
		return false;
	}
	if (!room_for(mr_learn_record(l, MR_MEMORY_PREFIX, &c->prefix, sizeof(c->prefix), false),
		      c->addr, o->per_prefix, now)) {
		l->stats.capped_prefix++;
		mr_learn_say(out, MR_LEARN_NONE, "%u permits in this network already",
			     o->per_prefix);
		return false;
	}
	return true;
}

static int write_permit(struct mr_learner *l, const struct circle *c, const struct mr_addr *a,
			struct mr_str user, uint64_t at, uint64_t expires, uint64_t now,
			struct mr_learn_result *out)
{
	struct mr_entry v = {
		.expires = expires,
		.granted = at,
		.services = l->setup.permit_services,
		.user = user.n && l->user_id ? l->user_id(user, l->userdata) : 0,
		.origin = MR_ORIGIN_LEARNED,
	};
	int r = mr_book_add(l->book, MR_PERMIT, a, &v, now, &out->keyed);

	if (r < 0)
		return r;
	out->expires = expires;
	if (c->user) {
		note(mr_learn_record(l, MR_MEMORY_ADDRESSES, &c->user, 8, true), c->addr, expires);
		note(mr_learn_record(l, MR_MEMORY_USERS, a->b, 16, true), c->user, expires);
	}
	note(mr_learn_record(l, MR_MEMORY_PREFIX, &c->prefix, sizeof(c->prefix), true), c->addr,
	     expires);
	return 0;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

/* A session by its id, or, where there is none, all sessions of a user from one address together.
 * Record: a = sessions open, b = last login, mark[0] = address in two halves, mark[1].at = format.
 */
static struct mr_learn_item *session_of(struct mr_learner *l, const struct mr_event *e, bool make)
{
	uint64_t key[2];

	if (e->session.n) {
		hash_key(l->sessions, 1000, e->session.p, e->session.n, key);
	} else {
		uint64_t name[4] = { (uint64_t)e->family, mr_learn_user(l, e->user) };

		memcpy(&name[2], e->addr.b, 16);
		hash_key(l->sessions, 1001, name, sizeof(name), key);
	}
	return mr_learn_table_get(l->sessions, key, make);
}

static bool logs_out(const struct mr_learner *l, const char *format)
{
	for (size_t i = 0; i < MR_LEARN_FORMATS && l->logs_out[i]; i++)
		if (l->logs_out[i] == format)
			return true;
	return false;
}

static void learn_logs_out(struct mr_learner *l, const char *format)
{
	for (size_t i = 0; i < MR_LEARN_FORMATS; i++) {
		if (l->logs_out[i] == format)
			return;
		if (!l->logs_out[i]) {
			l->logs_out[i] = format;
			return;
		}
	}
}

static void session_opens(struct mr_learner *l, const struct mr_event *e, uint64_t at)
{
	struct mr_learn_item *r = session_of(l, e, true);
	uint64_t half[2];

	if (!r)
		return;
	memcpy(half, e->addr.b, 16);
	r->marks = 0;
	if (mr_learn_marks_add(r, half[0], half[1]) < 0 ||
	    mr_learn_marks_add(r, (uint64_t)(uintptr_t)e->format, 0) < 0) {
		mr_learn_table_drop(l->sessions, r);
		return;
	}
	r->a = e->session.n ? 1 : r->a + 1;
	r->b = at;
}

static struct mr_addr session_addr(const struct mr_learn_item *r)
{
	struct mr_addr a;

	memcpy(a.b, &r->mark[0].at, 8);
	memcpy(a.b + 8, &r->mark[0].what, 8);
	return a;
}

/* --- events ------------------------------------------------------------------------------------
 */

static int on_login(struct mr_learner *l, const struct mr_event *e, uint64_t at, uint64_t now,
		    struct mr_learn_result *out)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;
	struct circle c = circle_of(l, &e->addr, e->user);
	uint64_t expires = at + o->ttl_us * MR_NS_PER_US;
	char span[24];
	int r;

	mr_learn_forgive(l, &e->addr, c.user);
	if (mr_learn_listed(l, &e->addr, out))
		return 0;
	if (!l->setup.permit_services)
		return mr_learn_say(out, MR_LEARN_NONE, "no service names permitted");
	if (!may_earn(o, e->user))
		return mr_learn_say(out, MR_LEARN_NONE, "permit { users } does not list this user");
	session_opens(l, e, at);
	if (expires <= now)
		return mr_learn_say(out, MR_LEARN_NONE,
				    "the login is longer ago than a permit lasts");
	if (!within_caps(l, &c, &e->addr, now, out))
		return 0;
	r = write_permit(l, &c, &e->addr, e->user, at, expires, now, out);
	if (r < 0) {
		mr_learn_say(out, MR_LEARN_NONE,
			     r == -E2BIG ? "the permit map is full"
					 : "the permit could not be written");
		return r == -E2BIG ? 0 : r;
	}
	l->stats.permits++;
	return mr_learn_say(out, MR_LEARN_PERMIT, "%s: permit for %s", e->what,
			    mr_learn_span(expires - at, span));
}

static int on_logout(struct mr_learner *l, const struct mr_event *e, uint64_t at, uint64_t now,
		     struct mr_learn_result *out)
{
	struct mr_learn_item *s = session_of(l, e, false);
	const struct mr_entry *have;
	struct circle c = circle_of(l, &e->addr, e->user);
	uint64_t expires = at + l->setup.policy->permit.ttl_us * MR_NS_PER_US;
	int r;

	learn_logs_out(l, e->format);
	if (!s || s->a == 0)
		return mr_learn_say(out, MR_LEARN_NONE,
				    "the end of a session that was not seen to begin");
	if (--s->a == 0)
		mr_learn_table_drop(l->sessions, s);
	have = mr_book_find(l->book, MR_PERMIT, &e->addr, now, NULL);
	if (!have || have->origin != MR_ORIGIN_LEARNED || expires <= now)
		return mr_learn_say(out, MR_LEARN_NONE, "session ended");
	if (have->expires >= expires)
		return mr_learn_say(out, MR_LEARN_NONE, "session ended; the permit lasts longer");
	r = write_permit(l, &c, &e->addr, e->user, have->granted, expires, now, out);
	return r < 0 ? r
		     : mr_learn_say(out, MR_LEARN_PERMIT,
				    "session ended: the permit runs from here");
}

int mr_learner_event(struct mr_learner *l, const struct mr_event *e, uint64_t at, uint64_t now,
		     struct mr_learn_result *out)
{
	*out = (struct mr_learn_result){ .action = MR_LEARN_NONE };
	if (at > now)
		at = now;
	l->stats.events[e->kind]++;
	switch (e->kind) {
	case MR_EV_LOGIN:
		return on_login(l, e, at, now, out);
	case MR_EV_LOGOUT:
		return on_logout(l, e, at, now, out);
	case MR_EV_FAILURE:
	case MR_EV_ABUSE:
		return mr_learn_bad(l, e, at, now, out);
	}
	return -EINVAL;
}

int mr_learner_tick(struct mr_learner *l, uint64_t now, size_t *extended)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;
	uint64_t max_age = o->max_age_us ? o->max_age_us * MR_NS_PER_US : MAX_AGE_DEFAULT_NS;
	uint64_t ttl = o->ttl_us * MR_NS_PER_US;
	struct mr_learn_item *r, *older;
	size_t n = 0;

	for (r = mr_learn_table_walk(l->sessions, NULL); r; r = older) {
		const char *format = (const char *)(uintptr_t)r->mark[1].at;
		struct mr_addr a = session_addr(r);
		const struct mr_entry *have;
		struct mr_entry v;

		older = mr_learn_table_walk(l->sessions, r);
		if (now - r->b > max_age) {
			mr_learn_table_drop(l->sessions, r);
			continue;
		}
		if (!logs_out(l, format))
			continue;
		have = mr_book_find(l->book, MR_PERMIT, &a, now, NULL);
		if (!have || have->origin != MR_ORIGIN_LEARNED || have->expires > now + ttl / 2)
			continue;
		v = *have;
		v.expires = now + ttl < r->b + max_age ? now + ttl : r->b + max_age;
		v.plen = 0;
		if (v.expires > have->expires &&
		    mr_book_add(l->book, MR_PERMIT, &a, &v, now, NULL) == 0)
			n++;
	}
	*extended = n;
	return 0;
}

void mr_learner_stats(const struct mr_learner *l, struct mr_learn_stats *out)
{
	*out = l->stats;
	out->addresses = mr_learn_table_count(l->memory);
	out->sessions = mr_learn_table_count(l->sessions);
	out->forgotten =
		mr_learn_table_forgotten(l->memory) + mr_learn_table_forgotten(l->sessions);
}
