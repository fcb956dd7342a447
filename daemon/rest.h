/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rest.h - a listening socket that rests while no descriptor can be had.
 *
 * Whoever knocks stays in the kernel's queue, so the socket stays readable: a loop that tried again
 * at once would turn without end until a descriptor comes free.
 */
#ifndef MAILREEVE_DAEMON_REST_H
#define MAILREEVE_DAEMON_REST_H

#include "manager.h"

struct mr_rest { /* zeroed at first */
	struct mr_manager *m;
	sd_event_source *io; /* borrowed: what rests */
	sd_event_source *timer;
	uint64_t told; /* boot ns of the last word about it */
};

/* Is this errno of accept() such that the next try fails as well? */
bool mr_rest_due(int error);
/* The same, asked without accepting: can no descriptor be had? */
bool mr_rest_short(void);
/* `io` is off for a moment, then on again; the log says so, now and then. */
void mr_rest_begin(struct mr_rest *r, struct mr_manager *m, sd_event_source *io, const char *name);
/* Before `io` goes. */
void mr_rest_end(struct mr_rest *r);

#endif
