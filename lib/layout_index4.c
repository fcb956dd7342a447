// SPDX-License-Identifier: BSD-2-Clause
/*
 * layout_index4.c - the IPv4 index and the host table (abi.h has their shape).
 *
 * The kernel's trie walks a node for each bit at which prefixes part, each a cache miss: 1.4 us a
 * lookup among a million.  But nearly all that lists hold is a /24 or wider, or a single address.
 * One byte for each /24 answers the first at once; the single addresses of the other /24s lie in
 * buckets of one cache line, found by hashing.  Tools that make lists merge neighbours, so a short
 * run of addresses, /29 to /31, is taken for its addresses.  Whatever fits neither shape is left to
 * the trie:
 *
 *   - a /24 whose narrow prefixes hold more than eight addresses each, on average;
 *   - a /24 or wider of a class that is not among the top classes (those that most /24s have);
 *   - the hosts of a /24 one of which found no room in its bucket or the three behind it.
 *
 * Invariant: the trie holds, of the flattened list, every narrow prefix of a /24 whose byte says
 * "ask the trie", and the longest wide prefix around each /24 that may ask it.  Whatever else it
 * holds is wider than that, so the longest match of such an address is the one of the whole list.
 * A miss means the root's class.
 *
 * A byte a /24 is 16 MiB, and most lookups then miss every cache.  But one list and one verdict
 * need four codes only (root, listed, hosts within the root, ask the trie), and most policies no
 * more than sixteen: two or four bits hold the place of a code in a small table, and the index is 4
 * or 8 MiB.
 *
 * And a /16 that one cache line can tell whole needs neither codes nor hosts: layout_lines4.c.
 * What is said here is said of the others.
 *
 * Filled by plain writes in ascending order; zeroes stay untouched, so the class of the root is
 * number 0 of the top, and code 0 has place 0.  Called by mr_layout_plan() and by whoever fills a
 * generation.
 */
#include "layout_private.h"

#define HOSTS_PER_BUCKET 6 /* on average, of MR_HOST_WAYS: 4 in 100 buckets overflow */
/* Addresses a prefix may stand for in the host table, on average of a /24: they take 85 bytes, a
 * prefix in the trie takes about as much. */
#define HOSTS_PER_PREFIX 8

struct index4 {
	const struct mr_image *image;
	struct mr_layout *layout;
	struct layout_state *state;
	/* plan: /24s by class, whole and with hosts */
	uint32_t *whole, *with_hosts;
	uint32_t *narrow; /* narrow prefixes by class */
	size_t n_hosts;
	unsigned int codes; /* codes that may be written, so far */
	/* fill */
	struct mr_index_block *blocks;
	struct mr_host_bucket *buckets;
};

static uint16_t cover_class(const struct index4 *x, mr_layout_cover cover)
{
	return layout_class4(x->image, cover);
}

/* The addresses that the narrow prefixes of a /24 hold; 0 if they are too many for the host table.
 * Nested prefixes follow the one around them. */
static size_t hosts_in(const struct mr_image *i, size_t from, size_t to)
{
	size_t hosts = 0;
	uint32_t next = i->v4[from].addr;

	for (size_t n = from; n < to; n++) {
		uint32_t size = 1u << (32 - i->v4[n].plen);

		if (n > from && i->v4[n].addr - i->v4[from].addr < next - i->v4[from].addr)
			continue;
		hosts += size;
		next = i->v4[n].addr + size;
	}
	return hosts <= (to - from) * HOSTS_PER_PREFIX ? hosts : 0;
}

static void to_trie(struct index4 *x, mr_layout_cover cover, size_t from, size_t to)
{
	if (cover)
		layout_mark(x->state->trie4, cover - 1, &x->layout->trie4);
	for (size_t n = from; n < to; n++)
		layout_mark(x->state->trie4, n, &x->layout->trie4);
}

/* --- first walk: which classes cover most ----------------------------------------------------- */

static void count_range(void *userdata, uint64_t first, uint64_t last, mr_layout_cover cover)
{
	struct index4 *x = userdata;

	x->whole[cover_class(x, cover)] += (uint32_t)(last - first + 1);
}

static void count_cell(void *userdata, uint64_t net _unused_, mr_layout_cover cover, size_t from,
		       size_t to)
{
	struct index4 *x = userdata;

	if (hosts_in(x->image, from, to))
		x->with_hosts[cover_class(x, cover)]++;
	for (size_t n = from; n < to; n++)
		x->narrow[x->image->v4[n].class]++;
}

struct counted {
	uint32_t count;
	uint16_t class;
};

static int more_first(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return x->class < y->class ? -1 : x->class > y->class;
}

static void add_code(struct index4 *x, unsigned int code)
{
	if (x->codes < MR_INDEX_PACKED) {
		x->layout->index_code[x->codes] = (uint8_t)code;
		x->state->place[code] = (uint8_t)x->codes;
	}
	x->codes++;
}

/* Gives the codes first..end - 1 to the classes with the highest counts. */
static int choose(struct index4 *x, const uint32_t *count, uint8_t *code, unsigned int first,
		  unsigned int end)
{
	size_t classes = x->image->classes, n = 0;
	_free_ struct counted *list = malloc(classes * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t c = 0; c < classes; c++)
		if (count[c])
			list[n++] = (struct counted){ count[c], (uint16_t)c };
	qsort(list, n, sizeof(*list), more_first);
	for (size_t k = 0; k < n && first < end; k++, first++) {
		code[list[k].class] = (uint8_t)first;
		x->layout->top4[first] = list[k].class;
		add_code(x, first);
	}
	return 0;
}

/* The fewest bits that hold every code that may be written. */
static void choose_pack(const struct index4 *x)
{
	unsigned int pack = MR_INDEX_PACK_MAX;

	while (pack && x->codes > 1u << MR_INDEX_BITS(pack))
		pack--;
	x->layout->index_pack = (uint8_t)pack;
}

static int choose_codes(struct index4 *x)
{
	uint16_t root = x->image->root4;
	int r;

	memset(x->state->whole, MR_INDEX_TRIE, sizeof(x->state->whole));
	memset(x->state->hosts, MR_INDEX_HOSTS_TRIE, sizeof(x->state->hosts));
	/* the byte of an untouched block */
	x->state->whole[root] = MR_INDEX_WHOLE;
	x->layout->top4[MR_INDEX_WHOLE] = root;
	x->whole[root] = 0;
	add_code(x, MR_INDEX_WHOLE);
	add_code(x, MR_INDEX_TRIE);
	r = choose(x, x->whole, x->state->whole, MR_INDEX_WHOLE + 1, MR_INDEX_HOSTS);
	if (r < 0)
		return r;
	r = choose(x, x->with_hosts, x->state->hosts, MR_INDEX_HOSTS, MR_INDEX_HOSTS_TRIE);
	if (r < 0)
		return r;
	/* "hosts, then the trie" exists only beside more classes than can be packed */
	choose_pack(x);
	return 0;
}

/* The class beside the root's that the lines know. */
static uint16_t choose_listed(const struct index4 *x)
{
	uint16_t root = x->image->root4, best = root;
	uint64_t most = 0;

	for (size_t c = 0; c < x->image->classes; c++) {
		uint64_t count = (uint64_t)x->whole[c] + x->narrow[c];

		if (c != root && count > most) {
			most = count;
			best = (uint16_t)c;
		}
	}
	return best;
}

/* --- second walk: what goes to the trie, how many hosts --------------------------------------- */

static void mark_range(void *userdata, uint64_t first _unused_, uint64_t last _unused_,
		       mr_layout_cover cover)
{
	struct index4 *x = userdata;

	if (x->state->whole[cover_class(x, cover)] == MR_INDEX_TRIE)
		to_trie(x, cover, 0, 0);
}

static void mark_cell(void *userdata, uint64_t net, mr_layout_cover cover, size_t from, size_t to)
{
	struct index4 *x = userdata;
	size_t hosts = hosts_in(x->image, from, to);

	if (layout_is_line(x->layout, (uint32_t)net))
		return;
	if (!hosts) {
		to_trie(x, cover, from, to);
		return;
	}
	x->n_hosts += hosts;
	if (x->state->hosts[cover_class(x, cover)] == MR_INDEX_HOSTS_TRIE)
		to_trie(x, cover, 0, 0);
}

int mr_layout_index4_plan(const struct mr_image *i, struct mr_layout *l)
{
	_free_ uint32_t *whole = calloc(i->classes, sizeof(*whole));
	_free_ uint32_t *with_hosts = calloc(i->classes, sizeof(*with_hosts));
	_free_ uint32_t *narrow = calloc(i->classes, sizeof(*narrow));
	struct index4 x = { .image = i,
			    .layout = l,
			    .state = l->state,
			    .whole = whole,
			    .with_hosts = with_hosts,
			    .narrow = narrow };
	int r;

	if (!whole || !with_hosts || !narrow)
		return -ENOMEM;
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .range = count_range, .cell = count_cell, .userdata = &x });
	mr_layout_lines4_plan(i, choose_listed(&x), l);
	if (mr_layout_near4_plan(i, l)) {
		l->flags |= MR_GEN_NEAR4;
		l->near4 = &x.state->near4;
		return 0;
	}
	r = choose_codes(&x);
	if (r < 0)
		return r;
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .range = mark_range, .cell = mark_cell, .userdata = &x });
	l->flags |= MR_GEN_INDEX4;
	l->host_buckets = (x.n_hosts + HOSTS_PER_BUCKET - 1) / HOSTS_PER_BUCKET;
	if (x.n_hosts)
		l->flags |= MR_GEN_HOSTS;
	return 0;
}

/* --- third walk: fill ------------------------------------------------------------------------- */

static bool put_host(struct index4 *x, uint32_t addr, uint16_t class)
{
	size_t n = x->layout->host_buckets;
	size_t at = MR_HOST_BUCKET(addr, n);

	for (unsigned int probe = 0; probe < MR_HOST_PROBES; probe++) {
		struct mr_host_bucket *b = &x->buckets[at];

		if (b->used < MR_HOST_WAYS) {
			b->addr[b->used] = addr;
			b->class[b->used] = class;
			b->used++;
			return true;
		}
		b->more = 1;
		if (++at == n)
			at = 0;
	}
	return false;
}

/* One /24; what was there is zero. */
static void put_code(struct index4 *x, uint32_t net, uint8_t place)
{
	unsigned int pack = x->layout->index_pack;
	uint8_t *code = x->blocks->code; /* and on, through all blocks */

	code[net >> pack] |= (uint8_t)(place << MR_INDEX_SHIFT(net, pack));
}

static void put_codes(struct index4 *x, uint32_t first, uint32_t last, uint8_t code)
{
	unsigned int pack = x->layout->index_pack, in_byte = 1u << pack;
	uint8_t place = pack ? x->state->place[code] : code, byte = 0;

	if (!x->blocks) /* of lines in the head, which are for all */
		return;
	for (unsigned int k = 0; k < in_byte; k++)
		byte |= (uint8_t)(place << k * MR_INDEX_BITS(pack));
	for (; first <= last && first % in_byte; first++)
		put_code(x, first, place);
	if (first + in_byte <= last + 1) {
		memset(x->blocks->code + (first >> pack), byte, (last + 1 - first) >> pack);
		first += (last + 1 - first) & ~(in_byte - 1);
	}
	for (; first <= last; first++)
		put_code(x, first, place);
}

/* The line of the /16 around a /24, or NULL. */
static struct mr_index_line *line_of(const struct index4 *x, uint32_t net)
{
	if (x->layout->flags & MR_GEN_NEAR4)
		return &x->state->near4.line[x->state->near4.of[net >> 8]];
	if (!layout_is_line(x->layout, net))
		return NULL;
	return &x->blocks[MR_INDEX_BLOCK(net & ~255u, x->layout->index_pack)].line;
}

static void fill_range(void *userdata, uint64_t first, uint64_t last, mr_layout_cover cover)
{
	struct index4 *x = userdata;
	uint8_t code = x->state->whole[cover_class(x, cover)];
	uint32_t net = (uint32_t)first, end;

	if (cover_class(x, cover) == x->image->root4)
		return;
	for (; net <= last; net = end + 1) {
		struct mr_index_line *line = line_of(x, net);

		end = (net | 255) < last ? net | 255 : (uint32_t)last;
		if (line)
			mr_layout_line4_range(line, net & 255, end & 255);
		else
			put_codes(x, net, end, code);
	}
}

/* Every address that the prefixes from..to - 1 hold, with the class of its longest.  False: one
 * found no room. */
static bool put_hosts(struct index4 *x, size_t from, size_t to)
{
	struct layout_cell4 cell;

	layout_cell4(x->image, from, to, &cell);
	for (size_t n = 0; n < cell.n; n++)
		if (!put_host(x, (x->image->v4[from].addr & ~255u) | cell.last[n],
			      cell.class[cell.last[n]]))
			return false;
	return true;
}

static void fill_cell(void *userdata, uint64_t net, mr_layout_cover cover, size_t from, size_t to)
{
	struct index4 *x = userdata;
	struct mr_index_line *line = line_of(x, (uint32_t)net);
	uint8_t code = MR_INDEX_TRIE;

	if (line) {
		mr_layout_line4_cell(x->image, line, (uint32_t)net, cover_class(x, cover), from,
				     to);
		return;
	}
	if (hosts_in(x->image, from, to)) {
		if (put_hosts(x, from, to))
			code = x->state->hosts[cover_class(x, cover)];
		else /* those put in before are not asked for and do no harm */
			to_trie(x, cover, from, to);
	}
	put_codes(x, (uint32_t)net, (uint32_t)net, code);
}

int mr_layout_index4(const struct mr_image *i, struct mr_layout *l, struct mr_index_block *blocks,
		     struct mr_host_bucket *buckets)
{
	struct index4 x = {
		.image = i, .layout = l, .state = l->state, .blocks = blocks, .buckets = buckets
	};

	if (!(l->flags & (MR_GEN_INDEX4 | MR_GEN_NEAR4)))
		return -EINVAL;
	mr_layout_walk(&(struct mr_layout_walk){
		.image = i, .range = fill_range, .cell = fill_cell, .userdata = &x });
	if (l->trie4)
		l->flags |= MR_GEN_TRIE4;
	return 0;
}
