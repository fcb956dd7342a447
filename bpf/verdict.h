/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verdict.h - what the policy and the timed entries say of one source at one service.
 *
 * Knows no packets.  One lookup gives the class, the class and the service give a cell, and a cell
 * holds the outcome for each answer to (permitted?, banned?).  An entry map is asked only where its
 * answer changes the action, and expiry is compared here, on every hit: a stale entry is dead even
 * if nobody sweeps it.
 */
#ifndef MR_BPF_VERDICT_H
#define MR_BPF_VERDICT_H

#include "lookup.h"

/* A source or destination: sixteen bytes as on the wire, IPv4 mapped. */
union mr_end {
	__u64 half[2];
	__be32 word[4];
};

static __always_inline void mr_end_from4(union mr_end *e, __be32 addr)
{
	e->half[0] = 0;
	e->word[2] = bpf_htonl(0xffff);
	e->word[3] = addr;
}

/* A cell that asks nothing more: the entries were asked, and this came out. */
#define MR_CELL_OF(outcome) ((outcome)*0x0001000100010001ULL)

struct mr_answer {
	__u16 outcome;
	__u8 permitted;
	__u8 banned;
};

/* Which entry under a key counts: that of the single address, that of a prefix, or either. */
enum { MR_COVER_EITHER, MR_COVER_PREFIX, MR_COVER_SINGLE };

static __always_inline int mr_entry_covers(void *map, const union mr_end *key, __u64 service,
					   const int cover)
{
	const struct mr_entry *e = bpf_map_lookup_elem(map, key);

	if (!e || !(e->services & service))
		return 0;
	if (cover != MR_COVER_EITHER && (e->plen < 128) != (cover == MR_COVER_PREFIX))
		return 0;
	return e->expires > bpf_ktime_get_boot_ns();
}

/*
 * Where the mask is narrower than an IPv6 address two entries may hold it: that of its prefix,
 * under the address cut, and one of its own.  They share a key where the host part is zero; the
 * length in the entry tells which it is.
 */
static __always_inline int mr_entry_holds(void *map, const union mr_end *source, int v6,
					  const __u64 mask[2], __u64 service)
{
	union mr_end key = *source;

	if (v6) {
		key.half[0] &= mask[0];
		key.half[1] &= mask[1];
	}
	if (key.half[0] == source->half[0] && key.half[1] == source->half[1])
		return mr_entry_covers(map, source, service, MR_COVER_EITHER);
	return mr_entry_covers(map, &key, service, MR_COVER_PREFIX) ||
	       mr_entry_covers(map, source, service, MR_COVER_SINGLE);
}

/* -1: a map of the slot is missing. */
static __always_inline int mr_cell(__u32 slot, const struct mr_gen *g, __u32 class, __u32 column,
				   __u64 *out)
{
	__u32 index = class * g->columns + column, key, at;
	const __u64 *cell;
	void *map;

	if (class == MR_CLASS_NONE)
		return -1;
	if (g->flags & MR_GEN_CELLS_NEAR) {
		*out = g->cell[index & (MR_CELLS_NEAR - 1)];
		return 0;
	}
	key = slot;
	at = index;
	map = bpf_map_lookup_elem(&cells, &key);
	if (!map)
		return -1;
	cell = bpf_map_lookup_elem(map, &at);
	if (!cell)
		return -1;
	*out = *cell;
	return 0;
}

/* What the cell says of this source.  `service` is the service's id. */
static __always_inline void mr_answer(__u32 slot, __u64 cell, __u32 service,
				      const union mr_end *source, int v6, struct mr_answer *out)
{
	const struct mr_gen *g = &state.gen[slot & 1];
	__u64 bit = 1ULL << (service & (MR_SERVICES_MAX - 1));

	out->permitted = state.permits_live && MR_CELL_ASKS_PERMIT(cell) &&
			 mr_entry_holds(&permits, source, v6, g->permit_mask6, bit);
	out->banned = state.bans_live && MR_CELL_ASKS_BAN(cell) &&
		      mr_entry_holds(&bans, source, v6, g->ban_mask6, bit);
	out->outcome = cell >> MR_CELL_SHIFT(out->permitted, out->banned);
}

/* Apart: few cells ask, and then a hash map takes most of the time. */
static __noinline __u32 mr_ask4(__u32 slot, __u64 cell, __u32 service, __be32 addr)
{
	struct mr_answer answer;
	union mr_end source;

	mr_end_from4(&source, addr);
	mr_answer(slot, cell, service, &source, 0, &answer);
	return answer.outcome;
}

/* The outcome alone, of an IPv4 source. */
static __always_inline __u32 mr_outcome4(__u32 slot, __u64 cell, __u32 service, __be32 addr)
{
	if ((state.permits_live && MR_CELL_ASKS_PERMIT(cell)) ||
	    (state.bans_live && MR_CELL_ASKS_BAN(cell)))
		return mr_ask4(slot, cell, service, addr);
	return cell & 0xffff;
}

#endif
