/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * linger.h - the event loop that stays awake for a moment after an answer.
 */
#ifndef MAILREEVE_DAEMON_LINGER_H
#define MAILREEVE_DAEMON_LINGER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct mr_linger {
	bool answered; /* in this turn of the loop */
	unsigned int missed; /* how many answers to pass over after another wait for nothing */
	unsigned int pass; /* … are left to pass over */
};

/* Somebody was answered who may ask again at once. */
void mr_linger_answered(struct mr_linger *l);
/* As sd_event_loop(). */
int mr_linger_loop(struct mr_linger *l, sd_event *event);

#endif
