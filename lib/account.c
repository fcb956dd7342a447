// SPDX-License-Identifier: BSD-2-Clause
/*
 * account.c - limits of mailboxes: their texts, their meaning, those of the file (account.h).
 *
 * Rows of a store that are no limits stay on the safe side where they allow: an allow that cannot
 * be read matches nothing.  Pure logic.  Called by the stores, the daemon, `mailreeve account`.
 */
#include <mailreeve/account.h>

#include <string.h>
#include <strings.h>

/* --- lists ------------------------------------------------------------------------------------ */

void mr_limits_clear(struct mr_limits *l)
{
	free(l->v);
	*l = (struct mr_limits){ .v = NULL };
}

int mr_limits_add(struct mr_limits *l, const struct mr_limit *limit)
{
	int r;

	if (l->n == MR_ACCOUNT_LIMITS)
		return -E2BIG;
	r = mr_grow(&l->v, &l->allocated, l->n, sizeof(*l->v));
	if (r < 0)
		return r;
	l->v[l->n++] = *limit;
	return 0;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* 192.0.2.0/255.255.255.0, as people write it into databases. */
static int limit_netmask(const char *text, size_t n, struct mr_prefix *out)
{
	const char *slash = memchr(text, '/', n);
	size_t head = slash ? (size_t)(slash - text) : 0;
	struct mr_prefix p;
	struct mr_addr mask;
	unsigned int plen;

	if (!slash || mr_addr_parse(text, head, &p.addr) < 0 || !mr_addr_is4(&p.addr) ||
	    mr_addr_parse(slash + 1, n - head - 1, &mask) < 0 || mr_addr_netmask(&mask, &plen) < 0)
		return -EINVAL;
	p.plen = (uint8_t)(96 + plen);
	mr_addr_mask(&p.addr, p.plen);
	*out = p;
	return 0;
}

int mr_limit_source(const char *text, struct mr_limit *out)
{
	struct mr_prefix p;
	size_t n;
	int r;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (n == 3 && strncasecmp(text, "any", 3) == 0) {
		out->kind = MR_LIMIT_ANY;
		return 0;
	}
	if (n == 4 && strncasecmp(text, "none", 4) == 0) {
		out->kind = MR_LIMIT_NONE;
		return 0;
	}
	r = mr_prefix_parse(text, n, &p);
	if (r == -EINVAL)
		r = limit_netmask(text, n, &p);
	if (r < 0 && r != -EDOM)
		return -EINVAL;
	out->kind = MR_LIMIT_PREFIX;
	out->prefix = p;
	return 0;
}

const char *mr_limit_source_text(const struct mr_limit *l, char buf[static MR_LIMIT_TEXT])
{
	switch (l->kind) {
	case MR_LIMIT_ANY:
		return "any";
	case MR_LIMIT_NONE:
		return "none";
	case MR_LIMIT_PREFIX:
		break;
	}
	return mr_prefix_text(&l->prefix, buf);
}

static const struct {
	const char *name;
	enum mr_family family;
} families[] = {
	{ "any", MR_FAMILY_NONE },    { "smtp", MR_FAMILY_SMTP },
	{ "pop3", MR_FAMILY_POP3 },   { "imap", MR_FAMILY_IMAP },
	{ "sieve", MR_FAMILY_SIEVE }, { "managesieve", MR_FAMILY_SIEVE },
};

int mr_limit_family(const char *text, enum mr_family *out)
{
	if (!*text) {
		*out = MR_FAMILY_NONE;
		return 0;
	}
	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++)
		if (strcasecmp(families[i].name, text) == 0) {
			*out = families[i].family;
			return 0;
		}
	for (const struct mr_builtin_service *b = mr_builtin_services; b->name; b++)
		if (strcasecmp(b->name, text) == 0) {
			*out = b->family;
			return 0;
		}
	return -EINVAL;
}

const char *mr_limit_family_name(enum mr_family f)
{
	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++)
		if (families[i].family == f)
			return families[i].name;
	return "any";
}

int mr_limits_row(struct mr_limits *l, uint64_t row, const char *family, bool allow,
		  const char *source)
{
	struct mr_limit limit = { .action = allow ? MR_ALLOW : MR_DENY, .row = row };
	int r;

	if (mr_limit_family(family, &limit.family) < 0) {
		l->faulty++; /* a service that we know nothing of */
		return 0;
	}
	if (mr_limit_source(source, &limit) < 0) {
		l->faulty++;
		if (!allow)
			return 0;
		limit.kind = MR_LIMIT_NONE;
	}
	r = mr_limits_add(l, &limit);
	if (r != -E2BIG)
		return r;
	l->faulty++;
	return 0;
}

/* --- meaning ---------------------------------------------------------------------------------- */

static void tally(const struct mr_account_rule *r, const struct mr_limit *l, bool holds,
		  void *userdata)
{
	struct mr_account_tally *t = userdata;

	if ((r ? r->action : l->action) == MR_ALLOW) {
		t->limited = true;
		t->matched |= holds;
	} else {
		t->denied |= holds;
	}
}

static void walk_limits(const struct mr_limits *l, enum mr_family family, const struct mr_addr *a,
			mr_account_each_fn each, void *userdata)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct mr_limit *v = &l->v[i];

		if (v->family != MR_FAMILY_NONE && v->family != family)
			continue;
		each(NULL, v,
		     v->kind == MR_LIMIT_ANY ||
			     (v->kind == MR_LIMIT_PREFIX && a && mr_prefix_contains(&v->prefix, a)),
		     userdata);
	}
}

void mr_account_count(const struct mr_limits *l, enum mr_family family, const struct mr_addr *a,
		      struct mr_account_tally *t)
{
	walk_limits(l, family, a, tally, t);
}

/* --- accounts of the file --------------------------------------------------------------------- */

struct mr_account_index {
	const struct mr_policy *policy;
	size_t n;
	const struct mr_account *account[]; /* by name */
};

static int by_name(const void *a, const void *b)
{
	const struct mr_account *const *x = a, *const *y = b;

	return strcasecmp((*x)->name, (*y)->name);
}

int mr_account_index_new(const struct mr_policy *p, struct mr_account_index **out)
{
	struct mr_account_index *x = malloc(sizeof(*x) + p->n_account * sizeof(x->account[0]));

	if (!x)
		return -ENOMEM;
	x->policy = p;
	x->n = p->n_account;
	for (size_t i = 0; i < x->n; i++)
		x->account[i] = &p->account[i];
	if (x->n)
		qsort(x->account, x->n, sizeof(x->account[0]), by_name);
	*out = x;
	return 0;
}

void mr_account_index_free(struct mr_account_index *x)
{
	free(x);
}

static void walk_account(const struct mr_account_index *x, const struct mr_account *account,
			 enum mr_family family, const struct mr_addr *a, mr_account_each_fn each,
			 void *userdata)
{
	for (size_t i = 0; i < account->n_rules; i++) {
		const struct mr_account_rule *r = &account->rules[i];
		bool holds = !r->none && r->source.kind == MR_SOURCE_ANY;

		if (r->family != MR_FAMILY_NONE && r->family != family)
			continue;
		if (!r->none && r->source.kind == MR_SOURCE_SET)
			holds = a && mr_set_find(&x->policy->sets[r->source.set].set, a, NULL, NULL,
						 NULL);
		each(r, NULL, holds, userdata);
	}
}

static void walk_index(const struct mr_account_index *x, const char *name, enum mr_family family,
		       const struct mr_addr *a, mr_account_each_fn each, void *userdata)
{
	size_t low = 0, high = x->n;

	while (low < high) { /* the first that is not before it: FRED and fred may both stand */
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(x->account[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < x->n && strcasecmp(x->account[low]->name, name) == 0; low++)
		walk_account(x, x->account[low], family, a, each, userdata);
}

void mr_account_index_count(const struct mr_account_index *x, const char *name,
			    enum mr_family family, const struct mr_addr *a,
			    struct mr_account_tally *t)
{
	walk_index(x, name, family, a, tally, t);
}

void mr_account_walk(const struct mr_account_index *x, const struct mr_limits *l, const char *name,
		     enum mr_family family, const struct mr_addr *a, mr_account_each_fn each,
		     void *userdata)
{
	if (x)
		walk_index(x, name, family, a, each, userdata);
	if (l)
		walk_limits(l, family, a, each, userdata);
}
