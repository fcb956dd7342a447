/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.h - mailboxes that are limited to addresses, or barred from them, per service family.
 *
 * Limits come from the file (policy->account) and from one store behind it: SQLite or MariaDB.
 * Both are read the same way: any `allow` for the family means that the address must match one, a
 * matching `deny` refuses, `none` matches nothing.  Names are compared without regard to ASCII
 * case.
 */
#ifndef MAILREEVE_ACCOUNT_H
#define MAILREEVE_ACCOUNT_H

#include <mailreeve/policy.h>

#define MR_ACCOUNT_NAME	  320 /* bytes: local part and domain */
#define MR_ACCOUNT_LIMITS 1024 /* limits of one mailbox in a store; a person writes a handful */
#define MR_ACCOUNT_FILE \
	"accounts.db" /* in the state directory; in the runtime one a link to it \
		       */

enum mr_limit_kind { MR_LIMIT_PREFIX, MR_LIMIT_ANY, MR_LIMIT_NONE };
struct mr_limit {
	enum mr_family family; /* MR_FAMILY_NONE: every family */
	enum mr_action action; /* MR_ALLOW or MR_DENY */
	enum mr_limit_kind kind;
	struct mr_prefix prefix;
	uint64_t row; /* its number in MariaDB; 0: none */
};
struct mr_limits {
	struct mr_limit *v;
	size_t n, allocated;
	size_t faulty; /* rows that are no limits: an allow counts as `none`, a deny is passed over
			*/
};
void mr_limits_clear(struct mr_limits *l);
int mr_limits_add(struct mr_limits *l, const struct mr_limit *limit);

/* "any", "none", an address or CIDR (blanks around it and host bits are forgiven); -EINVAL. */
int mr_limit_source(const char *text, struct mr_limit *out);
#define MR_LIMIT_TEXT MR_PREFIX_TEXT
const char *mr_limit_source_text(const struct mr_limit *l, char buf[static MR_LIMIT_TEXT]);
/* "smtp", "pop3", "imap", "sieve", their services' names too; "", "any": every.  -EINVAL. */
int mr_limit_family(const char *text, enum mr_family *out);
const char *mr_limit_family_name(enum mr_family f); /* "any" for MR_FAMILY_NONE */
/* A row of a store into *l; never fails but for want of memory.  `row`: its number, 0: none. */
int mr_limits_row(struct mr_limits *l, uint64_t row, const char *family, bool allow,
		  const char *source);

/* The verdict, from one or several lists. */
struct mr_account_tally {
	bool limited; /* an allow for the family was there … */
	bool matched; /* … and one of them holds the address */
	bool denied;
};
/* `a` NULL: no address is known; it matches `any` only. */
void mr_account_count(const struct mr_limits *l, enum mr_family family, const struct mr_addr *a,
		      struct mr_account_tally *t);
static inline bool mr_account_refuses(const struct mr_account_tally *t)
{
	return t->denied || (t->limited && !t->matched);
}

/* The accounts of a policy, found by name; borrows from it. */
struct mr_account_index;
int mr_account_index_new(const struct mr_policy *p, struct mr_account_index **out);
void mr_account_index_free(struct mr_account_index *x);
MR_DEFINE_CLEANUP(struct mr_account_index *, mr_account_index_free)
void mr_account_index_count(const struct mr_account_index *x, const char *name,
			    enum mr_family family, const struct mr_addr *a,
			    struct mr_account_tally *t);

/*
 * Each limit that speaks of the family: first those of the file (x), then those of a store (l);
 * either may be NULL.  One of r and limit is NULL.
 */
typedef void (*mr_account_each_fn)(const struct mr_account_rule *r, const struct mr_limit *limit,
				   bool holds, void *userdata);
void mr_account_walk(const struct mr_account_index *x, const struct mr_limits *l, const char *name,
		     enum mr_family family, const struct mr_addr *a, mr_account_each_fn each,
		     void *userdata);

/* --- stores: one thread at a time ------------------------------------------------------------- */

struct mr_account_store;
/* Adds the limits of a mailbox to *out; none is an answer too.  -errno: the store cannot be asked,
 * *e says why. */
int mr_account_lookup(struct mr_account_store *s, const char *name, struct mr_limits *out,
		      struct mr_error *e);
void mr_account_store_free(struct mr_account_store *s);
MR_DEFINE_CLEANUP(struct mr_account_store *, mr_account_store_free)

/* For questions; a file that is not there is an empty store. */
int mr_account_sqlite_open(const char *path, struct mr_account_store **out, struct mr_error *e);
/* To be changed; made if it is not there, for the owner of its directory. */
int mr_account_sqlite_create(const char *path, struct mr_account_store **out, struct mr_error *e);
/* Connects at the first question; at most MR_ACCOUNT_WAIT_S for each step. */
#define MR_ACCOUNT_WAIT_S 2
int mr_account_mariadb_open(const struct mr_accounts_options *o, struct mr_account_store **out,
			    struct mr_error *e);

/* SQLite only.  Changes between begin and commit are one; without, each is one. */
int mr_account_begin(struct mr_account_store *s, struct mr_error *e);
int mr_account_commit(struct mr_account_store *s, struct mr_error *e);
/* 1: it is new; 0: it was there. */
int mr_account_put(struct mr_account_store *s, const char *name, const struct mr_limit *l,
		   struct mr_error *e);
/* Those that fit; NULL fits all.  How many went. */
int mr_account_remove(struct mr_account_store *s, const char *name, const enum mr_family *family,
		      const enum mr_action *action, const struct mr_limit *source,
		      struct mr_error *e);
/* In the order of names; a negative return ends it.  name NULL: all. */
int mr_account_each(struct mr_account_store *s, const char *name,
		    int (*each)(const char *name, const struct mr_limit *l, void *userdata),
		    void *userdata, struct mr_error *e);

/* --- the cache -------------------------------------------------------------------------------- */

/*
 * Answers remembered: fresh for a while, and then as the last ones known.  Mailboxes with limits
 * and names without are kept apart: strangers who try names push out no mailbox.
 */
#define MR_ACCOUNT_CACHE_LIMITED   131072 /* mailboxes with limits */
#define MR_ACCOUNT_CACHE_UNLIMITED 65536 /* names without */
struct mr_account_cache;
int mr_account_cache_new(size_t limited_max, size_t unlimited_max, struct mr_account_cache **out);
void mr_account_cache_free(struct mr_account_cache *c);
MR_DEFINE_CLEANUP(struct mr_account_cache *, mr_account_cache_free)
/* NULL: not known.  *fresh: younger than its time, and than the last `expire`. */
const struct mr_limits *mr_account_cache_get(struct mr_account_cache *c, const char *name,
					     uint64_t now, bool *fresh);
/* Takes the limits over (*l is empty then), also on failure. */
int mr_account_cache_put(struct mr_account_cache *c, const char *name, struct mr_limits *l,
			 uint64_t until);
void mr_account_cache_expire(struct mr_account_cache *c); /* nothing is fresh any more */
size_t mr_account_cache_count(const struct mr_account_cache *c);

#endif
