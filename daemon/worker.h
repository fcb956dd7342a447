/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - the one thread for long work, piece by piece; each end is told to the event loop.
 */
#ifndef MAILREEVE_DAEMON_WORKER_H
#define MAILREEVE_DAEMON_WORKER_H

#include <mailreeve/util.h>
#include <systemd/sd-event.h>

struct mr_worker;
typedef void (*mr_work_fn)(void *arg);

int mr_worker_new(sd_event *event, struct mr_worker **out);
/* work(arg) in the thread, behind what waits there already; then done(arg) in the loop. */
int mr_worker_run(struct mr_worker *w, mr_work_fn work, mr_work_fn done, void *arg);
/* Waits until all pieces are worked off; their done() is not called. */
void mr_worker_free(struct mr_worker *w);
MR_DEFINE_CLEANUP(struct mr_worker *, mr_worker_free)

#endif
