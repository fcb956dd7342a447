// SPDX-License-Identifier: BSD-2-Clause
/*
 * account_cache.c - answers of a store, remembered (account.h).
 *
 * A hash of names with two lists by age of use, one for mailboxes with limits and one for names
 * without; each is bounded, and the one that was not asked for longest goes.  The hash is keyed:
 * the names come from strangers.  Pure logic with the clock handed in.  Called by the daemon.
 */
#include <mailreeve/account.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

struct entry {
	struct entry *chain; /* same bucket */
	struct entry *newer, *older;
	struct mr_limits limits;
	uint64_t until;
	uint64_t era; /* fresh only in its own */
	bool limited;
	char name[];
};
struct age_list {
	struct entry *newest, *oldest;
	size_t n, max;
};
struct mr_account_cache {
	struct entry **bucket;
	size_t buckets; /* a power of two */
	uint64_t seed[2];
	uint64_t era;
	struct age_list list[2]; /* by `limited` */
};

int mr_account_cache_new(size_t limited_max, size_t unlimited_max, struct mr_account_cache **out)
{
	struct mr_account_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->list[1].max = limited_max;
	c->list[0].max = unlimited_max;
	for (c->buckets = 64; c->buckets < limited_max + unlimited_max;)
		c->buckets *= 2;
	c->bucket = calloc(c->buckets, sizeof(struct entry *));
	if (!c->bucket || getrandom(c->seed, sizeof(c->seed), 0) != (ssize_t)sizeof(c->seed)) {
		free(c->bucket);
		free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

static uint64_t rotate(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

/* Multiplied and folded with a secret, byte by byte; ASCII case does not count. */
static struct entry **bucket_of(const struct mr_account_cache *c, const char *name)
{
	uint64_t h = c->seed[0];

	for (; *name; name++) {
		h ^= (uint64_t)tolower((unsigned char)*name);
		h = rotate(h * 0x9e3779b97f4a7c15ull, 29) ^ c->seed[1];
	}
	h ^= h >> 32;
	return &c->bucket[h & (c->buckets - 1)];
}

static void unlist(struct mr_account_cache *c, struct entry *e)
{
	struct age_list *l = &c->list[e->limited];

	*(e->newer ? &e->newer->older : &l->newest) = e->older;
	*(e->older ? &e->older->newer : &l->oldest) = e->newer;
	l->n--;
}

static void enlist(struct mr_account_cache *c, struct entry *e)
{
	struct age_list *l = &c->list[e->limited];

	e->newer = NULL;
	e->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = e;
	l->newest = e;
	l->n++;
}

static void drop(struct mr_account_cache *c, struct entry *e)
{
	struct entry **p = bucket_of(c, e->name);

	while (*p != e)
		p = &(*p)->chain;
	*p = e->chain;
	unlist(c, e);
	mr_limits_clear(&e->limits);
	free(e);
}

static struct entry *find(const struct mr_account_cache *c, const char *name)
{
	struct entry *e = *bucket_of(c, name);

	while (e && strcasecmp(e->name, name) != 0)
		e = e->chain;
	return e;
}

void mr_account_cache_free(struct mr_account_cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < 2; i++)
		while (c->list[i].oldest)
			drop(c, c->list[i].oldest);
	free(c->bucket);
	free(c);
}

const struct mr_limits *mr_account_cache_get(struct mr_account_cache *c, const char *name,
					     uint64_t now, bool *fresh)
{
	struct entry *e = find(c, name);

	if (!e)
		return NULL;
	unlist(c, e);
	enlist(c, e);
	*fresh = e->era == c->era && now < e->until;
	return &e->limits;
}

int mr_account_cache_put(struct mr_account_cache *c, const char *name, struct mr_limits *l,
			 uint64_t until)
{
	struct entry *e = find(c, name);
	struct age_list *list = &c->list[l->n > 0];
	size_t n = strlen(name) + 1;

	if (e)
		drop(c, e);
	e = malloc(sizeof(*e) + n);
	if (!e) {
		mr_limits_clear(l);
		return -ENOMEM;
	}
	if (list->n >= list->max && list->oldest)
		drop(c, list->oldest);
	*e = (struct entry){ .limits = *l, .until = until, .era = c->era, .limited = l->n > 0 };
	memcpy(e->name, name, n);
	*l = (struct mr_limits){ .v = NULL };
	e->chain = *bucket_of(c, name);
	*bucket_of(c, name) = e;
	enlist(c, e);
	return 0;
}

void mr_account_cache_expire(struct mr_account_cache *c)
{
	c->era++;
}

size_t mr_account_cache_count(const struct mr_account_cache *c)
{
	return c->list[0].n + c->list[1].n;
}
