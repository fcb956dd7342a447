// SPDX-License-Identifier: BSD-2-Clause
/*
 * trial.c - the time that a policy has to be confirmed in (apply.h).
 *
 * When it runs out, a roll-back is submitted like any other job; nothing is decided here.  Called
 * by apply.c and flip.c, on the main thread.  A timer that cannot be set is said, loudly: the
 * policy then stands until a person confirms or undoes it.
 */
#include "apply.h"

static int on_trial_over(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	if (m->trial)
		mr_job_submit(m, MR_JOB_ROLLBACK, 0, NULL, NULL);
	return 0;
}

void mr_trial_arm(struct mr_manager *m, uint64_t at_us)
{
	m->trial_timer = sd_event_source_disable_unref(m->trial_timer);
	if (sd_event_add_time(m->event, &m->trial_timer, CLOCK_BOOTTIME, at_us, 1000, on_trial_over,
			      m) < 0)
		mr_log(&m->log, LOG_CRIT, "the roll-back timer cannot be set: confirm or undo");
}

void mr_trial_end(struct mr_manager *m)
{
	m->trial = false;
	m->trial_timer = sd_event_source_disable_unref(m->trial_timer);
}
