/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn.h - from events to timed permits and bans: the decisions, and the memory they need.
 *
 * Pure logic with the clock handed in (boot nanoseconds, the clock of the book).  The daemon feeds
 * it with events of its sources, `learn --dry-run` with a log and the log's own clock.  Every table
 * is bounded; what is pushed out of one costs a count, never a wrong entry.
 */
#ifndef MAILREEVE_LEARN_H
#define MAILREEVE_LEARN_H

#include <mailreeve/entry.h>
#include <mailreeve/event.h>
#include <mailreeve/host.h>

#include <stdio.h>

struct mr_learner;

enum mr_learn_action { MR_LEARN_NONE, MR_LEARN_COUNT, MR_LEARN_PERMIT, MR_LEARN_BAN };

#define MR_LEARN_WHY 160 /* bytes of a reason */
struct mr_learn_result {
	enum mr_learn_action action;
	struct mr_prefix keyed; /* what the entry covers, for PERMIT and BAN */
	uint64_t expires; /* boot ns, for PERMIT and BAN */
	char why[MR_LEARN_WHY]; /* one line for people and logs; plain ASCII */
};

/* What the learner needs to know.  Borrowed; replaced whole when a policy takes effect. */
struct mr_learn_setup {
	const struct mr_policy *policy;
	const struct mr_host *host;
	uint64_t permit_services; /* bits by service id that a learned permit opens */
	uint64_t ban_services; /* bits that a learned ban closes */
};

/* What a learned permit opens: permit { services }, else the services that name `permitted`.  Bits
 * by service_id[position in policy->services]; NULL: by the position itself. */
uint64_t mr_learn_permits(const struct mr_policy *p, const uint8_t *service_id);
/* What a learned ban closes: ban { services }, else everything. */
uint64_t mr_learn_bans(const struct mr_policy *p, const uint8_t *service_id);

/* Does the prefix hold somebody who is never banned: the host itself and its networks, one of our
 * proxies, who is excepted? */
bool mr_learn_spares(const struct mr_policy *p, const struct mr_host *host,
		     const struct mr_prefix *prefix);
struct mr_learn_stats {
	uint64_t events[4]; /* by enum mr_event_kind */
	uint64_t permits, bans;
	uint64_t capped_user; /* a user with too many addresses */
	uint64_t capped_address; /* an address with too many users */
	uint64_t capped_prefix; /* a prefix with too many permits */
	uint64_t protected; /* failures of proxies, own networks, `except` */
	uint64_t doubles; /* lines of an attempt that was counted already */
	uint64_t forgotten; /* pushed out of a full table */
	size_t addresses, sessions; /* remembered now */
};

/* Records remembered at most: of who earned permits, and as many of who failed; 64 bytes each, and
 * 16 for each further failure, user or address that a threshold or a cap must know.  What has run
 * out makes room for what comes: only as many are used as count at a time, and a third more. */
#define MR_LEARN_ADDRESSES 262144
#define MR_LEARN_SESSIONS  65536 /* open sessions remembered, and attempts */

/* `user_id` gives the number of a user in the persistent table, 0 if there is none to give. */
int mr_learner_new(struct mr_book *book, uint32_t (*user_id)(struct mr_str user, void *userdata),
		   void *userdata, struct mr_learner **out);
void mr_learner_free(struct mr_learner *l);
MR_DEFINE_CLEANUP(struct mr_learner *, mr_learner_free)
void mr_learner_setup(struct mr_learner *l, const struct mr_learn_setup *s);

/* One event that happened at `at` (never later than now; negative: before the boot).  -errno only
 * for want of memory or if the book's callback fails; then *out is filled with action NONE and the
 * reason. */
int mr_learner_event(struct mr_learner *l, const struct mr_event *e, int64_t at, uint64_t now,
		     struct mr_learn_result *out);
/* Keeps the permits of open sessions alive.  Call at least every quarter of the permit ttl, and
 * again as long as it returns 1: it looks at `max` sessions at most, and goes on where it was.
 * *extended counts those of this call. */
int mr_learner_tick(struct mr_learner *l, uint64_t now, size_t max, size_t *extended);
/* Sessions that stand, and which formats log their end, for another process of the same machine.
 * `sessions` false: of another boot; no session outlives that. */
int mr_learner_save(const struct mr_learner *l, FILE *f);
int mr_learner_restore(struct mr_learner *l, struct mr_str saved, bool sessions);
void mr_learner_stats(const struct mr_learner *l, struct mr_learn_stats *out);

#endif
