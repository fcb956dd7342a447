// SPDX-License-Identifier: BSD-2-Clause
/*
 * book_parts.c - what becomes of an entry that is given twice: a permit by hand and a learned one
 * for other services are two parts of one entry (entry.h).
 *
 * The kernel has one value for an address, with one end.  It names the services of both parts until
 * the first of them ends, so no service is ever open beyond its own end, daemon or no daemon; then
 * the sweep puts the other part there.  A part that the other outlasts for all of its services is
 * no part.  Bans are always of one part: their safe side is the later end.
 *
 * Called by entry.c and book_rekey.c.  Never calls back, never fails.
 */
#include "book_private.h"

static size_t slot(const struct mr_entry_table *t, const struct mr_entry *v)
{
	return t->splits_items && v->origin == MR_ORIGIN_HAND ? MR_PART_HAND : MR_PART_LEARNED;
}

void mr_book_parts_of(const struct mr_entry_table *t, const struct mr_entry_item *i,
		      struct mr_parts *out)
{
	const struct mr_entry *part = mr_entry_table_parts(t, i);
	size_t one = slot(t, &i->v);

	*out = (struct mr_parts){ 0 };
	for (size_t n = 0; n < MR_ENTRY_PARTS; n++) {
		out->has[n] = part || n == one;
		if (out->has[n])
			out->part[n] = part ? part[n] : i->v;
		out->part[n].part &= MR_ENTRY_MORE - 1;
	}
}

/* What stands and what comes, as one.  By hand the last word counts, else the later end. */
static struct mr_entry merged(const struct mr_entry *old, const struct mr_entry *v)
{
	struct mr_entry m = *v;

	m.services |= old->services;
	if (old->plen < m.plen)
		m.plen = old->plen; /* same key, wider cover: never narrowed in passing */
	if (v->origin != MR_ORIGIN_HAND && old->expires > v->expires) {
		m.expires = old->expires;
		m.origin = old->origin;
	}
	if (!m.user)
		m.user = old->user;
	return m;
}

void mr_book_parts_add(const struct mr_entry_table *t, struct mr_parts *p, const struct mr_entry *v,
		       uint64_t now)
{
	struct mr_entry *learned = &p->part[MR_PART_LEARNED];
	size_t to = slot(t, v);

	for (size_t n = 0; n < MR_ENTRY_PARTS; n++)
		p->has[n] &= p->part[n].expires > now;
	p->part[to] = p->has[to] ? merged(&p->part[to], v) : *v;
	p->has[to] = true;
	if (to == MR_PART_LEARNED || !p->has[MR_PART_LEARNED])
		return;
	learned->services &= ~v->services;
	if (learned->services)
		return;
	p->has[MR_PART_LEARNED] = false;
	if (!p->part[to].user)
		p->part[to].user = learned->user;
}

void mr_book_parts_join(struct mr_parts *p, const struct mr_parts *other, uint64_t now)
{
	for (size_t n = 0; n < MR_ENTRY_PARTS; n++) {
		const struct mr_entry *o = &other->part[n];
		struct mr_entry *v = &p->part[n];

		if (!other->has[n] || o->expires <= now)
			continue;
		if (!p->has[n] || v->expires <= now) {
			*v = *o;
			p->has[n] = true;
			continue;
		}
		v->services |= o->services;
		if (o->expires > v->expires)
			v->expires = o->expires;
		if (o->plen < v->plen)
			v->plen = o->plen;
	}
}

size_t mr_book_parts_last_of(const struct mr_entry part[static MR_ENTRY_PARTS])
{
	return part[MR_PART_HAND].expires >= part[MR_PART_LEARNED].expires ? MR_PART_HAND
									   : MR_PART_LEARNED;
}

bool mr_book_parts_value(struct mr_parts *p, struct mr_entry *v)
{
	size_t last = mr_book_parts_last_of(p->part);
	struct mr_entry *near = &p->part[!last], *far = &p->part[last];

	if (!p->has[last] || !p->has[!last]) {
		*v = p->has[last] ? *far : *near;
		return false;
	}
	if (near->plen > far->plen)
		near->plen = far->plen;
	far->plen = near->plen;
	if (!(near->services & ~far->services)) {
		p->has[!last] = false;
		if (!far->user)
			far->user = near->user;
		*v = *far;
		return false;
	}
	*v = *near;
	v->services |= far->services;
	v->part = (uint16_t)(far->part | MR_ENTRY_MORE);
	return true;
}

const struct mr_entry *mr_book_parts_last(const struct mr_entry_table *t,
					  const struct mr_entry_item *i)
{
	const struct mr_entry *part = mr_entry_table_parts(t, i);

	return part ? &part[mr_book_parts_last_of(part)] : &i->v;
}

void mr_book_parts_set(struct mr_entry_table *t, struct mr_entry_item *i, const struct mr_parts *p,
		       const struct mr_entry *v, bool two)
{
	if (two)
		mr_entry_table_split(t, i, v, p->part, MR_BOOK_LEAD);
	else
		mr_entry_table_set(t, i, v);
}

size_t mr_book_parts(const struct mr_book *b, enum mr_entry_kind kind, const struct mr_entry_key *k,
		     struct mr_entry out[static MR_BOOK_PARTS])
{
	const struct mr_entry_item *i = mr_entry_table_find(&b->table[kind], k);
	struct mr_parts p = { 0 };
	size_t n = 0;

	if (i)
		mr_book_parts_of(&b->table[kind], i, &p);
	for (size_t x = 0; x < MR_ENTRY_PARTS; x++)
		if (p.has[x])
			out[n++] = p.part[x];
	return n;
}
