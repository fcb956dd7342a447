/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - one daemon for each runtime directory, each state directory and each pin directory.
 */
#ifndef MAILREEVE_DAEMON_LOCK_H
#define MAILREEVE_DAEMON_LOCK_H

#include <mailreeve/util.h>

/* A lock file in the runtime directory that holds our pid; a descriptor, or -errno. -EBUSY: *e
 * names who has it. */
int mr_lock_runtime(const char *dir, struct mr_error *e);
/* The pin directory itself, once a bpffs is mounted there; -ENOENT: not yet. */
int mr_lock_pins(const char *dir, struct mr_error *e);

/* The state directory itself.  -EBUSY: as above; anything else: it has no lock, or is not there. */
int mr_lock_state(const char *dir, struct mr_error *e);

#endif
