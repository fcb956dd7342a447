// SPDX-License-Identifier: BSD-2-Clause
/*
 * monitor.c - sampled decisions: from the ring buffer to whoever subscribed.
 *
 * While nobody listens the program samples nothing.  Each event is made into JSON once and sent to
 * all; who does not keep up loses events (control.c).  Called by the event loop.
 */
#include "control.h"

#include <sys/epoll.h>

/* The program wakes us by a batch or after a pause; what comes right behind a wake-up and has no
 * successor would wait for ever, so while somebody listens we look by ourselves. */
#define LOOK_US (200 * 1000ull)

struct mr_monitor {
	sd_event_source *io, *look;
	int64_t boot_to_real_us;
};

static void on_event(const struct mr_event_packet *ev, void *userdata)
{
	struct mr_manager *m = userdata;
	json_t *j = mr_report_decision(mr_status_generation(m), ev, m->monitor->boot_to_real_us);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	if (text)
		mr_control_decision(m, text);
	free(text);
	json_decref(j);
}

static void consume(struct mr_manager *m)
{
	m->monitor->boot_to_real_us =
		(int64_t)mr_realtime_us() - (int64_t)(mr_boottime_ns() / 1000);
	mr_events_consume(m->kernel, on_event, m);
}

static int on_ring(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
		   void *userdata)
{
	consume(userdata);
	return 0;
}

static int on_look(sd_event_source *s, uint64_t usec _unused_, void *userdata)
{
	consume(userdata);
	return sd_event_source_set_time_relative(s, LOOK_US);
}

int mr_monitor_start(struct mr_manager *m)
{
	int fd = mr_events_fd(m->kernel), r;

	if (fd < 0)
		return fd;
	m->monitor = calloc(1, sizeof(*m->monitor));
	if (!m->monitor)
		return -ENOMEM;
	/* behind everything else: a flood of events must not delay an answer */
	r = sd_event_add_io(m->event, &m->monitor->io, fd, EPOLLIN, on_ring, m);
	if (r >= 0)
		r = sd_event_source_set_priority(m->monitor->io, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(m->event, &m->monitor->look, CLOCK_MONOTONIC,
					       LOOK_US, 0, on_look, m);
	if (r >= 0)
		r = sd_event_source_set_priority(m->monitor->look, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(m->monitor->look, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void mr_monitor_rate(struct mr_manager *m, uint32_t rate)
{
	if (m->kernel)
		__atomic_store_n(&mr_kernel_state(m->kernel)->sample, rate, __ATOMIC_RELAXED);
	if (!m->monitor || !m->monitor->look)
		return;
	sd_event_source_set_time_relative(m->monitor->look, LOOK_US);
	sd_event_source_set_enabled(m->monitor->look, rate ? SD_EVENT_ON : SD_EVENT_OFF);
}

void mr_monitor_stop(struct mr_manager *m)
{
	mr_monitor_rate(m, 0);
	if (!m->monitor)
		return;
	sd_event_source_disable_unref(m->monitor->io);
	sd_event_source_disable_unref(m->monitor->look);
	free(MR_TAKE_PTR(m->monitor));
}
