// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_names.c - what the records of an event are called (learn_private.h).
 *
 * Keys are hashes with the secret of their table.  Called by learn.c for each event.  Decides
 * nothing, makes no record, and cannot fail.
 */
#include "learn_private.h"

#include <string.h>

#define PREFIX4 24 /* what `per-prefix` counts: one customer block, one carrier-grade NAT pool */
#define PREFIX6 64 /* one network, however many addresses its hosts make up */

void mr_learn_names_circle(const struct mr_learner *l, const struct mr_addr *a, uint64_t user,
			   struct mr_learn_names *out)
{
	struct mr_addr keyed = *a, prefix = *a;

	/* what one permit covers is one address to the caps, whatever its hosts make up */
	if (!mr_addr_is4(a))
		mr_addr_mask(&keyed, l->setup.policy->permit.ipv6_prefix);
	mr_addr_mask(&prefix, mr_addr_is4(a) ? 96 + PREFIX4 : PREFIX6);
	out->user = user;
	out->addr = mr_learn_table_hash(l->earned, keyed.b, sizeof(keyed.b));
	mr_learn_table_key(l->earned, MR_MEMORY_PREFIX, prefix.b, sizeof(prefix.b), out->of_prefix);
	if (!user)
		return;
	mr_learn_table_key(l->earned, MR_MEMORY_ADDRESSES, &user, sizeof(user), out->of_user);
	mr_learn_table_key(l->earned, MR_MEMORY_USERS, keyed.b, sizeof(keyed.b), out->of_address);
}

/*
 * A session by its id, or, where there is none, all sessions of a user from one address together.
 * The address is part of the key even with an id: an id that a proxy asserted may be anybody's.
 */
static void name_session(const struct mr_learner *l, const struct mr_event *e,
			 struct mr_learn_names *a)
{
	uint64_t name[4];

	a->format = mr_learn_table_hash(l->sessions, e->format, strlen(e->format));
	name[0] = a->format;
	name[1] = e->session.n ? mr_learn_table_hash(l->sessions, e->session.p, e->session.n)
			       : a->user;
	memcpy(&name[2], e->addr.b, 16);
	mr_learn_table_key(l->sessions, e->session.n ? 1000 : 1001 + e->family, name, sizeof(name),
			   a->session);
}

static void name_bad(const struct mr_learner *l, const struct mr_event *e, struct mr_learn_names *a)
{
	struct mr_addr k = mr_learn_ban_key(l, &e->addr);

	mr_learn_table_key(l->failed, e->kind == MR_EV_ABUSE ? MR_MEMORY_ABUSE : MR_MEMORY_FAILURES,
			   k.b, sizeof(k.b), a->bad);
	if (e->kind != MR_EV_FAILURE)
		return;
	if (e->session.n)
		mr_learn_table_key(l->attempts, MR_MEMORY_ATTEMPTS, e->session.p, e->session.n,
				   a->attempts);
	else
		mr_learn_table_key(l->attempts, MR_MEMORY_PAIRS, e->addr.b, sizeof(e->addr.b),
				   a->attempts);
}

void mr_learn_names(const struct mr_learner *l, const struct mr_event *e,
		    struct mr_learn_names *out)
{
	uint64_t user = mr_learn_user(l, e->user);

	out->user = user;
	if (e->kind != MR_EV_LOGOUT)
		name_bad(l, e, out);
	if (e->kind != MR_EV_LOGIN && e->kind != MR_EV_LOGOUT)
		return;
	mr_learn_names_circle(l, &e->addr, user, out);
	name_session(l, e, out);
}
