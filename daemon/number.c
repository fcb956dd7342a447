// SPDX-License-Identifier: BSD-2-Clause
/*
 * number.c - gives a job its numbers: of the generation, its services, its rules' counters
 * (apply.h, ids.h).
 *
 * Main thread: the tables are the manager's.  Nothing that entries or the active policy hold
 * changes hands.  The previous policy keeps its numbers as long as there are others; where there
 * are none, it is compiled anew if somebody goes back to it.  Fails with -errno when a table is
 * full.
 */
#include "apply.h"

#include <string.h>

static uint64_t numbers_of(const struct mr_live *l)
{
	uint64_t bits = 0;

	for (size_t s = 0; l && s < l->policy->n_services; s++)
		if (l->service_id[s] < MR_SERVICES_MAX)
			bits |= 1ull << l->service_id[s];
	return bits;
}

/* What a slot still holds of the previous policy means other services or rules from now on. */
static void forget_previous(struct mr_manager *m)
{
	if (m->previous)
		m->previous->generation = 0;
}

static int number_service(struct mr_job *j, const char *name, uint64_t held, uint8_t *out)
{
	struct mr_manager *m = j->m;
	bool known = mr_ids_find_service(m->ids, name) >= 0;
	int r = mr_ids_service(m->ids, name, held | numbers_of(m->previous), out);

	/* to what is not confirmed nobody shall have to wait for the way back */
	if (r == -ENOSPC && m->previous && !m->trial) {
		r = mr_ids_service(m->ids, name, held, out);
		if (r == 0)
			forget_previous(m);
	}
	if (r == -ENOSPC)
		return mr_error(
			&j->error, r,
			"too many other services at one time: those of the policy in force, of "
			"permits and bans, and of this policy are more than %d; apply it in two "
			"steps, first without those that go and those that come",
			MR_SERVICES_MAX);
	if (r == 0 && !known)
		j->fresh_services |= 1ull << *out;
	return r;
}

static int number_services(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	const struct mr_policy *p = j->live->policy;
	uint64_t held = (m->book ? mr_book_held(m->book) : 0) | numbers_of(m->active);

	for (size_t s = 0; s < p->n_services; s++) {
		int id = mr_ids_find_service(m->ids, p->services[s].name);

		if (id >= 0)
			held |= 1ull << id;
	}
	j->service_id = malloc(p->n_services + 1);
	if (!j->service_id)
		return -ENOMEM;
	memset(j->service_id, 0xff, p->n_services + 1);
	for (size_t s = 0; s < p->n_services; s++) {
		int r;

		if (p->services[s].mode == MR_MODE_OFF)
			continue;
		r = number_service(j, p->services[s].name, held, &j->service_id[s]);
		if (r < 0)
			return r;
		held |= 1ull << j->service_id[s];
	}
	for (size_t c = 0; c < j->image->columns; c++)
		j->spec.service_id[c] = j->service_id[j->image->service[c] - p->services];
	return 0;
}

static int number_rules(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	const uint16_t *keep[2];
	size_t n_keep[2], keeps = 0;
	const struct mr_live *lives[] = { m->active, m->previous };
	int r;

	j->rule_counter = calloc(MR_RULES_MAX + 1, sizeof(*j->rule_counter));
	j->fresh = calloc(1, MR_COUNTERS_MAX);
	if (!j->rule_counter || !j->fresh)
		return -ENOMEM;
	for (size_t i = 0; i < MR_ARRAY_SIZE(lives); i++) {
		if (!lives[i])
			continue;
		keep[keeps] = lives[i]->rule_counter;
		n_keep[keeps++] = lives[i]->policy->n_numbered;
	}
	r = mr_ids_counters(m->ids, j->live->policy, j->generation, keep, n_keep, keeps,
			    j->rule_counter, j->fresh);
	if (r != -ENOSPC || !m->previous)
		return r;
	/* two policies fit, three of 8,191 rules do not; another generation: what the first try
	 * kept is not kept */
	j->generation = ++m->generations;
	forget_previous(m);
	return mr_ids_counters(m->ids, j->live->policy, j->generation, keep, n_keep,
			       m->active ? 1 : 0, j->rule_counter, j->fresh);
}

/* What comes until the switch is at most the limit, what stands may be above one that was lowered.
 */
static uint32_t twice(uint32_t limit, size_t live)
{
	return 2 * (live > limit ? (uint32_t)live : limit);
}

bool mr_job_room(const struct mr_manager *m, const struct mr_policy *p, uint32_t room[static 2])
{
	const struct mr_book_limits to = mr_entries_limits(p, m->map_max);
	struct mr_book_stats s;

	room[MR_PERMIT] = room[MR_BAN] = 0;
	if (!m->book)
		return false;
	mr_book_stats(m->book, &s);
	if (to.permit_plen6 != m->limits.permit_plen6 && s.permits > m->map_max[MR_PERMIT] / 2)
		room[MR_PERMIT] = twice(m->limits.permits_max, s.permits);
	if (to.ban_plen6 != m->limits.ban_plen6 && s.bans > m->map_max[MR_BAN] / 2)
		room[MR_BAN] = twice(m->limits.bans_max, s.bans);
	return room[MR_PERMIT] || room[MR_BAN];
}

int mr_job_number(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	int r;

	j->generation = ++m->generations;
	r = number_services(j);
	if (r == 0)
		r = number_rules(j);
	if (r < 0)
		return r;
	(void)mr_job_room(m, j->live->policy, j->room);
	j->spec.policy = j->live->policy;
	j->spec.image = j->image;
	j->spec.number = j->generation;
	j->spec.rule_counter = j->rule_counter;
	if (mr_ids_changes(m->ids) != m->ids_saved)
		j->ids = mr_ids_snapshot(m->ids);
	return 0;
}
