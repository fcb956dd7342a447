/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout_private.h - what the files of the layout share.
 *
 * Both families are cut into cells, the IPv4 /24s and the IPv6 /64s.  Wide prefixes cover whole
 * cells; narrow ones lie within one.
 */
#ifndef MAILREEVE_LAYOUT_PRIVATE_H
#define MAILREEVE_LAYOUT_PRIVATE_H

#include <mailreeve/image.h>

/* An entry of the image's list by its index + 1; 0 is the root. */
typedef size_t mr_layout_cover;

/*
 * Goes over the whole space in ascending order: `range` for cells without narrow prefixes that have
 * the same longest prefix around them, `cell` for one with, namely the entries from..to - 1.
 */
struct mr_layout_walk {
	const struct mr_image *image;
	bool six;
	void (*range)(void *userdata, uint64_t first, uint64_t last, mr_layout_cover cover);
	void (*cell)(void *userdata, uint64_t cell, mr_layout_cover cover, size_t from, size_t to);
	void *userdata;
};
void mr_layout_walk(const struct mr_layout_walk *w);

struct layout_state {
	uint8_t *trie4, *trie6; /* bit by entry of the image: it goes to the trie */
	/* index codes by class: for whole /24s, and for those with hosts */
	uint8_t whole[MR_CLASSES_MAX], hosts[MR_CLASSES_MAX];
	struct mr_near4 near4;
	uint8_t place[256]; /* by index code: its place in the layout's index_code */
};
static inline bool layout_marked(const uint8_t *bits, size_t entry)
{
	return bits[entry / 8] >> entry % 8 & 1;
}
static inline void layout_mark(uint8_t *bits, size_t entry, size_t *count)
{
	*count += !layout_marked(bits, entry);
	bits[entry / 8] |= (uint8_t)(1 << entry % 8);
}

/* net: address >> 8 */
static inline bool layout_is_line(const struct mr_layout *l, uint32_t net)
{
	return l->lines4[net >> 11] >> (net >> 8 & 7) & 1;
}
static inline uint16_t layout_class4(const struct mr_image *i, mr_layout_cover cover)
{
	return cover ? i->v4[cover - 1].class : i->root4;
}

/* The addresses that the narrow prefixes of a /24 hold, each with the class of its longest. */
struct layout_cell4 {
	size_t n;
	uint8_t last[256]; /* their last bytes, ascending */
	uint16_t class[256]; /* by the last byte */
};
void layout_cell4(const struct mr_image *i, size_t from, size_t to, struct layout_cell4 *out);

/* layout_lines4.c: which /16s are told by lines, for the class that most of the list has; and a
 * line's content.  first, last: the last byte of the /24s of one /16. */
void mr_layout_lines4_plan(const struct mr_image *i, uint16_t listed, struct mr_layout *l);
/* Whether the head has room for all lines; then state->near4 has their numbers, and no lines yet.
 */
bool mr_layout_near4_plan(const struct mr_image *i, struct mr_layout *l);
void mr_layout_line4_range(struct mr_index_line *line, uint32_t first, uint32_t last);
void mr_layout_line4_cell(const struct mr_image *i, struct mr_index_line *line, uint32_t net,
			  uint16_t cover, size_t from, size_t to);

int mr_layout_index4_plan(const struct mr_image *i, struct mr_layout *l);
int mr_layout_tree6_plan(const struct mr_image *i, struct mr_layout *l);

#endif
