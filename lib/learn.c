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

#include <string.h>

#define LATE_NS (60 * MR_NS_PER_S) /* a login read so late is told with its age */
#define MAX_AGE_DEFAULT_NS \
	(86400 * MR_NS_PER_S) /* if `max-age` is off: a session may still be lost */

int mr_learn_say_all(struct mr_learn_result *out, enum mr_learn_action action,
		     const char *const *part)
{
	size_t n = 0, len;

	out->action = action;
	for (; *part; part++) {
		len = strnlen(*part, sizeof(out->why) - 1 - n);
		memcpy(out->why + n, *part, len);
		n += len;
	}
	out->why[n] = '\0';
	return 0;
}

static const char *put_number(uint64_t v, char unit, char buf[static MR_LEARN_NUMBER])
{
	char *p = buf + MR_LEARN_NUMBER;

	*--p = '\0';
	if (unit)
		*--p = unit;
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	return p;
}

const char *mr_learn_number(uint64_t v, char buf[static MR_LEARN_NUMBER])
{
	return put_number(v, '\0', buf);
}

const char *mr_learn_span(uint64_t ns, char buf[static MR_LEARN_NUMBER])
{
	uint64_t s = ns / MR_NS_PER_S;

	if (s >= 7200 && s % 3600 == 0)
		return put_number(s / 3600, 'h', buf);
	if (s >= 120 && s % 60 == 0)
		return put_number(s / 60, 'm', buf);
	return put_number(s, 's', buf);
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
	r = mr_learn_table_new(MR_LEARN_ADDRESSES, &l->earned);
	if (r == 0)
		r = mr_learn_table_new(MR_LEARN_ADDRESSES, &l->failed);
	if (r == 0)
		r = mr_learn_table_new(MR_LEARN_SESSIONS, &l->attempts);
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
	mr_learn_table_free(l->earned);
	mr_learn_table_free(l->failed);
	mr_learn_table_free(l->attempts);
	mr_learn_table_free(l->sessions);
	free(l);
}

void mr_learner_setup(struct mr_learner *l, const struct mr_learn_setup *s)
{
	l->setup = *s;
}

struct mr_learn_item *mr_learn_record(struct mr_learner *l, enum mr_memory kind, const void *p,
				      size_t n, bool make)
{
	struct mr_learn_table *t = kind <= MR_MEMORY_PREFIX    ? l->earned
				   : kind <= MR_MEMORY_HISTORY ? l->failed
							       : l->attempts;
	uint64_t key[2];

	mr_learn_table_key(t, kind, p, n, key);
	return mr_learn_table_get(t, key, make, l->now);
}

uint64_t mr_learn_user(const struct mr_learner *l, struct mr_str user)
{
	return user.n ? mr_learn_table_hash(l->earned, user.p, user.n) : 0;
}

/* No packet of a client has it as its source: unspecified, multicast, reserved.  Servers log such
 * ones of health checks and of sockets that are no network's. */
static bool is_nobodys(const struct mr_addr *a)
{
	static const struct mr_addr none;

	if (mr_addr_is4(a))
		return a->b[12] == 0 || a->b[12] >= 224;
	return a->b[0] == 0xff || memcmp(a, &none, sizeof(none)) == 0;
}

/* Loopback, our own proxies and what is no client's: neither permit nor ban. */
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
	if (is_nobodys(a)) {
		mr_learn_say(out, MR_LEARN_NONE, "no client has this address");
		return true;
	}
	return false;
}

bool mr_learn_find(const struct mr_learner *l, enum mr_entry_kind kind, const struct mr_addr *a,
		   uint64_t now, struct mr_entry *out)
{
	const struct mr_entry *v = mr_book_find(l->book, kind, a, now - MR_LEARN_EPOCH, NULL);

	if (!v)
		return false;
	*out = *v;
	out->expires += MR_LEARN_EPOCH;
	out->granted += MR_LEARN_EPOCH;
	return true;
}

int mr_learn_add(struct mr_learner *l, enum mr_entry_kind kind, const struct mr_addr *a,
		 const struct mr_entry *v, uint64_t now, struct mr_learn_result *out)
{
	struct mr_entry boot = *v;
	int r;

	boot.expires -= MR_LEARN_EPOCH;
	boot.granted = v->granted > MR_LEARN_EPOCH ? v->granted - MR_LEARN_EPOCH : 0;
	r = mr_book_add(l->book, kind, a, &boot, now - MR_LEARN_EPOCH, &out->keyed);
	if (r == 0)
		out->expires = boot.expires;
	return r;
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

/* The three lists that a permit stands in. */
struct circle {
	struct mr_learn_item *of_user, *of_address, *of_prefix; /* of_user NULL: no name is known */
	uint64_t user, addr;
};

static void circle_of(struct mr_learner *l, const struct mr_learn_names *names, struct circle *out)
{
	*out = (struct circle){ .user = names->user, .addr = names->addr };
	out->of_prefix = mr_learn_table_get(l->earned, names->of_prefix, true, l->now);
	if (!names->user)
		return;
	out->of_user = mr_learn_table_get(l->earned, names->of_user, true, l->now);
	out->of_address = mr_learn_table_get(l->earned, names->of_address, true, l->now);
}

/* A list with a cap: does `what` stand in it, or is there room? */
static bool room_for(struct mr_learn_item *r, uint64_t what, uint32_t cap, uint64_t now)
{
	if (!r || mr_learn_marks_find(r, what))
		return true;
	if (cap == 0 || r->marks < cap)
		return true;
	mr_learn_marks_expire(r, now);
	return r->marks < cap;
}

/* Stands in the list until `expires`.  A list without room for memory is short of one: a cap that
 * bites late. */
static void note(struct mr_learn_item *r, uint64_t what, uint64_t expires, uint32_t cap,
		 uint64_t now)
{
	struct mr_learn_mark *m = r ? mr_learn_marks_find(r, what) : NULL;

	if (!r)
		return;
	if (m && m->at < expires)
		m->at = expires;
	if (!m && r->marks == 1u << r->room)
		mr_learn_marks_expire(r, now);
	if (!m && (cap == 0 || r->marks < cap))
		mr_learn_marks_add(r, expires, what);
	mr_learn_table_keep(r, expires);
}

static void note_all(struct mr_learner *l, const struct circle *c, uint64_t expires, uint64_t now)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;

	note(c->of_user, c->addr, expires, o->addresses_per_user, now);
	note(c->of_address, c->user, expires, o->users_per_address, now);
	note(c->of_prefix, c->addr, expires, o->per_prefix, now);
}

/* false: a cap bites, and *out says which. */
static bool within_caps(struct mr_learner *l, const struct circle *c, uint64_t now,
			struct mr_learn_result *out)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;
	char cap[MR_LEARN_NUMBER];

	if (!room_for(c->of_user, c->addr, o->addresses_per_user, now)) {
		l->stats.capped_user++;
		mr_learn_say(out, MR_LEARN_NONE, "this user holds permits at ",
			     mr_learn_number(o->addresses_per_user, cap), " addresses already");
		return false;
	}
	if (!room_for(c->of_address, c->user, o->users_per_address, now)) {
		l->stats.capped_address++;
		mr_learn_say(out, MR_LEARN_NONE, mr_learn_number(o->users_per_address, cap),
			     " users share this address already");
		return false;
	}
	if (!room_for(c->of_prefix, c->addr, o->per_prefix, now)) {
		l->stats.capped_prefix++;
		mr_learn_say(out, MR_LEARN_NONE, mr_learn_number(o->per_prefix, cap),
			     " permits in this network already");
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
	int r = mr_learn_add(l, MR_PERMIT, a, &v, now, out);

	if (r < 0)
		return r;
	note_all(l, c, expires, now);
	return 0;
}

/* --- sessions ----------------------------------------------------------------------------------
 */

/* Number of a format; MR_LEARN_FORMATS if there is no room for it.  By name: own formats come and
 * go with their policy. */
static size_t format_number(struct mr_learner *l, uint64_t name)
{
	size_t i;

	for (i = 0; i < l->formats; i++)
		if (l->format[i].name == name)
			return i;
	if (i == MR_LEARN_FORMATS)
		return i;
	l->format[i].name = name;
	l->format[i].logs_out = false;
	return l->formats++;
}

static uint64_t max_age(const struct mr_learner *l)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;

	return o->max_age_us ? o->max_age_us * MR_NS_PER_US : MAX_AGE_DEFAULT_NS;
}

/*
 * A session matters as long as it can extend a permit: up to `max-age` where logouts are logged,
 * else as long as the permit lasts by itself.  A server whose logouts are never seen would fill the
 * table with sessions that ended long ago.
 */
static void session_keep(const struct mr_learner *l, struct mr_learn_item *r)
{
	bool logs_out = r->tag < MR_LEARN_FORMATS && l->format[r->tag].logs_out;

	mr_learn_table_keep(
		r, r->b + (logs_out ? max_age(l) : l->setup.policy->permit.ttl_us * MR_NS_PER_US));
}

/* Record: marks = sessions open, b = last login, a = user, first = address in two halves, tag =
 * format. */
static void session_opens(struct mr_learner *l, const struct mr_event *e,
			  const struct mr_learn_names *names, uint64_t at)
{
	struct mr_learn_item *r = mr_learn_table_get(l->sessions, names->session, true, l->now);

	r->marks = e->session.n ? 1 : r->marks + 1;
	r->b = at;
	r->a = names->user;
	r->tag = (uint8_t)format_number(l, names->format);
	memcpy(&r->first, e->addr.b, 16);
	session_keep(l, r);
}

/* The first logout of a format: from now on its sessions count, those that stand too. */
static void format_logs_out(struct mr_learner *l, size_t format)
{
	if (format == MR_LEARN_FORMATS || l->format[format].logs_out)
		return;
	l->format[format].logs_out = true;
	for (struct mr_learn_item *r = mr_learn_table_walk(l->sessions, NULL); r;
	     r = mr_learn_table_walk(l->sessions, r))
		if (r->tag == format)
			session_keep(l, r);
}

static struct mr_addr session_addr(const struct mr_learn_item *r)
{
	struct mr_addr a;

	memcpy(a.b, &r->first, 16);
	return a;
}

/* --- events ------------------------------------------------------------------------------------
 */

static int on_login(struct mr_learner *l, const struct mr_event *e,
		    const struct mr_learn_names *names, uint64_t at, uint64_t now,
		    struct mr_learn_result *out)
{
	const struct mr_permit_options *o = &l->setup.policy->permit;
	uint64_t expires = at + o->ttl_us * MR_NS_PER_US;
	char span[MR_LEARN_NUMBER], minutes[MR_LEARN_NUMBER];
	struct circle c;
	int r;

	mr_learn_forgive(l, names);
	if (mr_learn_listed(l, &e->addr, out))
		return 0;
	if (!l->setup.permit_services)
		return mr_learn_say(out, MR_LEARN_NONE, "no service names permitted");
	if (!may_earn(o, e->user))
		return mr_learn_say(out, MR_LEARN_NONE, "permit { users } does not list this user");
	session_opens(l, e, names, at);
	if (expires <= now)
		return mr_learn_say(out, MR_LEARN_NONE,
				    "the login is longer ago than a permit lasts");
	circle_of(l, names, &c);
	if (!within_caps(l, &c, now, out))
		return 0;
	r = write_permit(l, &c, &e->addr, e->user, at, expires, now, out);
	if (r < 0) {
		mr_learn_say(out, MR_LEARN_NONE,
			     r == -E2BIG ? "the permit map is full"
					 : "the permit could not be written");
		return r == -E2BIG ? 0 : r;
	}
	l->stats.permits++;
	if (now - at >= LATE_NS)
		return mr_learn_say(out, MR_LEARN_PERMIT, e->what, " ",
				    mr_learn_number((now - at) / LATE_NS, minutes),
				    " minutes ago: permit for ", mr_learn_span(expires - at, span),
				    " from then");
	return mr_learn_say(out, MR_LEARN_PERMIT, e->what, ": permit for ",
			    mr_learn_span(expires - at, span));
}

static int on_logout(struct mr_learner *l, const struct mr_event *e,
		     const struct mr_learn_names *names, uint64_t at, uint64_t now,
		     struct mr_learn_result *out)
{
	struct mr_learn_item *s = mr_learn_table_get(l->sessions, names->session, false, l->now);
	uint64_t expires = at + l->setup.policy->permit.ttl_us * MR_NS_PER_US, latest;
	struct mr_entry have;
	struct circle c;
	int r;

	format_logs_out(l, format_number(l, names->format));
	if (!s || s->marks == 0)
		return mr_learn_say(out, MR_LEARN_NONE,
				    "the end of a session that was not seen to begin");
	latest = s->b + max_age(l);
	if (--s->marks == 0)
		mr_learn_table_drop(l->sessions, s);
	if (expires > latest)
		expires = latest;
	if (!mr_learn_find(l, MR_PERMIT, &e->addr, now, &have) ||
	    have.origin != MR_ORIGIN_LEARNED || expires <= now)
		return mr_learn_say(out, MR_LEARN_NONE, "session ended");
	if (have.expires >= expires)
		return mr_learn_say(out, MR_LEARN_NONE, "session ended; the permit lasts as long");
	circle_of(l, names, &c);
	r = write_permit(l, &c, &e->addr, e->user, have.granted, expires, now, out);
	if (r < 0) {
		mr_learn_say(out, MR_LEARN_NONE, "the permit could not be written");
		return r;
	}
	return mr_learn_say(out, MR_LEARN_PERMIT, "session ended: the permit runs from here");
}

int mr_learner_event(struct mr_learner *l, const struct mr_event *e, int64_t when, uint64_t now,
		     struct mr_learn_result *out)
{
	struct mr_learn_names names;
	uint64_t at =
		when > -(int64_t)MR_LEARN_EPOCH ? (uint64_t)(when + (int64_t)MR_LEARN_EPOCH) : 0;

	mr_learn_names(l, e, &names);
	out->action = MR_LEARN_NONE;
	out->why[0] = '\0'; /* for want of memory nothing is said */
	now += MR_LEARN_EPOCH;
	if (at > now)
		at = now;
	l->now = now;
	l->stats.events[e->kind]++;
	switch (e->kind) {
	case MR_EV_LOGIN:
		return on_login(l, e, &names, at, now, out);
	case MR_EV_LOGOUT:
		return on_logout(l, e, &names, at, now, out);
	case MR_EV_FAILURE:
	case MR_EV_ABUSE:
		return mr_learn_bad(l, e, &names, at, now, out);
	}
	return -EINVAL;
}

/* One session: keeps the permit of its address alive; 1 if it did. */
static size_t session_stands(struct mr_learner *l, const struct mr_learn_item *s, uint64_t now)
{
	uint64_t ttl = l->setup.policy->permit.ttl_us * MR_NS_PER_US, latest = s->b + max_age(l);
	struct mr_addr a = session_addr(s);
	struct mr_learn_result unused;
	struct mr_entry have, v;
	struct mr_learn_names names;
	struct circle c;

	if (!mr_learn_find(l, MR_PERMIT, &a, now, &have) || have.origin != MR_ORIGIN_LEARNED ||
	    have.expires > now + ttl / 2)
		return 0;
	v = have;
	v.expires = now + ttl < latest ? now + ttl : latest;
	v.plen = 0;
	if (v.expires <= have.expires || mr_learn_add(l, MR_PERMIT, &a, &v, now, &unused) < 0)
		return 0;
	mr_learn_names_circle(l, &a, s->a, &names);
	circle_of(l, &names, &c);
	note_all(l, &c, v.expires, now);
	return 1;
}

int mr_learner_tick(struct mr_learner *l, uint64_t now, size_t max, size_t *extended)
{
	struct mr_learn_item *s = mr_learn_table_walk(l->sessions, l->ticked);
	uint64_t oldest;
	size_t n = 0;

	now += MR_LEARN_EPOCH;
	oldest = now > max_age(l) ? now - max_age(l) : 0;
	l->now = now;
	for (; s && max; max--) {
		/* what is dropped, now or between two calls, stays a place to go on from */
		l->ticked = s;
		if (s->b < oldest)
			mr_learn_table_drop(l->sessions, s);
		else if (s->b >= MR_LEARN_EPOCH && /* no session outlives its machine */
			 s->tag < MR_LEARN_FORMATS && l->format[s->tag].logs_out)
			n += session_stands(l, s, now);
		s = mr_learn_table_walk(l->sessions, s);
	}
	if (!s)
		l->ticked = NULL;
	*extended = n;
	return s != NULL;
}

void mr_learner_stats(const struct mr_learner *l, struct mr_learn_stats *out)
{
	*out = l->stats;
	out->addresses = mr_learn_table_count(l->earned) + mr_learn_table_count(l->failed);
	out->sessions = mr_learn_table_count(l->sessions);
	out->forgotten = mr_learn_table_forgotten(l->earned) + mr_learn_table_forgotten(l->failed) +
			 mr_learn_table_forgotten(l->attempts) +
			 mr_learn_table_forgotten(l->sessions);
}
