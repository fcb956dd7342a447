// SPDX-License-Identifier: BSD-2-Clause
/*
 * flip.c - what a flip changes in the manager: roles, numbers, current.json, what is said
 * (apply.h).
 *
 * The generation is active by now, so none of this fails.  Touches no map and no file.  Called by
 * apply.c, on the main thread, in the order in which the functions stand in apply.h.
 */
#include "apply.h"

#include <inttypes.h>
#include <string.h>

void mr_flip_log(const struct mr_job *j)
{
	struct mr_manager *m = j->m;
	char number[24], confirm[64] = "";
	size_t rules = j->live->policy->n_numbered;
	size_t services = json_array_size(json_object_get(j->live->json, "services"));

	snprintf(number, sizeof(number), "%" PRIu64, j->generation);
	if (j->confirm_us)
		snprintf(confirm, sizeof(confirm), "; rolls back in %.1f s unless confirmed",
			 (double)j->confirm_us / 1e6);
	mr_log_with(&m->log, j->kind == MR_JOB_ROLLBACK ? LOG_WARNING : LOG_NOTICE,
		    MR_FIELDS({ "MESSAGE_ID", j->kind == MR_JOB_ROLLBACK ? MR_MSG_ROLLED_BACK
									 : MR_MSG_GENERATION },
			      { "MAILREEVE_GENERATION", number },
			      { "MAILREEVE_JOB", mr_job_name(j) }),
		    "%s: generation %s is active: %zu rule%s, %zu service%s%s%s", mr_job_name(j),
		    number, rules, mr_plural(rules), services, mr_plural(services),
		    j->kind == MR_JOB_ROLLBACK ? "; the policy before it was not confirmed" : "",
		    confirm);
}

/* What current.json shall say, once the flip is done; changes the manager's idea with it. */
void mr_flip_current(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	struct mr_current c = m->current;

	c.generation = m->generations;
	if (j->marked) {
		c = j->mark;
	} else if (j->kind != MR_JOB_FACTS || !m->trial) {
		const struct mr_live *back = m->previous;

		c.trial = false;
		if (j->kind == MR_JOB_START && m->active->fingerprint != c.active_fingerprint)
			memcpy(c.previous, c.active, sizeof(c.previous));
		memcpy(c.active, m->active->snapshot, sizeof(c.active));
		c.active_fingerprint = m->active->fingerprint;
		c.applied_us = m->active->applied_us;
		if (back)
			memcpy(c.previous, back->snapshot, sizeof(c.previous));
	}
	j->after = c;
	m->current = c;
}

/* Who is active and who is previous from now on.  Lives that nobody needs any more go. */
void mr_flip_roles(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	struct mr_live *old = m->active;

	switch (j->kind) {
	case MR_JOB_START:
		m->active = j->live;
		break;
	case MR_JOB_APPLY:
		m->rolled_back = false;
		m->active = j->live;
		if (m->trial || !j->changed) {
			mr_live_free(old); /* never confirmed, or the same: no step of undo */
		} else {
			mr_live_free(m->previous);
			m->previous = old;
		}
		mr_trial_end(m);
		if (j->confirm_us) {
			m->trial = true;
			m->trial_deadline = mr_boottime_ns() + j->confirm_us * 1000;
			mr_trial_arm(m, m->trial_deadline / 1000);
		}
		break;
	case MR_JOB_UNDO:
	case MR_JOB_ROLLBACK:
		m->rolled_back = j->kind == MR_JOB_ROLLBACK;
		m->active = j->live;
		m->previous = old;
		if (m->trial) {
			mr_live_free(old); /* current.previous names what was before both */
			m->previous = NULL;
		}
		mr_trial_end(m);
		break;
	case MR_JOB_FACTS:
	case MR_JOB_CONFIRM:
		break;
	}
	j->borrowed = true; /* the manager's from now on */
	if (j->kind == MR_JOB_APPLY || (j->kind == MR_JOB_START && !j->fell_back))
		m->current.file = j->live->fingerprint;
}

void mr_flip_numbers(struct mr_job *j)
{
	struct mr_live *l = j->live;

	if (j->same_slot) {
		j->json_text = json_dumps(l->json, JSON_COMPACT);
		return;
	}
	l->generation = j->generation;
	free(l->service_id);
	l->service_id = MR_TAKE_PTR(j->service_id);
	free(l->rule_counter);
	l->rule_counter = MR_TAKE_PTR(j->rule_counter);
	mr_host_free(l->host);
	l->host = MR_TAKE_PTR(j->host);
	json_decref(l->json);
	l->json = MR_TAKE_PTR(j->json);
	if (j->files.n && !*l->snapshot)
		snprintf(l->snapshot, sizeof(l->snapshot), "%" PRIu64, j->generation);
	else
		mr_files_clear(&j->files);
	if (!j->files.n || !*l->snapshot)
		j->files = (struct mr_files){ 0 };
}

/* Why something else than the file is in force, for the log and for status. */
void mr_flip_reason(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	if (j->kind == MR_JOB_APPLY) {
		free(MR_TAKE_PTR(m->config_error));
		free(MR_TAKE_PTR(m->start_reason));
	}
	if (j->kind != MR_JOB_START || !j->fell_back)
		return;
	if (!j->fallen_from)
		m->config_error = strdup(j->why ? j->why : "unknown");
	m->start_reason = MR_TAKE_PTR(j->why);
	mr_log_with(&m->log, LOG_WARNING, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FALLBACK }),
		    "started with the policy that was applied last, NOT with %s:\n%s", j->config,
		    m->start_reason ? m->start_reason : "");
}
