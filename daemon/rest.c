// SPDX-License-Identifier: BSD-2-Clause
/*
 * rest.c - a listening socket that rests while no descriptor can be had (rest.h).
 *
 * Never closes anything and never accepts: who calls it does, when the source is on again.  Called
 * by control.c, policyd.c and authpolicy.c on the main thread.  Without a timer the source stays
 * on: a busy loop is better than a door that never opens.
 */
#include "rest.h"

#include <sys/eventfd.h>

#define REST_US 200000 /* who knocks waits so long at most once a descriptor is free */
#define TOLD_NS 60000000000ull /* one line of the log for each socket in so long */

bool mr_rest_due(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

bool mr_rest_short(void)
{
	_close_ int fd = eventfd(0, EFD_CLOEXEC);

	return fd < 0 && mr_rest_due(errno);
}

static int on_rested(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_rest *r = userdata;

	sd_event_source_set_enabled(r->io, SD_EVENT_ON);
	return 0;
}

void mr_rest_begin(struct mr_rest *r, struct mr_manager *m, sd_event_source *io, const char *name)
{
	uint64_t now = mr_boottime_ns();
	int e;

	r->m = m;
	r->io = io;
	r->timer = sd_event_source_disable_unref(r->timer);
	e = sd_event_add_time_relative(m->event, &r->timer, CLOCK_MONOTONIC, REST_US, 0, on_rested,
				       r);
	if (e >= 0)
		sd_event_source_set_enabled(io, SD_EVENT_OFF);
	if (r->told && now < r->told + TOLD_NS)
		return;
	r->told = now;
	mr_log(&m->log, LOG_WARNING,
	       "%s: no file descriptor is left for who connects; they wait until one is free "
	       "(raise "
	       "LimitNOFILE of the service if this lasts)",
	       name);
}

void mr_rest_end(struct mr_rest *r)
{
	r->timer = sd_event_source_disable_unref(r->timer);
	r->io = NULL;
}
