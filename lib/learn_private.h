/* SPDX-License-Identifier: BSD-2-Clause */
/* learn_private.h - what learn.c (permits) and learn_ban.c (bans) share. */
#ifndef MR_LEARN_PRIVATE_H
#define MR_LEARN_PRIVATE_H

#include "learn_table.h"

#include <mailreeve/learn.h>

#define MR_LEARN_FORMATS 128 /* formats told apart for their logouts; there are fewer */
#define MR_NS_PER_US	 1000u
#define MR_US_PER_S	 1000000u
#define MR_NS_PER_S	 1000000000ull

/* The learner's own clock runs ahead of the book's, which begins at the boot, by this much (ns): so
 * what happened before the boot has a time too, and earns what is left of it.  As far back as logs
 * are read. */
#define MR_LEARN_EPOCH (31ull * 86400 * MR_NS_PER_S)

/* What a record is about: part of its key.  What only users with a password can fill and what any
 * stranger can fill are kept apart: a storm of failures must not make a cap forget. */
enum mr_memory {
	/* earned */
	MR_MEMORY_USERS = 1, /* of an address: marks (permit's end, user) */
	MR_MEMORY_ADDRESSES, /* of a user: marks (permit's end, address) */
	MR_MEMORY_PREFIX, /* marks (permit's end, address) */
	/* failed */
	MR_MEMORY_FAILURES, /* of a ban key: marks (when, user) */
	MR_MEMORY_ABUSE, /* of a ban key: marks (when, 0) */
	MR_MEMORY_HISTORY, /* of a ban key: a = bans so far, b = end of the last */
	/* attempts */
	MR_MEMORY_ATTEMPTS, /* of a session: a, b = failures that either side told of */
	MR_MEMORY_PAIRS, /* of an address: the same, not yet paired; first.at = last */
	MR_MEMORY_COPIES, /* of what a source told of a second: a = lines */
	MR_MEMORY_TOLD, /* of the same, whatever the source: a = attempts counted */
	MR_MEMORY_SOURCE, /* of a source: see learn_copies.c */
};

struct mr_learner {
	uint64_t now; /* of the event or the tick at hand */
	struct mr_book *book;
	uint32_t (*user_id)(struct mr_str user, void *userdata);
	void *userdata;
	struct mr_learn_setup setup;
	struct mr_learn_table *earned, *failed, *attempts, *sessions;
	struct {
		uint64_t name; /* hash */
		bool logs_out; /* was seen to log the end of a session */
	} format[MR_LEARN_FORMATS];
	size_t formats;
	struct mr_learn_item *ticked; /* the session that the tick looked at last; NULL: none */
	struct mr_learn_stats stats;
};

struct mr_learn_item *mr_learn_record(struct mr_learner *l, enum mr_memory kind, const void *p,
				      size_t n, bool make);
/* What the records of an event are called, reckoned once: several of them are asked for twice. */
struct mr_learn_names {
	uint64_t user, addr, format; /* hashes; user 0: no name */
	/* keys of records; what the event does not need is not set */
	uint64_t bad[2], attempts[2], session[2], of_user[2], of_address[2], of_prefix[2];
};
void mr_learn_names(const struct mr_learner *l, const struct mr_event *e,
		    struct mr_learn_names *out);
/* Of an address alone: those that caps count in. */
void mr_learn_names_circle(const struct mr_learner *l, const struct mr_addr *a, uint64_t user,
			   struct mr_learn_names *out);
struct mr_addr mr_learn_ban_key(const struct mr_learner *l, const struct mr_addr *a);
uint64_t mr_learn_user(const struct mr_learner *l, struct mr_str user);
bool mr_learn_listed(const struct mr_learner *l, const struct mr_addr *a,
		     struct mr_learn_result *out);
/* Fills *out with the action and the reason, which is the strings that follow, in a row; 0.  No
 * printf: one for each event of a log took longer than its decision. */
#define mr_learn_say(out, action, ...) \
	mr_learn_say_all((out), (action), (const char *const[]){ __VA_ARGS__, NULL })
int mr_learn_say_all(struct mr_learn_result *out, enum mr_learn_action action,
		     const char *const *part);
/* Into buf, for reasons: "90s", "30m", "2h", and a plain number. */
#define MR_LEARN_NUMBER 24 /* bytes */
const char *mr_learn_span(uint64_t ns, char buf[static MR_LEARN_NUMBER]);
const char *mr_learn_number(uint64_t v, char buf[static MR_LEARN_NUMBER]);

/* The book, asked and written by the learner's clock: `find` returns a copy in *out. */
bool mr_learn_find(const struct mr_learner *l, enum mr_entry_kind kind, const struct mr_addr *a,
		   uint64_t now, struct mr_entry *out);
int mr_learn_add(struct mr_learner *l, enum mr_entry_kind kind, const struct mr_addr *a,
		 const struct mr_entry *v, uint64_t now, struct mr_learn_result *out);

int mr_learn_bad(struct mr_learner *l, const struct mr_event *e, const struct mr_learn_names *names,
		 uint64_t at, uint64_t now, struct mr_learn_result *out);
/* Of an event that may be told twice: how many attempts nobody has told of yet. */
uint32_t mr_learn_copies(struct mr_learner *l, const struct mr_event *e, uint64_t at);
void mr_learn_forgive(struct mr_learner *l, const struct mr_learn_names *names);

#endif
