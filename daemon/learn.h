/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * learn.h - the learning side of the daemon: sources in, permits and bans out.
 */
#ifndef MAILREEVE_DAEMON_LEARN_H
#define MAILREEVE_DAEMON_LEARN_H

#include "manager.h"
#include "source/journal.h"
#include "source/trust.h"

#include <mailreeve/learn.h>
#include <mailreeve/reader.h>

/* The policy or the facts are other ones than before, or there is no policy now: sources that are
 * named still go on where they are, others come and go. */
void mr_learn_apply(struct mr_manager *m);
/* Ends all sources; their places go to the state directory. */
void mr_learn_stop(struct mr_manager *m);
/* Reads what the sources have ready, for at most so long (ns): before a refusal for want of a
 * permit.
 */
void mr_learn_drain(struct mr_manager *m, uint64_t ns);
/* An event from elsewhere (an authentication report), `time_us` realtime, 0: now. */
int mr_learn_event(struct mr_manager *m, const struct mr_event *e, uint64_t time_us,
		   const char *source, struct mr_learn_result *out);

json_t *mr_learn_json(const struct mr_manager *m); /* `learn` of status; NULL: nothing is learned */
void mr_learn_warnings(const struct mr_manager *m, void (*warn)(json_t *list, const char *fmt, ...),
		       json_t *list);

/* --- between learn.c and learn_*.c ----------------------------------------- */

struct mr_learn_feed { /* one source of the policy */
	struct mr_learn *learn;
	char *key; /* its name in status and in the state directory: "file /var/log/mail.log" */
	uint32_t number; /* of the source, from 1; not given again */
	char *formats; /* blank-separated; "": the default ones */
	const char *kind; /* "file", "journal", "stdin" */
	struct mr_feed *feed;
	struct mr_reader *reader;
	bool own; /* the reader knows own formats, so it holds on to the policy */
	bool keep; /* while a policy is applied: it names this source still */
	bool told_failed;
	char *told_note;
	uint64_t turn_us; /* realtime at the begin of this turn */
	uint64_t line_us; /* the last line's own time, 0: unknown */
	/* text: logins in a row that were stamped long before they were read, though nothing waited
	 */
	uint32_t adrift;
	uint64_t adrift_us; /* the last one, by so much */
	/* journal: records that look like a server's, and were written by somebody else */
	struct mr_reader *suspect; /* reads them, so that they are counted */
	uint64_t forged, forged_told_at; /* boot ns */
	struct { /* journal: what journald's rate limit took away */
		uint64_t lines, told, told_at; /* boot ns */
		char *unit; /* the last one; NULL: none */
	} dropped;
	bool lost[MR_READER_PROGRAMS]; /* told */
};
struct mr_learn_save;
struct mr_learn_sessions { /* the file `sessions` */
	char *data; /* NULL: none */
	size_t n;
};
struct mr_learn_budget { /* of messages */
	uint32_t left;
	uint64_t since; /* boot ns */
	uint64_t held; /* not told one by one */
};
struct mr_learn {
	struct mr_manager *m;
	struct mr_learner *learner;
	struct mr_learn_feed **feed;
	size_t feeds, allocated;
	uint32_t numbers; /* given to feeds so far */
	sd_event_source *tick, *save, *summary;
	struct mr_learn_save *saving; /* the worker has it; NULL: none */
	bool save_failed; /* told */
	bool changed; /* an entry, since the last turn's end */
	uint64_t zone_at; /* boot ns: the time zone was looked at */
	struct mr_zone zone;
	struct mr_learn_budget budget[2]; /* by enum mr_entry_kind */
	struct mr_trust *trust;
	struct mr_learn_sessions restored; /* as read at start, until the sources have theirs */
	size_t sessions_bytes; /* of the file, as it was collected last */
	bool same_boot; /* it is of this boot */
	json_t *places; /* by key: as read at start, and of sources that are gone */
};

/* learn_log.c */
void mr_learn_log(struct mr_learn *l, const char *source, const struct mr_event *e,
		  const struct mr_learn_result *r, bool renewed);
void mr_learn_log_lost(struct mr_learn_feed *s);
void mr_learn_log_forged(struct mr_learn_feed *s, const struct mr_event *e,
			 const struct mr_line *line, const struct mr_writer *w);
void mr_learn_log_adrift(struct mr_learn_feed *s, uint64_t by_us);
void mr_learn_log_dropped(struct mr_learn_feed *s, const char *unit, uint64_t n);
void mr_learn_log_state(struct mr_learn_feed *s);
void mr_learn_log_stop(struct mr_learn *l);
/* learn_places.c */
void mr_learn_places_load(struct mr_learn *l);
void mr_learn_places_arm(struct mr_learn *l); /* saves soon */
void mr_learn_places_save(struct mr_learn *l); /* at the end; in place once the worker is gone */

/* learn_sessions.c */
void mr_learn_sessions_load(struct mr_learn *l); /* into the learner */
void mr_learn_sessions_of(struct mr_learn *l, struct mr_learn_feed *s); /* into its reader */
void mr_learn_sessions_loaded(struct mr_learn *l); /* all sources that are named have theirs */
int mr_learn_sessions_collect(const struct mr_learn *l, struct mr_learn_sessions *out);
int mr_learn_sessions_write(const struct mr_learn_sessions *s, const char *dir); /* any thread */

#endif
