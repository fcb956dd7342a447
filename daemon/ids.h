/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ids.h - numbers that outlive a policy: of services, of users, of rule counters.
 *
 * An entry in the kernel names services by bit and its user by number, a counter belongs to a
 * service and a rule's text; so the numbers are kept in the state directory, and none is given to
 * another owner while something still holds it.
 */
#ifndef MAILREEVE_DAEMON_IDS_H
#define MAILREEVE_DAEMON_IDS_H

#include <jansson.h>
#include <mailreeve/policy.h>

struct mr_ids;

/* A file that is not there is an empty table. */
int mr_ids_load(const char *path, struct mr_ids **out, struct mr_error *e);
int mr_ids_new(struct mr_ids **out);
void mr_ids_free(struct mr_ids *ids);
MR_DEFINE_CLEANUP(struct mr_ids *, mr_ids_free)
/* The tables as they are now, for another thread to write; NULL for want of memory.  It takes no
 * time worth speaking of, and must be gone before the tables are. */
struct mr_ids_snapshot;
struct mr_ids_snapshot *mr_ids_snapshot(const struct mr_ids *ids);
void mr_ids_snapshot_free(struct mr_ids_snapshot *s);
int mr_ids_snapshot_write(const struct mr_ids_snapshot *s, const char *path);
uint64_t mr_ids_snapshot_changes(const struct mr_ids_snapshot *s);
uint64_t mr_ids_changes(const struct mr_ids *ids);

/* The number of a service; a new one gets a free number, or one that `held` (bits) does not name.
 */
int mr_ids_service(struct mr_ids *ids, const char *name, uint64_t held, uint8_t *out);
/* -1: no such name. */
int mr_ids_find_service(const struct mr_ids *ids, const char *name);
const char *mr_ids_service_name(const struct mr_ids *ids, uint8_t id);

/* The services of the generation in force, as generation.json has them: where the table is of
 * another time, or was lost, entries mean these. */
int mr_ids_adopt_services(struct mr_ids *ids, const json_t *services);
/* Bits of all numbers that were ever given: others are nobody's. */
uint64_t mr_ids_services(const struct mr_ids *ids);

int mr_ids_user(struct mr_ids *ids, const char *name, uint32_t *out);
const char *mr_ids_user_name(const struct mr_ids *ids, uint32_t user); /* NULL: unknown */
/* Entries were found that name users up to this: newer ones start behind it. */
void mr_ids_reserve_users(struct mr_ids *ids, uint32_t user);

/*
 * Counters for every rule of a policy: counter[number].  `keep` (may be NULL) are tables whose
 * slots must stay theirs.  `fresh` (MR_COUNTERS_MAX bits as bytes) tells which slots changed hands
 * and must be set to zero; those that it told already stay told.
 */
int mr_ids_counters(struct mr_ids *ids, const struct mr_policy *p, uint64_t generation,
		    const uint16_t *const keep[], const size_t n_keep[], size_t keeps,
		    uint16_t counter[static MR_RULES_MAX + 1], uint8_t *fresh);

#endif
