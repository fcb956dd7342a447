// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_ban.c - who is shut out: failures and abuse counted in sliding windows (learn.h).
 *
 * Counted per ban key (IPv6 cut to the ban width), each failure with its time and its user, so that
 * a good login takes back that user's failures and nobody else's.  An address with a live permit
 * may fail five times as often, no more.  Never bans proxies, loopback, own networks or `except`.
 * One attempt that two programs log counts once: by session id, or, where Dovecot's auth process
 * and the SMTP server tell of the same attempt without one, by pairing their lines.
 */
#include "learn_private.h"

#include <mailreeve/match.h>

#define PERMIT_FACTOR	  5 /* a live permit raises the threshold so much */
#define MARKS_MAX	  4096 /* failures remembered of one key; thresholds above are cut */
#define PAIR_NS		  (10 * MR_NS_PER_S) /* lines of one attempt are this close in time */
#define WINDOW_DEFAULT_NS (600 * MR_NS_PER_S) /* "on abuse 3" without a window */

static bool excepted(const struct mr_learner *l, const struct mr_addr *a)
{
	const struct mr_policy *p = l->setup.policy;

	if (mr_set_find(&l->setup.host->local, a, NULL, NULL, NULL))
		return true;
	for (size_t i = 0; i < p->ban.n_except; i++)
		if (mr_source_holds(p, l->setup.host, &p->ban.except[i], a, false, false))
			return true;
	return false;
}

static struct mr_addr ban_key(const struct mr_learner *l, const struct mr_addr *a)
{
	struct mr_addr k = *a;

	if (!mr_addr_is4(a))
		mr_addr_mask(&k, l->setup.policy->ban.ipv6_prefix);
	return k;
}

void mr_learn_forgive(struct mr_learner *l, const struct mr_addr *a, uint64_t user)
{
	struct mr_addr k = ban_key(l, a);
	struct mr_learn_item *r = mr_learn_record(l, MR_MEMORY_FAILURES, k.b, 16, false);

	if (r && user)
		mr_learn_marks_remove(r, user);
}

/* How many attempts of this event are new: those that another line told of before are taken off. */
static uint32_t new_attempts(struct mr_learner *l, const struct mr_event *e, uint64_t at)
{
	bool auth = e->family == MR_FAMILY_NONE; /* the authentication process, not the server */
	struct mr_learn_item *r;
	uint64_t *mine, *other;
	uint32_t fresh;

	if (e->session.n) {
		r = mr_learn_record(l, MR_MEMORY_ATTEMPTS, e->session.p, e->session.n, true);
		if (!r)
			return e->count;
		if (auth) {
			r->a += e->count;
			return e->count;
		}
		/* the server's line sums up the whole session */
		if (e->count <= r->a)
			return 0;
		fresh = (uint32_t)(e->count - r->a);
		r->a = e->count;
		return fresh;
	}
	r = mr_learn_record(l, MR_MEMORY_PAIRS, e->addr.b, 16, true);
	if (!r || (r->marks == 0 && mr_learn_marks_add(r, at, 0) < 0))
		return e->count;
	if (at > r->mark[0].at + PAIR_NS)
		r->a = r->b = 0;
	r->mark[0].at = at;
	mine = auth ? &r->a : &r->b;
	other = auth ? &r->b : &r->a;
	if (*other > 0) {
		--*other;
		return e->count - 1;
	}
	++*mine;
	return e->count;
}

static uint64_t ban_ttl(struct mr_learner *l, const struct mr_addr *key, uint64_t at)
{
	const struct mr_ban_options *o = &l->setup.policy->ban;
	struct mr_learn_item *r = mr_learn_record(l, MR_MEMORY_HISTORY, key->b, 16, true);
	uint64_t ttl = o->ttl_us, cap = o->escalate_max_us ? o->escalate_max_us : o->ttl_us;

	if (r && o->escalate > 1) {
		if (at > r->b && at - r->b > cap * MR_NS_PER_US)
			r->a = 0; /* behaved for as long as the longest ban */
		for (uint64_t i = 0; i < r->a && ttl < cap; i++)
			ttl = ttl > cap / o->escalate ? cap : ttl * o->escalate;
		r->a++;
		r->b = at + ttl * MR_NS_PER_US;
	}
	return ttl * MR_NS_PER_US;
}

static int write_ban(struct mr_learner *l, const struct mr_event *e, const struct mr_addr *key,
		     uint64_t at, uint64_t now, uint32_t count, struct mr_learn_result *out)
{
	struct mr_entry v = {
		.expires = at + ban_ttl(l, key, at),
		.granted = at,
		.services = l->setup.ban_services,
		.origin = MR_ORIGIN_LEARNED,
	};
	char span[24];
	int r;

	if (v.expires <= now)
		return mr_learn_say(out, MR_LEARN_COUNT, "%u times, longer ago than a ban lasts",
				    count);
	r = mr_book_add(l->book, MR_BAN, &e->addr, &v, now, &out->keyed);
	if (r < 0) {
		mr_learn_say(out, MR_LEARN_NONE, "the ban could not be written");
		return r;
	}
	out->expires = v.expires;
	l->stats.bans++;
	return mr_learn_say(out, MR_LEARN_BAN, "%s, %u of %u: banned for %s", e->what, count, count,
			    mr_learn_span(v.expires - at, span));
}

int mr_learn_bad(struct mr_learner *l, const struct mr_event *e, uint64_t at, uint64_t now,
		 struct mr_learn_result *out)
{
	const struct mr_ban_options *o = &l->setup.policy->ban;
	bool abuse = e->kind == MR_EV_ABUSE;
	const struct mr_threshold *t = abuse ? &o->on_abuse : &o->on_failure;
	struct mr_addr key = ban_key(l, &e->addr);
	uint64_t window = t->window_us ? t->window_us * MR_NS_PER_US : WINDOW_DEFAULT_NS;
	uint64_t limit = t->count, user = abuse ? 0 : mr_learn_user(l, e->user);
	uint32_t fresh = e->count;
	struct mr_learn_item *r;

	if (mr_learn_listed(l, &e->addr, out) || excepted(l, &e->addr)) {
		l->stats.protected ++;
		return out->why[0]
			       ? 0
			       : mr_learn_say(out, MR_LEARN_NONE, "an own network is not banned");
	}
	if (!abuse)
		fresh = new_attempts(l, e, at);
	if (fresh == 0) {
		l->stats.doubles++;
		return mr_learn_say(out, MR_LEARN_NONE, "this attempt was counted already");
	}
	if (mr_book_find(l->book, MR_BAN, &e->addr, now, NULL))
		return mr_learn_say(out, MR_LEARN_NONE, "banned already");
	if (limit && mr_book_find(l->book, MR_PERMIT, &e->addr, now, NULL))
		limit *= PERMIT_FACTOR;
	if (limit > MARKS_MAX)
		limit = MARKS_MAX;
	r = mr_learn_record(l, abuse ? MR_MEMORY_ABUSE : MR_MEMORY_FAILURES, key.b, 16, true);
	if (!r)
		return -ENOMEM;
	if (at > window)
		mr_learn_marks_expire(r, at - window);
	for (uint32_t i = 0; i < fresh && r->marks < MARKS_MAX; i++)
		if (mr_learn_marks_add(r, at, user) < 0)
			return -ENOMEM;
	if (limit == 0 || r->marks < limit)
		return mr_learn_say(out, MR_LEARN_COUNT, "%s, %u of %u", e->what, r->marks,
				    (unsigned int)limit);
	fresh = r->marks;
	r->marks = 0;
	return write_ban(l, e, &key, at, now, fresh, out);
}
