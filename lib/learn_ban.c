// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_ban.c - who is shut out: failures and abuse counted in sliding windows (learn.h).
 *
 * Counted per ban key (IPv6 cut to the ban width), each failure with its time and its user, so that
 * a good login takes back that user's failures and nobody else's.  An address with a live permit
 * may fail five times as often, no more.  Never bans proxies, loopback, own networks or `except`,
 * nor the prefix that one of them is in.
 * One attempt that two programs log counts once: by session id, or, where several tell of the
 * same attempt without one, by what each told of within a few seconds.  One that a server writes
 * twice counts once, too: learn_copies.c.
 */
#include "learn_private.h"

#include <mailreeve/match.h>
#include <string.h>

#define PERMIT_FACTOR 5 /* a live permit raises the threshold so much */
#define MARKS_MAX \
	50000 /* failures remembered of one key: the largest threshold that can be written, \
		 fivefold */
#define PAIR_NS (10 * MR_NS_PER_S) /* lines of one attempt are this close in time */
#define LATE_NS \
	(900 * \
	 MR_NS_PER_S) /* what was counted is kept so much longer than it is asked for: lines \
			 come late, and the client of a login process may stay three minutes */
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

bool mr_learn_spares(const struct mr_policy *p, const struct mr_host *host,
		     const struct mr_prefix *prefix)
{
	const struct mr_set *s;

	if (mr_set_meets(&host->local, prefix) ||
	    (p->proxies && mr_set_meets(&p->sets[p->proxies - 1].set, prefix)))
		return true;
	for (size_t i = 0; i < p->ban.n_except; i++) {
		s = mr_policy_source_set(p, host, &p->ban.except[i]);
		if (s && mr_set_meets(s, prefix))
			return true;
	}
	return false;
}

/* A ban on the whole prefix would hit a neighbour that is never banned. */
static bool spared_neighbour(const struct mr_learner *l, const struct mr_addr *a)
{
	struct mr_prefix cut = { *a, l->setup.policy->ban.ipv6_prefix };

	if (mr_addr_is4(a) || cut.plen >= 128)
		return false;
	mr_addr_mask(&cut.addr, cut.plen);
	return mr_learn_spares(l->setup.policy, l->setup.host, &cut);
}

struct mr_addr mr_learn_ban_key(const struct mr_learner *l, const struct mr_addr *a)
{
	struct mr_addr k = *a;

	if (!mr_addr_is4(a))
		mr_addr_mask(&k, l->setup.policy->ban.ipv6_prefix);
	return k;
}

void mr_learn_forgive(struct mr_learner *l, const struct mr_learn_names *names)
{
	struct mr_learn_item *r = mr_learn_table_get(l->failed, names->bad, false, l->now);

	if (r && names->user)
		mr_learn_marks_remove(r, names->user);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Sides that may tell of one attempt: the authentication process (its lines name no service), the
 * server, and Dovecot's report over HTTP. */
enum side { SIDE_AUTH, SIDE_SERVER, SIDE_REPORT };

static uint64_t *side_sum(struct mr_learn_item *r, enum side side)
{
	return side == SIDE_AUTH ? &r->a : side == SIDE_SERVER ? &r->b : &r->first.what;
}

static uint64_t most(struct mr_learn_item *r)
{
	return larger(larger(r->a, r->b), r->first.what);
}

/*
 * How many attempts of this event are new: those that another side told of before are taken off.
 * With a session the sides' sums are compared; without, those of lines that are close in time.
 */
static uint32_t new_attempts(struct mr_learner *l, const struct mr_event *e,
			     const struct mr_learn_names *names, uint32_t told, uint64_t at)
{
	enum side side = strcmp(e->format, MR_FORMAT_REPORT) == 0 ? SIDE_REPORT
			 : e->family == MR_FAMILY_NONE		  ? SIDE_AUTH
								  : SIDE_SERVER;
	struct mr_learn_item *r = mr_learn_table_get(l->attempts, names->attempts, true, l->now);
	uint64_t before;

	if (!e->session.n) {
		if (at > r->first.at + PAIR_NS)
			r->a = r->b = r->first.what = 0;
		r->first.at = larger(at, r->first.at);
	}
	mr_learn_table_keep(r, l->now + LATE_NS);
	before = most(r);
	*side_sum(r, side) += told;
	return (uint32_t)(most(r) - before);
}

/* The longest ban, and how long one must behave to have a clean slate. */
static uint64_t longest_ban(const struct mr_learner *l)
{
	return larger(l->setup.policy->ban.escalate_max_us, l->setup.policy->ban.ttl_us);
}

static uint64_t ban_ttl(const struct mr_learner *l, struct mr_learn_item *history, uint64_t at)
{
	const struct mr_ban_options *o = &l->setup.policy->ban;
	uint64_t ttl = o->ttl_us, cap = longest_ban(l);

	if (o->escalate > 1) {
		if (at > history->b && at - history->b > cap * MR_NS_PER_US)
			history->a = 0; /* behaved for as long as the longest ban */
		for (uint64_t i = 0; i < history->a && ttl < cap; i++)
			ttl = ttl > cap / o->escalate ? cap : ttl * o->escalate;
	}
	return ttl * MR_NS_PER_US;
}

static int write_ban(struct mr_learner *l, const struct mr_event *e, uint64_t at, uint64_t now,
		     struct mr_learn_result *out)
{
	struct mr_addr key = mr_learn_ban_key(l, &e->addr);
	struct mr_learn_item *history = mr_learn_record(l, MR_MEMORY_HISTORY, key.b, 16, true);
	struct mr_entry v = {
		.expires = at + ban_ttl(l, history, at),
		.granted = at,
		.services = l->setup.ban_services,
		.origin = MR_ORIGIN_LEARNED,
		.plen = spared_neighbour(l, &e->addr) ? 128 : 0,
	};
	int r;

	if (v.expires <= now)
		return mr_learn_say(out, MR_LEARN_COUNT, e->what,
				    ", often enough, but longer ago than a ban lasts");
	r = mr_learn_add(l, MR_BAN, &e->addr, &v, now, out);
	if (r < 0) {
		mr_learn_say(out, MR_LEARN_NONE, "the ban could not be written");
		return r;
	}
	history->a++;
	history->b = v.expires;
	mr_learn_table_keep(history, v.expires + longest_ban(l) * MR_NS_PER_US + LATE_NS);
	l->stats.bans++;
	return 1;
}

/* The window slides with the latest failure, which is not always the one that comes last: lines
 * may be out of order.  false: this one lies before the window already. */
static bool slide(struct mr_learn_item *r, uint64_t at, uint64_t window)
{
	const struct mr_learn_mark *m = mr_learn_marks(r);
	uint64_t latest = at;

	for (uint32_t i = 0; i < r->marks; i++)
		latest = larger(latest, m[i].at);
	if (latest <= window)
		return true;
	mr_learn_marks_expire(r, latest - window);
	return at > latest - window;
}

static int count(struct mr_learner *l, const struct mr_event *e, const struct mr_learn_names *names,
		 uint32_t fresh, uint64_t at, uint64_t now, struct mr_learn_result *out)
{
	const struct mr_ban_options *o = &l->setup.policy->ban;
	bool abuse = e->kind == MR_EV_ABUSE;
	const struct mr_threshold *t = abuse ? &o->on_abuse : &o->on_failure;
	uint64_t window = t->window_us ? t->window_us * MR_NS_PER_US : WINDOW_DEFAULT_NS;
	uint64_t limit = t->count, user = abuse ? 0 : names->user;
	struct mr_learn_item *r;
	struct mr_entry have;
	char span[MR_LEARN_NUMBER], have_n[MR_LEARN_NUMBER], limit_n[MR_LEARN_NUMBER];
	int err;

	if (limit == 0)
		return mr_learn_say(out, MR_LEARN_COUNT, e->what, "; never banned for that");
	if (mr_learn_find(l, MR_PERMIT, &e->addr, now, &have))
		limit *= PERMIT_FACTOR;
	if (limit > MARKS_MAX)
		limit = MARKS_MAX;
	r = mr_learn_table_get(l->failed, names->bad, true, l->now);
	mr_learn_table_keep(r, now + window + LATE_NS);
	if (!slide(r, at, window))
		return mr_learn_say(out, MR_LEARN_COUNT, e->what, ", but long before the others");
	for (uint32_t i = 0; i < fresh && r->marks < limit; i++)
		if (mr_learn_marks_add(r, at, user) < 0)
			return -ENOMEM;
	if (r->marks < limit)
		return mr_learn_say(out, MR_LEARN_COUNT, e->what, ", ",
				    mr_learn_number(r->marks, have_n), " of ",
				    mr_learn_number(limit, limit_n));
	err = write_ban(l, e, at, now, out);
	if (err <= 0)
		return err;
	r->marks = 0;
	return mr_learn_say(out, MR_LEARN_BAN, e->what, ", ", mr_learn_number(limit, limit_n),
			    " of ", mr_learn_number(limit, limit_n), ": banned for ",
			    mr_learn_span(out->expires + MR_LEARN_EPOCH - at, span));
}

int mr_learn_bad(struct mr_learner *l, const struct mr_event *e, const struct mr_learn_names *names,
		 uint64_t at, uint64_t now, struct mr_learn_result *out)
{
	uint64_t close = l->setup.ban_services, closed;
	uint32_t fresh = e->count;

	if (mr_learn_listed(l, &e->addr, out)) {
		l->stats.protected ++;
		return 0;
	}
	if (excepted(l, &e->addr)) {
		l->stats.protected ++;
		return mr_learn_say(out, MR_LEARN_NONE, "an own network is not banned");
	}
	if (e->twice != MR_TWICE_NEVER)
		fresh = mr_learn_copies(l, e, at);
	if (e->kind == MR_EV_FAILURE && fresh)
		fresh = new_attempts(l, e, names, fresh, at);
	if (fresh == 0) {
		l->stats.doubles++;
		return mr_learn_say(out, MR_LEARN_NONE, "this attempt was counted already");
	}
	/* a ban of one service must not cover up what goes on at the others */
	closed = mr_book_services(l->book, MR_BAN, &e->addr, now - MR_LEARN_EPOCH);
	if (closed && !(close & ~closed))
		return mr_learn_say(out, MR_LEARN_NONE, "banned already");
	return count(l, e, names, fresh, at, now, out);
}
