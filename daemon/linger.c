// SPDX-License-Identifier: BSD-2-Clause
/*
 * linger.c - runs the event loop, and stays awake for a moment where something is expected at once
 * (linger.h).
 *
 * A mail server asks its next question within microseconds, or not for a while, and the thread that
 * looks up an account is done as soon.  To put a CPU to sleep and to wake it up again takes tens of
 * microseconds, on a virtual one some times as long as the answer itself.  So after an answer, and
 * after a lookup has begun, the loop looks for SPIN_NS whether something comes, and sleeps only
 * then. Everything that the loop waits for ends the wait, not questions alone.
 *
 * It costs at most SPIN_NS for an answer, nothing without questions, and less and less where it is
 * of no use: after a wait for nothing the next times are passed over, each time twice as many, up
 * to PASS_MAX, until a wait is rewarded.  Never fails by itself: what the loop says is handed on.
 * Called by the manager on the main thread; asker.c and accounts.c say what they expect.
 */
#include "linger.h"
#include "manager.h"

#include <sys/epoll.h>

#define SPIN_NS	 50000 /* about what it takes to sleep and to be woken */
#define PASS_MAX 255 /* times: 0.2 us for each answer, where nobody ever asks again at once */

void mr_linger_expect(struct mr_linger *l)
{
	l->expects = true;
}

/* Something came before the time was up. */
static bool something_comes(int fd)
{
	uint64_t until = mr_boottime_ns() + SPIN_NS;
	struct epoll_event ev;

	do {
		if (epoll_wait(fd, &ev, 1, 0) != 0)
			return true;
	} while (mr_boottime_ns() < until);
	return false;
}

static void stay_awake(struct mr_linger *l, int fd)
{
	if (!l->expects)
		return;
	l->expects = false;
	if (l->pass > 0) {
		l->pass--;
		return;
	}
	l->missed = something_comes(fd) ? 0 : l->missed < PASS_MAX ? 2 * l->missed + 1 : PASS_MAX;
	l->pass = l->missed;
}

/* One callback, with a clock beside it: whatever takes long belongs to the worker or goes in steps,
 * and a turn that is long all the same shall be seen. */
static int turn(struct mr_linger *l, sd_event *event)
{
	uint64_t ns = mr_boottime_ns();
	int r = sd_event_dispatch(event);

	ns = mr_boottime_ns() - ns;
	l->turns++;
	if (ns > l->longest_ns)
		l->longest_ns = ns;
	if (ns > l->recent_ns)
		l->recent_ns = ns;
	return r;
}

int mr_linger_loop(struct mr_linger *l, sd_event *event)
{
	int fd = sd_event_get_fd(event), r = fd < 0 ? fd : 0, code;

	while (r >= 0 && sd_event_get_state(event) != SD_EVENT_FINISHED) {
		r = sd_event_prepare(event);
		if (r == 0) {
			stay_awake(l, fd);
			r = sd_event_wait(event, UINT64_MAX);
		}
		if (r > 0)
			r = turn(l, event);
	}
	if (r >= 0)
		r = sd_event_get_exit_code(event, &code);
	return r < 0 ? r : code;
}
