/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image.h - what a whole policy compiles to: the contents of the maps.
 *
 * mr_image_compile() flattens the ordered lists into prefixes with classes (essay in image.c);
 * mr_layout_*() turn those into the structures of abi.h, writing to memory the caller owns: mapped
 * map memory in the daemon, the heap in tests.
 */
#ifndef MAILREEVE_IMAGE_H
#define MAILREEVE_IMAGE_H

#include <mailreeve/host.h>
#include <mailreeve/policy.h>

struct mr_flat4 {
	uint32_t addr; /* host order */
	uint16_t class;
	uint8_t plen;
	uint8_t pad;
};
struct mr_flat6 {
	uint64_t hi, lo;
	uint16_t class;
	uint8_t plen;
	uint8_t pad[5];
};
struct mr_image {
	size_t columns; /* services that are not off */
	const struct mr_service *service[MR_SERVICES_MAX]; /* by column, borrowed from the policy */
	uint64_t *cells; /* classes * columns */
	size_t classes;
	struct mr_flat4 *v4; /* ascending by (addr, plen); no entry repeats its parent's class */
	struct mr_flat6 *v6;
	size_t n4, n6;
	uint16_t root4, root6; /* class of an address under no prefix */
	uint8_t *reachable; /* by rule number: MR_RULE_ */
};
/* What the compiler found of a rule (image_reach.c has the definition). */
#define MR_RULE_NEVER	0 /* earlier rules of its list cover every address it could match */
#define MR_RULE_MATCHES 1
#define MR_RULE_EMPTY	2 /* its source holds no address at present: an empty list, no gateway */

int mr_image_compile(const struct mr_policy *p, const struct mr_host *host, struct mr_image **out,
		     struct mr_error *e);
void mr_image_free(struct mr_image *i);
MR_DEFINE_CLEANUP(struct mr_image *, mr_image_free)

/* The class of an address by the flattened list (binary search; tests and `why`). */
uint16_t mr_image_class(const struct mr_image *i, const struct mr_addr *a);
static inline uint16_t mr_image_outcome(const struct mr_image *i, uint16_t class, size_t column,
					bool permitted, bool banned)
{
	return (uint16_t)(i->cells[(size_t) class * i->columns + column] >>
			  MR_CELL_SHIFT(permitted, banned));
}

/*
 * The layout of one image: which structures it uses and how big they are, decided first (`plan`),
 * so that maps can be created to size; then each is filled.
 */
struct mr_layout {
	uint32_t flags; /* MR_GEN_ */
	size_t host_buckets, host6_buckets, tree6_nodes, tree6_depth;
	size_t tree6_values; /* in u32: a multiple of MR_TREE6_VALUES */
	size_t trie4, trie6; /* entries that go to the tries */
	uint16_t top4[256];
	uint8_t index_pack; /* as in struct mr_gen */
	uint8_t index_code[MR_INDEX_PACKED];
	uint16_t line4[2]; /* as in struct mr_gen */
	uint8_t lines4[MR_LINES / 8];
	const struct mr_near4 *near4; /* if MR_GEN_NEAR4; lives as long as the layout */
	void *state; /* private to layout.c */
};
/* index: MR_INDEX_OFF means the tries alone, for both families. */
int mr_layout_plan(const struct mr_image *i, enum mr_index_mode mode, struct mr_layout *out);
void mr_layout_clear(struct mr_layout *l);
/* blocks: MR_INDEX_BLOCKS >> l->index_pack, zeroed; buckets: l->host_buckets, zeroed.  May move
 * hosts to the trie: call before mr_layout_trie4, and before trusting l->trie4. */
int mr_layout_index4(const struct mr_image *i, struct mr_layout *l, struct mr_index_block *blocks,
		     struct mr_host_bucket *buckets);
/* buckets: l->host6_buckets, zeroed.  As above: call before mr_layout_trie6. */
int mr_layout_tree6(const struct mr_image *i, struct mr_layout *l, struct mr_tree6_node *nodes,
		    uint32_t *values, struct mr_host6_bucket *buckets);
/* Keys and classes for a bulk update, l->trie4 and l->trie6 elements. */
int mr_layout_trie4(const struct mr_image *i, const struct mr_layout *l, struct mr_trie4_key *keys,
		    uint32_t *classes);
int mr_layout_trie6(const struct mr_image *i, const struct mr_layout *l, struct mr_trie6_key *keys,
		    uint32_t *classes);

#endif
