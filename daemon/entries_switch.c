// SPDX-License-Identifier: BSD-2-Clause
/*
 * entries_switch.c - permits and bans from one policy to the next: other limits, larger maps, other
 * keys, and none for what is a proxy now.
 *
 * A larger map is filled beside the one in use (mr_resize_*), and changes places with it
 * first of all.
 * Another `ipv6-prefix` gives entries other keys.  They are written beside the old ones, then the
 * generation flips, and the masks with it, then the old ones go; all in steps between other events,
 * for a million entries take seconds.  At start, before the loop, there is nobody to wait: it is
 * done in place.  Called by apply.c, on the main thread.  If the flip fails the old keys stay, if
 * the larger map cannot be had the old map.
 */
#include "manager.h"

#include <string.h>

#define FILL_CHUNK  64 /* entries between two looks at the clock */
#define CLEAR_CHUNK 64
#define DROP_CHUNK  256

/* --- entries of proxies ----------------------------------------------------------------------- */

/* Does the prefix of an entry hold one of the policy's proxies? */
static bool holds_proxy(const struct mr_policy *p, const struct mr_prefix *prefix)
{
	const struct mr_set *s = p->proxies ? &p->sets[p->proxies - 1].set : NULL;

	if (!s)
		return false;
	if (mr_set_find(s, &prefix->addr, NULL, NULL, NULL))
		return true;
	for (size_t i = 0; i < s->n6 && prefix->plen < 128; i++) {
		struct mr_addr a = mr_addr_from6(s->v6[i].hi, s->v6[i].lo);

		if (mr_prefix_contains(prefix, &a))
			return true;
	}
	return false;
}

static void drop_end(struct mr_manager *m)
{
	m->drop.step = sd_event_source_disable_unref(m->drop.step);
	if (m->drop.n)
		mr_log(&m->log, LOG_NOTICE, "%zu permits and bans ended: `proxies` names them",
		       m->drop.n);
	m->drop.n = 0;
}

/* One entry; false: that was the last. */
static bool drop_one(struct mr_manager *m, const struct mr_policy *p)
{
	struct mr_prefix prefix;
	struct mr_entry_key k;
	struct mr_entry v;

	if (!mr_book_next(m->book, m->drop.kind, &m->drop.cursor, &k, &v, NULL)) {
		m->drop.cursor = 0;
		return ++m->drop.kind <= MR_BAN;
	}
	memcpy(prefix.addr.b, k.addr, sizeof(k.addr));
	prefix.plen = mr_addr_is4(&prefix.addr) ? 128 : v.plen;
	if (holds_proxy(p, &prefix) && mr_book_delete(m->book, m->drop.kind, &prefix.addr) == 0)
		m->drop.n++;
	return true;
}

static int on_drop(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;
	const struct mr_policy *p = m->active ? m->active->policy : NULL;
	uint64_t until = mr_boottime_ns() + MR_STEP_NS;
	size_t before = m->drop.n;
	bool more = p && p->proxies;

	for (size_t i = 1; more && (i % DROP_CHUNK || mr_boottime_ns() < until); i++)
		more = drop_one(m, p);
	if (m->drop.n != before)
		mr_entries_changed(m);
	if (more)
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	drop_end(m);
	return 0;
}

/* What another policy calls its proxies loses its entries, in steps, beginning with the loop's next
 * turn; none is made any more from now on. */
static void drop_proxies(struct mr_manager *m, const struct mr_policy *p)
{
	drop_end(m);
	m->drop.kind = MR_PERMIT;
	m->drop.cursor = 0;
	if (p->proxies)
		sd_event_add_time(m->event, &m->drop.step, CLOCK_MONOTONIC, 0, 1, on_drop, m);
}

/* --- limits and keys -------------------------------------------------------------------------- */

static uint32_t at_most(uint32_t want, uint32_t have)
{
	return want && want < have ? want : have;
}

struct mr_book_limits mr_entries_limits(const struct mr_policy *p, const uint32_t max[static 2])
{
	return (struct mr_book_limits){
		.permits_max = at_most(p->permit.max, max[MR_PERMIT]),
		.bans_max = at_most(p->ban.max, max[MR_BAN]),
		.permit_plen6 = p->permit.ipv6_prefix ? p->permit.ipv6_prefix : 128,
		.ban_plen6 = p->ban.ipv6_prefix ? p->ban.ipv6_prefix : 64,
	};
}

static void begin(struct mr_manager *m);
static void rekey_clear(struct mr_manager *m);

/* The new keys stand, or nothing is to be re-keyed: now, at once, all that goes with the flip. */
static void switch_over(struct mr_manager *m, bool rekeyed)
{
	mr_entries_switched done = MR_TAKE_PTR(m->rekey.done);
	int r = mr_generation_flip(m->kernel);
	size_t lost = 0, narrowed = 0;

	if (rekeyed && r < 0)
		mr_book_rekey_give_up(m->book);
	else if (rekeyed)
		mr_book_rekey_switch(m->book, &lost, &narrowed);
	if (lost)
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FULL }),
			    "%zu permits or bans were lost: no room for their keys under the new "
			    "ipv6-prefix",
			    lost);
	if (narrowed)
		mr_log(&m->log, LOG_NOTICE,
		       "%zu bans of IPv6 prefixes hold for a single address from now on: under the "
		       "wider `ban { ipv6-prefix }` they would have hit a permit, or somebody who "
		       "is never banned",
		       narrowed);
	if (r == 0) {
		m->limits = m->rekey.limits;
		drop_proxies(m, m->rekey.policy);
		mr_entries_changed(m);
	}
	if (rekeyed)
		rekey_clear(m);
	done(m->rekey.userdata, r);
}

static bool some_filled(struct mr_manager *m)
{
	uint64_t until = mr_boottime_ns() + MR_STEP_NS;
	int more;

	do
		more = mr_book_rekey_fill(m->book, FILL_CHUNK);
	while (more && mr_boottime_ns() < until);
	return more;
}

static int on_fill(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	if (some_filled(m))
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	m->rekey.step = sd_event_source_disable_unref(m->rekey.step);
	switch_over(m, true);
	return 0;
}

static int on_clear(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;
	uint64_t until = mr_boottime_ns() + MR_STEP_NS;
	size_t n = 0;
	int more;

	do {
		more = mr_book_rekey_clear(m->book, CLEAR_CHUNK);
		n += CLEAR_CHUNK;
	} while (more && n < MR_DELETE_STEP && mr_boottime_ns() < until);
	if (more) {
		sd_event_source_set_time_relative(s, MR_DELETE_PAUSE_US);
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	}
	m->rekey.step = sd_event_source_disable_unref(m->rekey.step);
	if (m->rekey.done)
		begin(m);
	return 0;
}

static void rekey_clear(struct mr_manager *m)
{
	if (m->starting ||
	    sd_event_add_time(m->event, &m->rekey.step, CLOCK_MONOTONIC, 0, 1, on_clear, m) < 0)
		while (mr_book_rekey_clear(m->book, SIZE_MAX))
			;
}

static void rekey(struct mr_manager *m)
{
	int r = mr_book_rekey_begin(m->book, &m->rekey.limits);
	bool rekeyed = r > 0;

	if (r < 0) {
		MR_TAKE_PTR(m->rekey.done)(m->rekey.userdata, r);
		return;
	}
	if (rekeyed && !m->starting &&
	    sd_event_add_time(m->event, &m->rekey.step, CLOCK_MONOTONIC, 0, 1, on_fill, m) >= 0)
		return;
	while (rekeyed && some_filled(m))
		;
	switch_over(m, rekeyed);
}

/* The larger maps hold what the old ones hold: they change places, before other keys want room. */
static void grown(struct mr_manager *m)
{
	int r = mr_resize_commit(m->kernel, &m->rekey.error);

	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++)
		m->map_max[kind] = mr_entries_max(m->kernel, kind);
	if (r < 0 && m->rekey.must_grow) {
		MR_TAKE_PTR(m->rekey.done)(m->rekey.userdata, r);
		return;
	}
	if (r < 0) {
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FULL }),
			    "no room for more permits or bans: %s; the maps stay as they are",
			    m->rekey.error.text);
		m->rekey.limits = mr_entries_limits(m->rekey.policy, m->map_max);
	}
	rekey(m);
}

/* One entry for a larger map; false: that was the last.  That it did not go in is seen when the
 * maps shall change places. */
static bool copy_one(struct mr_manager *m)
{
	struct mr_entry_key k;
	struct mr_entry v;

	if (mr_resize_wants(m->kernel, m->rekey.kind) &&
	    mr_book_next(m->book, m->rekey.kind, &m->rekey.cursor, &k, &v, NULL)) {
		mr_resize_copy(m->kernel, m->rekey.kind, &k, &v);
		return true;
	}
	m->rekey.cursor = 0;
	return ++m->rekey.kind <= MR_BAN;
}

static bool some_copied(struct mr_manager *m)
{
	uint64_t until = mr_boottime_ns() + MR_STEP_NS;
	bool more = true;

	for (size_t i = 1; more && (i % FILL_CHUNK || mr_boottime_ns() < until); i++)
		more = copy_one(m);
	return more;
}

static int on_copy(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	if (some_copied(m))
		return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	m->rekey.step = sd_event_source_disable_unref(m->rekey.step);
	grown(m);
	return 0;
}

static void begin(struct mr_manager *m)
{
	if (m->rekey.next) {
		mr_resize_begin(m->kernel, MR_TAKE_PTR(m->rekey.next));
		m->rekey.kind = MR_PERMIT;
		m->rekey.cursor = 0;
		if (!m->starting && sd_event_add_time(m->event, &m->rekey.step, CLOCK_MONOTONIC, 0,
						      1, on_copy, m) >= 0)
			return;
		while (some_copied(m))
			;
		grown(m);
		return;
	}
	rekey(m);
}

void mr_entries_switch(struct mr_manager *m, const struct mr_live *to, struct mr_kernel *next,
		       bool must_grow, mr_entries_switched done, void *userdata)
{
	uint32_t max[2] = { m->map_max[MR_PERMIT], m->map_max[MR_BAN] };

	for (enum mr_entry_kind kind = MR_PERMIT; next && kind <= MR_BAN; kind++)
		max[kind] = mr_entries_max(next, kind);
	m->rekey.next = next;
	m->rekey.must_grow = must_grow;
	m->rekey.error = (struct mr_error){ "" };
	m->rekey.limits = mr_entries_limits(to->policy, max);
	m->rekey.policy = to->policy;
	m->rekey.done = done;
	m->rekey.userdata = userdata;
	if (!m->rekey.step) /* else the keys of the last time are still going: behind them */
		begin(m);
}

void mr_entries_switch_stop(struct mr_manager *m)
{
	m->rekey.step = sd_event_source_disable_unref(m->rekey.step);
	mr_kernel_free(MR_TAKE_PTR(m->rekey.next));
	drop_end(m);
}
