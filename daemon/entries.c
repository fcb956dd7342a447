// SPDX-License-Identifier: BSD-2-Clause
/*
 * entries.c - the book of permits and bans, mirrored into the kernel's maps, and swept.
 *
 * The kernel compares the expiry on every hit, so nothing here is needed for a permit to end on
 * time; the sweep gives the memory back, some entries at a time.  The two flags in mr_state say
 * that a map is not empty: set before the first entry goes in, cleared after the last went out.
 * Called by the main thread.  A full permit map is told to who asked and to the log.
 */
#include "entry_file.h"
#include "manager.h"

#include <inttypes.h>
#include <mailreeve/learn.h>
#include <string.h>

#define SWEEP_CHUNK  64 /* entries between two looks at the clock: below 0.5 ms */
#define SWEEP_SLACK  100000 /* us; what is swept late is dead all the same */
#define FULL_TOLD_NS 60000000000ull /* one message about a full map in so long */
#define ADOPT_CHUNK  4096 /* entries a read from the kernel */

/* --- the kernel's side ------------------------------------------------------------------------ */

static uint32_t *live_flag(struct mr_manager *m, enum mr_entry_kind kind)
{
	struct mr_state *s = mr_kernel_state(m->kernel);

	return kind == MR_PERMIT ? &s->permits_live : &s->bans_live;
}

static int book_put(enum mr_entry_kind kind, const struct mr_entry_key *k, const struct mr_entry *v,
		    void *userdata)
{
	struct mr_manager *m = userdata;

	__atomic_store_n(live_flag(m, kind), 1, __ATOMIC_RELEASE);
	return mr_entries_put(m->kernel, kind, k, v);
}

static int book_del(enum mr_entry_kind kind, const struct mr_entry_key *k, void *userdata)
{
	struct mr_manager *m = userdata;
	int r = mr_entries_delete(m->kernel, kind, k);

	return r == -ENOENT ? 0 : r;
}

static int book_del_many(enum mr_entry_kind kind, const struct mr_entry_key *k, size_t n,
			 void *userdata)
{
	struct mr_manager *m = userdata;

	return mr_entries_delete_many(m->kernel, kind, k, n);
}

static bool book_spares(const struct mr_prefix *p, void *userdata)
{
	const struct mr_manager *m = userdata;

	/* the policy on its way in: it is what makes bans wider */
	return m->rekey.policy && m->host && mr_learn_spares(m->rekey.policy, m->host, p);
}

static const struct mr_book_ops book_ops = {
	.put = book_put,
	.del = book_del,
	.del_many = book_del_many,
	.spares = book_spares,
};

/* --- timers ----------------------------------------------------------------------------------- */

static int on_sweep(sd_event_source *s, uint64_t usec, void *userdata);

static void arm_sweep(struct mr_manager *m, uint64_t next)
{
	if (m->stopping)
		return;
	m->sweep_timer = sd_event_source_disable_unref(m->sweep_timer);
	if (next == UINT64_MAX)
		return;
	if (next < m->sweep_pause)
		next = m->sweep_pause;
	/* in the midst of a sweep nobody waits for company in waking up */
	sd_event_add_time(m->event, &m->sweep_timer, CLOCK_BOOTTIME, next / 1000 + 1,
			  next == m->sweep_pause ? 1 : SWEEP_SLACK, on_sweep, m);
}

static void clear_flags(struct mr_manager *m)
{
	struct mr_book_stats s;

	mr_book_stats(m->book, &s);
	if (!s.permits)
		__atomic_store_n(live_flag(m, MR_PERMIT), 0, __ATOMIC_RELEASE);
	if (!s.bans)
		__atomic_store_n(live_flag(m, MR_BAN), 0, __ATOMIC_RELEASE);
}

static int on_sweep(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;
	uint64_t now = mr_boottime_ns(), next = UINT64_MAX;
	size_t dropped = 0, n = 0;
	int r;

	do {
		r = mr_book_sweep(m->book, now, SWEEP_CHUNK, &dropped, &next);
		n += dropped;
	} while (r == 0 && dropped == SWEEP_CHUNK && n < MR_DELETE_STEP &&
		 mr_boottime_ns() < now + MR_STEP_NS);
	m->sweep_pause = now + MR_DELETE_PAUSE_US * 1000;
	if (r < 0)
		next = mr_boottime_ns() + 1000000000ull; /* the kernel would not: later */
	clear_flags(m);
	mr_entry_file_arm(m);
	arm_sweep(m, next);
	if (next > now)
		mr_manager_notify(m);
	return 0;
}

void mr_entries_changed(struct mr_manager *m)
{
	uint64_t next = UINT64_MAX;

	/* nothing is dropped here, only the next end is asked for */
	mr_book_sweep(m->book, 0, 0, NULL, &next);
	clear_flags(m);
	arm_sweep(m, next);
	mr_entry_file_arm(m);
}

void mr_entries_tell_full(struct mr_manager *m)
{
	static const char *const text[] = {
		"the map of permits is full (%u): %" PRIu64
		" were refused until now, and whoever logs in gets none until others end; raise "
		"`permit { max }` and apply",
		"the map of bans is full (%u): for each new ban the one that ends first is given "
		"up, %" PRIu64 " until now; raise `ban { max }` and apply",
	};
	const uint32_t max[] = { m->limits.permits_max, m->limits.bans_max };
	uint64_t now = mr_boottime_ns(), count[2];
	struct mr_book_stats s;

	mr_book_stats(m->book, &s);
	count[MR_PERMIT] = s.permits_refused;
	count[MR_BAN] = s.bans_evicted;
	for (enum mr_entry_kind kind = MR_PERMIT; kind <= MR_BAN; kind++) {
		if (m->full[kind].count == count[kind] ||
		    (m->full[kind].told && now < m->full[kind].told + FULL_TOLD_NS))
			continue;
		m->full[kind].count = count[kind];
		m->full[kind].told = now;
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FULL }), text[kind],
			    max[kind], count[kind]);
	}
}

/* --- who may have one ------------------------------------------------------------------------- */

static bool in_set(const struct mr_policy *p, size_t set, const struct mr_addr *a)
{
	return set && mr_set_find(&p->sets[set - 1].set, a, NULL, NULL, NULL);
}

static bool is_loopback(const struct mr_addr *a)
{
	static const struct mr_addr one = { .b = { [15] = 1 } };

	return (mr_addr_is4(a) && a->b[12] == 127) || memcmp(a, &one, sizeof(one)) == 0;
}

int mr_entries_allowed(const struct mr_manager *m, enum mr_entry_kind kind, const struct mr_addr *a,
		       struct mr_error *e)
{
	const char *name = kind == MR_PERMIT ? "permit" : "ban";
	char text[MR_ADDR_TEXT];

	mr_addr_text(a, text);
	if (is_loopback(a))
		return mr_error(e, -EPERM, "%s is loopback, which gets no %s", text, name);
	if (m->active && in_set(m->active->policy, m->active->policy->proxies, a))
		return mr_error(e, -EPERM,
				"%s is one of our own proxies (`proxies`), which get no %s: it "
				"would hit everybody behind it",
				text, name);
	return 0;
}

/* --- start ------------------------------------------------------------------------------------ */

static uint8_t mask_length(const __u64 mask[2])
{
	return (uint8_t)(__builtin_popcountll(mask[0]) + __builtin_popcountll(mask[1]));
}

bool mr_entries_known(struct mr_manager *m, struct mr_entry *v)
{
	if (v->services == UINT64_MAX)
		return true;
	v->services &= mr_ids_services(m->ids);
	m->unknown += !v->services;
	return v->services;
}

/* *waiting counts permits of which a part is in the state directory only. */
static int adopt_kind(struct mr_manager *m, enum mr_entry_kind kind, size_t *adopted,
		      size_t *waiting)
{
	_free_ struct mr_entry_key *keys = calloc(ADOPT_CHUNK, sizeof(*keys));
	_free_ struct mr_entry *values = calloc(ADOPT_CHUNK, sizeof(*values));
	struct mr_entries_cursor c = { 0 };
	uint64_t now = mr_boottime_ns();
	size_t n;

	if (!keys || !values)
		return -ENOMEM;
	do {
		int r = mr_entries_read(m->kernel, kind, &c, keys, values, ADOPT_CHUNK, &n);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n; i++) {
			uint64_t had = values[i].services;
			bool more = kind == MR_PERMIT && values[i].part & MR_ENTRY_MORE;

			if ((values[i].expires <= now && !more) ||
			    !mr_entries_known(m, &values[i]) ||
			    mr_book_adopt(m->book, kind, &keys[i], &values[i]) == -E2BIG) {
				mr_entries_delete(m->kernel, kind, &keys[i]);
				continue;
			}
			if (values[i].services != had)
				mr_entries_put(m->kernel, kind, &keys[i], &values[i]);
			mr_ids_reserve_users(m->ids, values[i].user);
			/* the map may have come from another version, beside a state of ours */
			__atomic_store_n(live_flag(m, kind), 1, __ATOMIC_RELEASE);
			++*adopted;
			*waiting += more;
		}
	} while (n);
	return 0;
}

int mr_entries_start(struct mr_manager *m, const struct mr_policy *p, bool pins_adopted, bool whole)
{
	const struct mr_state *s = mr_kernel_state(m->kernel);
	const struct mr_gen *g = &s->gen[s->active % MR_SLOTS];
	size_t adopted = 0, restored = 0, waiting = 0, found = 0;
	int r;

	m->limits = (struct mr_book_limits){ .permits_max = m->map_max[MR_PERMIT],
					     .bans_max = m->map_max[MR_BAN],
					     .permit_plen6 = 128,
					     .ban_plen6 = 64 };
	if (g->number) {
		m->limits.permit_plen6 = mask_length(g->permit_mask6);
		m->limits.ban_plen6 = mask_length(g->ban_mask6);
	} else if (p) {
		m->limits = mr_entries_limits(p, m->map_max);
	}
	r = mr_book_new(&m->limits, &book_ops, m, &m->book);
	for (enum mr_entry_kind kind = MR_PERMIT; r == 0 && kind <= MR_BAN; kind++)
		r = adopt_kind(m, kind, &adopted, &waiting);
	if (r < 0) {
		mr_log(&m->log, LOG_ERR, "permits and bans cannot be taken over: %s", strerror(-r));
		return r;
	}
	if (!adopted || !whole)
		mr_entry_file_load(m, pins_adopted, &restored);
	if (waiting)
		mr_entry_file_rest(m, &found);
	if (found < waiting && restored == 0)
		mr_log(&m->log, LOG_NOTICE,
		       "%zu permits end with the earlier of their two parts: the state directory "
		       "does not hold the other",
		       waiting - found);
	if (adopted)
		mr_log(&m->log, LOG_INFO, "%zu permits and bans taken over from the run before",
		       adopted);
	if (restored)
		mr_log(&m->log, LOG_INFO,
		       "%zu permits and bans taken over from the state directory", restored);
	if (m->unknown)
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
			    "%zu permits and bans of single services ended: the table that says "
			    "which services they were for (ids.json) is lost",
			    m->unknown);
	/* the run before may have been killed before it could save what it left in the maps; and a
	 * file of another boot says nothing of these maps, should this run be killed */
	m->entries_saved = adopted || restored ? UINT64_MAX : mr_book_changes(m->book);
	mr_entries_changed(m);
	return 0;
}

void mr_entries_stop(struct mr_manager *m)
{
	mr_entry_file_stop(m);
	m->sweep_timer = sd_event_source_disable_unref(m->sweep_timer);
	mr_entries_switch_stop(m);
	mr_book_free(MR_TAKE_PTR(m->book));
}
