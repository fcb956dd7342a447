/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry_file.h - permits and bans over a reboot: the file `entries` in the state directory.
 */
#ifndef MAILREEVE_DAEMON_ENTRY_FILE_H
#define MAILREEVE_DAEMON_ENTRY_FILE_H

#include "manager.h"

/* Puts what the file holds into the book.  pins: the kernel's maps outlived the daemon, and are
 * empty: then the file of this very boot is out of date, and left aside. */
void mr_entry_file_load(struct mr_manager *m, bool pins, size_t *restored);
/* Of this very boot's file, only the parts of permits that the kernel's values leave out. */
void mr_entry_file_rest(struct mr_manager *m, size_t *restored);
/* The book may have changed: save soon. */
void mr_entry_file_arm(struct mr_manager *m);
/* Saves what changed, in place: at the end. */
int mr_entry_file_save(struct mr_manager *m);
void mr_entry_file_stop(struct mr_manager *m);

#endif
