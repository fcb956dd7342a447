// SPDX-License-Identifier: BSD-2-Clause
/*
 * apply.c - jobs: their order, the flip, what is active and what is previous (apply.h).
 *
 * Everything here runs on the main thread and takes no time worth speaking of; prepare.c has what
 * does.  A job that fails leaves the active policy, the book and the devices as they are, and says
 * why to who asked and to the log.  Called by the control methods, netlink.c, the confirm timer and
 * main.
 */
#include "apply.h"
#include "accounts.h"
#include "authpolicy.h"
#include "learn.h"

#include <inttypes.h>
#include <malloc.h>
#include <string.h>

#define ROLLBACK_RETRY_US 5000000 /* a roll-back that failed is tried again after so long */

static void jobs_next(struct mr_manager *m);
static void job_prepared(void *arg);
static void job_loaded(void *arg);
static void job_kept(void *arg);

/* --- the queue ------------------------------------------------------------------------------- */

static void answer(struct mr_job *j, const char *error, const char *message)
{
	mr_job_reply reply = j->reply;

	j->reply = NULL;
	if (reply)
		reply(j->m, j, error, message, j->userdata);
}

void mr_jobs_clear(struct mr_manager *m)
{
	while (m->job || m->queue) {
		struct mr_job *j = m->job ? MR_TAKE_PTR(m->job) : m->queue;

		if (j == m->queue)
			m->queue = j->next;
		answer(j, MR_BUS_ERROR_BUSY, "mailreeved is stopping");
		mr_job_free(j);
	}
}

static bool by_hand(enum mr_job_kind kind)
{
	return kind == MR_JOB_APPLY || kind == MR_JOB_UNDO;
}

int mr_job_submit(struct mr_manager *m, enum mr_job_kind kind, uint64_t confirm_us,
		  mr_job_reply reply, void *userdata)
{
	struct mr_job **end = &m->queue, *j;

	if (m->stopping)
		return -EBUSY;
	if (by_hand(kind) && m->job && by_hand(m->job->kind) && !m->job->flipped)
		return -EBUSY;
	for (; *end; end = &(*end)->next) {
		if (by_hand(kind) && by_hand((*end)->kind))
			return -EBUSY;
		if ((*end)->kind == kind && kind == MR_JOB_FACTS)
			return 0; /* the one that waits will see the same facts */
	}
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	*j = (struct mr_job){ .m = m,
			      .kind = kind,
			      .reply = reply,
			      .userdata = userdata,
			      .confirm_us = confirm_us,
			      .config = m->options.config,
			      .state_dir = m->options.state_dir,
			      .kernel = m->kernel,
			      .changed = kind != MR_JOB_FACTS };
	*end = j;
	jobs_next(m);
	return 0;
}

static void run(struct mr_job *j, mr_work_fn work, mr_work_fn done)
{
	if (j->m->starting) {
		work(j);
		done(j);
		return;
	}
	if (mr_worker_run(j->m->worker, work, done, j) < 0) {
		j->r = -ENOMEM;
		done(j);
	}
}

static void job_end(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	m->job = NULL;
	mr_job_free(j);
	malloc_trim(0); /* a big policy's parts go back to the system, not to our peak */
	mr_manager_notify(m);
	if (m->reload_again && !m->stopping)
		mr_manager_reload(m);
	jobs_next(m);
}

/* --- failure ---------------------------------------------------------------------------------- */

/* The file, and what was applied before it, are no use: whatever filters, filters on. */
static void start_failed(struct mr_job *j, const char *text)
{
	struct mr_manager *m = j->m;

	m->config_error = j->why ? MR_TAKE_PTR(j->why) : strdup(text);
	mr_log_with(
		&m->log, LOG_ERR,
		MR_FIELDS({ "MESSAGE_ID", MR_MSG_REFUSED }, { "MAILREEVE_JOB", mr_job_name(j) }),
		"%s%s%s", m->config_error ? m->config_error : text, m->config_error ? "\n" : "",
		text);
	job_end(j);
}

static void job_failed(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	const char *name = j->error_name ? j->error_name : MR_BUS_ERROR_KERNEL;
	const char *text = j->text && *j->text ? j->text
			   : *j->error.text    ? j->error.text
					       : strerror(-j->r);

	mr_job_zero(j);
	if (j->kind == MR_JOB_START) {
		start_failed(j, text);
		return;
	}
	mr_log_with(
		&m->log, j->kind == MR_JOB_ROLLBACK ? LOG_CRIT : LOG_ERR,
		MR_FIELDS({ "MESSAGE_ID", MR_MSG_REFUSED }, { "MAILREEVE_JOB", mr_job_name(j) }),
		"%s failed, the policy in force stays:\n%s", mr_job_name(j), text);
	if (j->kind == MR_JOB_APPLY && strcmp(name, MR_BUS_ERROR_CONFIG) == 0) {
		free(m->config_error);
		m->config_error = strdup(text);
	}
	if (j->kind == MR_JOB_ROLLBACK && m->trial)
		mr_trial_arm(m, mr_boottime_ns() / 1000 + ROLLBACK_RETRY_US);
	answer(j, name, text);
	job_end(j);
}

static void job_refuse(struct mr_job *j, const char *name, const char *text)
{
	answer(j, name, text);
	job_end(j);
}

/* --- begin ------------------------------------------------------------------------------------ */

static bool same_facts(const struct mr_host *a, const struct mr_host *b)
{
	return a && b && mr_set_equal(&a->local, &b->local) &&
	       mr_set_equal(&a->local_public, &b->local_public) &&
	       mr_set_equal(&a->gateways, &b->gateways);
}

/* Does the spare slot hold exactly this policy, compiled with what is still true? */
static bool spare_holds(const struct mr_manager *m, const struct mr_live *l)
{
	uint64_t number;

	return mr_generation_spare(m->kernel, &number) && number == l->generation &&
	       (!l->facts || same_facts(l->host, m->host));
}

static void flip(struct mr_job *j);

/* Nothing was in force before the unconfirmed policy: back to nothing. */
static void roll_back_to_nothing(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	mr_trial_end(m);
	mr_live_free(MR_TAKE_PTR(m->active));
	mr_learn_apply(m);
	mr_accounts_apply(m);
	mr_authpolicy_apply(m);
	mr_devices_reconcile(m, true);
	mr_log_with(
		&m->log, LOG_WARNING,
		MR_FIELDS({ "MESSAGE_ID", MR_MSG_ROLLED_BACK },
			  { "MAILREEVE_JOB", mr_job_name(j) }),
		"the policy was not confirmed, and there was none before it: detached, UNGUARDED");
	j->flipped = true;
	answer(j, NULL, NULL);
	j->after = m->current;
	j->after.trial = false;
	m->current = j->after;
	run(j, mr_job_keep, job_kept);
}

static void begin_back(struct mr_job *j)
{
	struct mr_manager *m = j->m;
	uint32_t room[2];

	if (j->kind == MR_JOB_ROLLBACK && !m->trial) { /* confirmed, or superseded */
		job_end(j);
		return;
	}
	if (j->kind == MR_JOB_ROLLBACK && mr_boottime_ns() < m->trial_deadline) {
		mr_trial_arm(m, m->trial_deadline / 1000); /* a later apply moved the end */
		job_end(j);
		return;
	}
	if (m->previous) {
		j->live = m->previous;
		j->borrowed = true;
		/* where the maps must grow first the worker has to load them: all of the way */
		if (spare_holds(m, j->live) && !mr_job_room(m, j->live->policy, room)) {
			j->same_slot = true;
			j->generation = j->live->generation;
			flip(j);
			return;
		}
	} else if (m->trial) {
		roll_back_to_nothing(j);
		return;
	} else if (*m->current.previous) {
		memcpy(j->snapshot, m->current.previous, sizeof(j->snapshot));
	} else {
		job_refuse(j, MR_BUS_ERROR_NOTHING, "there is no previous policy to go back to");
		return;
	}
	run(j, mr_job_prepare, job_prepared);
}

static void begin_confirm(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	if (!m->trial) {
		job_refuse(j, MR_BUS_ERROR_NOTHING,
			   "no policy waits to be confirmed: none was applied with --confirm, or "
			   "the time ran out and it was taken back");
		return;
	}
	if (!*m->active->snapshot) {
		job_refuse(j, MR_BUS_ERROR_KERNEL,
			   "the policy could not be kept in the state directory (see the log), so "
			   "a restart would lose it: mend that, then apply again");
		return;
	}
	j->after = m->current;
	memcpy(j->after.active, m->active->snapshot, sizeof(j->after.active));
	memset(j->after.previous, 0, sizeof(j->after.previous));
	if (m->previous)
		memcpy(j->after.previous, m->previous->snapshot, sizeof(j->after.previous));
	j->after.active_fingerprint = m->active->fingerprint;
	j->after.applied_us = m->active->applied_us;
	j->after.trial = false;
	run(j, mr_job_prepare, job_prepared);
}

static void begin(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	j->began = mr_boottime_ns();
	switch (j->kind) {
	case MR_JOB_START:
		memcpy(j->snapshot, m->current.active, sizeof(j->snapshot));
		/* as it was when a person undid it, or did not confirm it */
		if (m->current.file != m->current.active_fingerprint)
			j->avoid = m->current.file;
		break;
	case MR_JOB_UNDO:
		if (m->trial)
			m->trial_deadline = 0;
		/* fall through */
	case MR_JOB_ROLLBACK:
		begin_back(j);
		return;
	case MR_JOB_CONFIRM:
		begin_confirm(j);
		return;
	case MR_JOB_FACTS:
		if (!m->active || same_facts(m->active->host, m->host)) {
			job_end(j);
			return;
		}
		j->live = m->active;
		j->borrowed = true;
		break;
	case MR_JOB_APPLY:
		break;
	}
	run(j, mr_job_prepare, job_prepared);
}

static void jobs_next(struct mr_manager *m)
{
	if (m->job || !m->queue || m->stopping)
		return;
	m->job = m->queue;
	m->queue = m->job->next;
	m->job->next = NULL;
	begin(m->job);
}

/* --- plan ------------------------------------------------------------------------------------ */

/* Does the policy differ from the one in force, and is there something to go back to? */
static int plan_change(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	if (j->kind != MR_JOB_APPLY)
		return 0;
	j->changed = !m->active || j->live->fingerprint != m->active->fingerprint;
	if (!j->changed)
		memcpy(j->live->snapshot, m->active->snapshot, sizeof(j->live->snapshot));
	if (!j->changed && !m->trial)
		j->confirm_us = 0; /* the same again: nothing to confirm */
	if (!j->confirm_us)
		return 0;
	if (!m->trial && m->active && !*m->active->snapshot)
		return mr_error(&j->error, -EIO,
				"the policy in force could not be kept in the state directory (see "
				"the log), so there would be nothing to roll back to after a "
				"restart; mend that, or apply without --confirm");
	j->marked = true;
	j->mark = m->current;
	j->mark.generation = j->generation;
	j->mark.trial = true;
	j->mark.file = j->live->fingerprint;
	return 0;
}

/* --- flip ------------------------------------------------------------------------------------- */

static void flipped(void *userdata, int r)
{
	struct mr_job *j = userdata;
	struct mr_manager *m = j->m;

	j->r = r;
	if (j->r < 0) {
		mr_error(&j->error, j->r, "the generation could not be made active: %s",
			 *m->rekey.error.text ? m->rekey.error.text : strerror(-j->r));
		job_failed(j);
		return;
	}
	j->flipped = true;
	mr_flip_numbers(j);
	if (j->kind != MR_JOB_FACTS)
		j->live->applied_us = mr_realtime_us();
	mr_flip_roles(j);
	mr_learn_apply(m); /* what it held of the policy before may be gone */
	mr_accounts_apply(m);
	mr_authpolicy_apply(m);
	mr_flip_current(j);
	json_decref(MR_TAKE_PTR(m->adopted));
	mr_flip_reason(j);
	if (j->kind != MR_JOB_FACTS)
		m->detached = false;
	mr_devices_reconcile(m, true);
	mr_policyd_changed(m);
	j->seconds = (double)(mr_boottime_ns() - j->began) / 1e9;
	if (j->kind != MR_JOB_FACTS)
		mr_flip_log(j);
	mr_manager_notify(m);
	/* a restart reads the file again, so an apply need not wait for the disk; an undo must */
	if (j->kind != MR_JOB_UNDO)
		answer(j, NULL, NULL);
	run(j, mr_job_keep, job_kept);
}

static void flip(struct mr_job *j)
{
	mr_entries_switch(j->m, j->live, MR_TAKE_PTR(j->larger), j->kind == MR_JOB_APPLY, flipped,
			  j);
}

/* --- the steps come back ---------------------------------------------------------------------- */

static void confirmed(struct mr_job *j)
{
	struct mr_manager *m = j->m;

	m->current = j->after;
	mr_trial_end(m);
	j->generation = m->active->generation;
	mr_log_with(&m->log, LOG_NOTICE, MR_FIELDS({ "MESSAGE_ID", MR_MSG_CONFIRMED }),
		    "generation %" PRIu64 " is confirmed", j->generation);
	answer(j, NULL, NULL);
	job_end(j);
}

static void job_prepared(void *arg)
{
	struct mr_job *j = arg;

	if (j->r == 0 && j->kind == MR_JOB_CONFIRM) {
		confirmed(j);
		return;
	}
	if (j->kind == MR_JOB_START) {
		int r = mr_manager_open_kernel(j->m, j->r == 0 ? j->live->policy : NULL);

		if (r < 0) {
			j->m->fatal = r;
			job_end(j);
			return;
		}
		if (j->r == 0 && !j->fell_back &&
		    j->live->fingerprint == j->m->current.active_fingerprint)
			memcpy(j->live->snapshot, j->m->current.active, sizeof(j->live->snapshot));
	}
	j->kernel = j->m->kernel;
	if (j->r == 0)
		j->r = mr_job_number(j);
	if (j->r == 0)
		j->r = plan_change(j);
	if (j->r < 0) {
		job_failed(j);
		return;
	}
	run(j, mr_job_load, job_loaded);
}

static void job_loaded(void *arg)
{
	struct mr_job *j = arg;

	if (j->ids_written)
		j->m->ids_saved = mr_ids_snapshot_changes(j->ids);
	if (j->size_error)
		mr_log_with(&j->m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_FULL }),
			    "%s; the maps stay as they are", j->size_error);
	if (j->r < 0)
		job_failed(j);
	else
		flip(j);
}

static void job_kept(void *arg)
{
	struct mr_job *j = arg;
	struct mr_manager *m = j->m;

	if (j->state_error)
		mr_log_with(&m->log, LOG_ERR, MR_FIELDS({ "MESSAGE_ID", MR_MSG_STATE }),
			    "the state directory could not be written: %s.  The policy is in "
			    "force, but a restart may not know of it; mend this, then apply again",
			    j->state_error);
	free(m->state_error);
	m->state_error = MR_TAKE_PTR(j->state_error);
	if (j->r < 0 && j->live == m->active && j->kind == MR_JOB_APPLY)
		*j->live->snapshot = '\0';
	answer(j, NULL, NULL);
	job_end(j);
}

int mr_job_start(struct mr_manager *m)
{
	int r;

	m->starting = true;
	r = mr_job_submit(m, MR_JOB_START, 0, NULL, NULL);
	m->starting = false;
	return r < 0 ? r : m->fatal;
}
