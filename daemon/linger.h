/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linger.h - the event loop that stays awake for a moment where something is expected at once.
 */
#ifndef MAILREEVE_DAEMON_LINGER_H
#define MAILREEVE_DAEMON_LINGER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct mr_linger {
	bool expects; /* since the loop waited last */
	unsigned int missed; /* how many times to pass over after another wait for nothing */
	unsigned int pass; /* … are left to pass over */
	/* how long one callback kept all others waiting, for status */
	uint64_t turns, longest_ns;
	uint64_t recent_ns; /* the longest since somebody looked */
};

/* Somebody was answered who may ask again at once, or a thread has a short piece of work. */
void mr_linger_expect(struct mr_linger *l);
/* As sd_event_loop(). */
int mr_linger_loop(struct mr_linger *l, sd_event *event);

#endif
