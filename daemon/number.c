// SPDX-License-Identifier: BSD-2-Clause
/*
 * number.c - gives a job its numbers: of the generation, its services, its rules' counters
 * (apply.h, ids.h).
 *
 * Main thread: the tables are the manager's.  Nothing that entries, or the active and the previous
 * policy, hold changes hands.  Fails with -errno when a table is full.
 */
#include "apply.h"

#include <string.h>

static int number_services(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	const struct mr_policy *p = j->live->policy;
	uint64_t held = m->book ? mr_book_held(m->book) : 0;
	const struct mr_live *lives[] = { m->active, m->previous };

	for (size_t i = 0; i < MR_ARRAY_SIZE(lives); i++)
		for (size_t s = 0; lives[i] && s < lives[i]->policy->n_services; s++)
			if (lives[i]->service_id[s] < MR_SERVICES_MAX)
				held |= 1ull << lives[i]->service_id[s];
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
		r = mr_ids_service(m->ids, p->services[s].name, held, &j->service_id[s]);
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
	return mr_ids_counters(m->ids, j->live->policy, j->generation, keep, n_keep, keeps,
			       j->rule_counter, j->fresh);
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
	j->spec.policy = j->live->policy;
	j->spec.image = j->image;
	j->spec.number = j->generation;
	j->spec.rule_counter = j->rule_counter;
	if (mr_ids_changes(m->ids) != m->ids_saved)
		j->ids = mr_ids_snapshot(m->ids);
	return 0;
}
