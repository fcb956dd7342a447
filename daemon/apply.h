/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * apply.h - from a file, a kept policy or new facts to the generation that filters.
 *
 * A job goes through four steps: prepare (worker: read, parse, compile), numbers (main), load
 * (worker: fill the spare slot), flip (main), keep (worker: generation.json, state directory).
 * One is in flight; others wait in order.
 */
#ifndef MAILREEVE_DAEMON_APPLY_H
#define MAILREEVE_DAEMON_APPLY_H

#include "manager.h"

enum mr_job_kind {
	MR_JOB_START, /* the file, else the last applied policy, else nothing */
	MR_JOB_APPLY, /* the file */
	MR_JOB_UNDO, /* the previous policy, by hand */
	MR_JOB_ROLLBACK, /* the previous policy, because nobody confirmed */
	MR_JOB_FACTS, /* the same policy, other addresses or routes */
	MR_JOB_CONFIRM, /* only current.json */
};

/* What comes back to who asked: called once, on the main thread.  error NULL: done. */
typedef void (*mr_job_reply)(struct mr_manager *m, const struct mr_job *j, const char *error,
			     const char *message, void *userdata);

struct mr_job {
	struct mr_job *next;
	struct mr_manager *m;
	enum mr_job_kind kind;
	mr_job_reply reply;
	void *userdata;
	uint64_t confirm_us; /* 0: final */
	uint64_t began; /* boot ns */

	/* prepare */
	const char *config, *state_dir; /* borrowed from the options */
	char snapshot[MR_SNAPSHOT_NAME]; /* load this one instead of the file; START: fall back to
					  */
	uint64_t avoid; /* START: a fingerprint not to take from the file */
	struct mr_live *live; /* the target */
	bool borrowed; /* live is the manager's: active or previous */
	struct mr_host *host;
	struct mr_files files;
	char *policy_config; /* path that the policy came from; NULL: config */
	struct mr_findings findings;
	struct mr_image *image;
	bool fell_back; /* START: the policy is the kept one */
	char *why; /* START: why it fell back */
	uint64_t fallen_from; /* START: what the file holds; 0: it will not load */

	/* load and keep */
	struct mr_kernel *kernel; /* borrowed */
	uint32_t room[2]; /* that the maps of entries must have for other keys; 0: any */
	struct mr_kernel *larger; /* with larger maps of entries; NULL: they are large enough */
	struct mr_generation_spec spec;
	uint64_t generation;
	uint16_t *rule_counter;
	uint8_t *service_id;
	uint8_t *fresh; /* counters to be set to zero */
	uint64_t fresh_services; /* bits by number: the same */
	struct mr_ids_snapshot *ids; /* to be written, if they changed */
	bool ids_written;
	json_t *json; /* generation.json */
	char *json_text;
	struct mr_current mark, after; /* current.json before the flip, and after it */
	bool marked; /* a start before the confirmation goes back */
	bool changed; /* another policy, not the same one again */
	bool flipped;
	bool same_slot; /* the spare slot holds the target: no compile */
	char *size_error; /* the maps of entries could not be made larger; the rest went on */
	char *state_error; /* the state directory could not be written; the rest went on */
	size_t prefixes4, prefixes6, classes;
	double seconds; /* from the question to the flip */

	int r; /* of the last step */
	const char *error_name; /* MR_BUS_ERROR_* */
	struct mr_error error;
	char *text; /* the whole message, where it is longer than an mr_error */
};

/* -EBUSY: another apply or undo is in flight.  reply may be NULL. */
int mr_job_submit(struct mr_manager *m, enum mr_job_kind kind, uint64_t confirm_us,
		  mr_job_reply reply, void *userdata);
/* The start, in place: returns when the policy filters, or when it is clear that none does. */
int mr_job_start(struct mr_manager *m);
const char *mr_job_name(const struct mr_job *j); /* "apply", "roll-back", … */
json_t *mr_job_summary(const struct mr_job *j); /* the `apply` object of report.h */
void mr_jobs_clear(struct mr_manager *m);
void mr_job_free(struct mr_job *j);
MR_DEFINE_CLEANUP(struct mr_job *, mr_job_free)

/* trial.c: the time to confirm in, until boot time at_us */
void mr_trial_arm(struct mr_manager *m, uint64_t at_us);
void mr_trial_end(struct mr_manager *m);
/* flip.c: what a flip changes, in this order */
void mr_flip_numbers(struct mr_job *j); /* the target takes what was compiled for it */
void mr_flip_roles(struct mr_job *j); /* who is active and who previous; lives nobody needs go */
void mr_flip_current(struct mr_job *j); /* what current.json shall say, once the flip is done */
void mr_flip_reason(struct mr_job *j); /* why something else than the file is in force */
void mr_flip_log(const struct mr_job *j);
/* number.c */
int mr_job_number(struct mr_job *j);
/* Another `ipv6-prefix` gives entries other keys, and those stand beside the old ones for a while:
 * the sizes that the maps need for it, 0 for any; false if both are. */
bool mr_job_room(const struct mr_manager *m, const struct mr_policy *p, uint32_t room[static 2]);
/* prepare.c: the worker's steps */
void mr_job_prepare(void *job);
void mr_job_load(void *job);
/* Counters whose number changed hands begin at nothing, whether the job succeeds or not: the next
 * one finds them given. */
void mr_job_zero(struct mr_job *j);
void mr_job_keep(void *job);

#endif
