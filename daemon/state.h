/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.h - the state directory: what survives a restart and a reboot.
 *
 *   ids.json              numbers of services, users, rule counters (ids.h)
 *   current.json          which policy is in force, which one `undo` goes back to, the mark of an
 *                         unconfirmed one
 *   policies/N.json       a policy as it was applied: every file it read, in order, by content
 *   blobs/HASH-LENGTH     the contents, each once
 *   sources.json          how far each log was read
 *   sessions              who is logged in
 *   entries               permits and bans, with wall-clock ends
 *
 * Written so that a crash at any moment leaves the old or the new: contents first, then the policy
 * that names them, then current.json, each flushed to the disk before the next.
 */
#ifndef MAILREEVE_DAEMON_STATE_H
#define MAILREEVE_DAEMON_STATE_H

#include <mailreeve/config.h>

#include <jansson.h>

#define MR_SNAPSHOT_NAME 24 /* bytes: a generation number in decimal */

struct mr_current {
	uint64_t generation; /* the last number given */
	uint64_t applied_us; /* of `active`, wall clock */
	char active[MR_SNAPSHOT_NAME]; /* "": none */
	uint64_t active_fingerprint;
	char previous[MR_SNAPSHOT_NAME];
	bool trial; /* a policy waits to be confirmed: a start goes back to `active` */
	uint64_t file; /* what the file held when it was applied last; if that is not `active`, a
			* person took it back, and a start does not take it again */
};

/* The directory and its parts; made if missing. */
int mr_state_prepare(const char *dir, struct mr_error *e);
char *mr_state_path(const char *dir, const char *name); /* malloc'ed, or NULL */
/* Which boot of the machine this is: text, and zeros behind it. */
#define MR_BOOT_ID 40 /* bytes */
void mr_state_boot_id(char out[static MR_BOOT_ID]);
/* A file that cannot be used: NAME becomes NAME.damaged, so that the next save does not end what a
 * person, or a newer version, might still read. */
void mr_state_put_aside(const char *dir, const char *name);

/* A file of ours that holds one object of at most this version.  -EBADMSG: it does not. */
int mr_state_read_json(const char *path, size_t max, int version, json_t **out, struct mr_error *e);

int mr_state_read_current(const char *dir, struct mr_current *out, struct mr_error *e);
int mr_state_write_current(const char *dir, const struct mr_current *c, struct mr_error *e);

/* One number for the contents of everything a load read: two loads that read the same have the
 * same. Never 0. */
uint64_t mr_state_fingerprint(const char *config, const struct mr_files *f);
int mr_state_save_policy(const char *dir, const char *name, const char *config,
			 const struct mr_files *f, struct mr_error *e);
/* *files is frozen; *config is malloc'ed: the path the policy was loaded from. */
int mr_state_load_policy(const char *dir, const char *name, char **config, struct mr_files *files,
			 struct mr_error *e);
/* Removes policies and contents that current.json (as given) does not name, nor `also`. */
int mr_state_collect(const char *dir, const struct mr_current *c, const char *also);

#endif
