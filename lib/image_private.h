/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * image_private.h - what the files of the compiler share (image.c has the essay).
 *
 * image.c drives, image_list.c reads the rules, image_row.c makes vectors, rows and classes (each
 * kept once by image_intern.c), image_sweep.c walks the prefixes, image_reach.c finds the rules
 * that can never match.
 */
#ifndef MAILREEVE_IMAGE_PRIVATE_H
#define MAILREEVE_IMAGE_PRIVATE_H

#include <mailreeve/image.h>

#define ANSWERS	  4 /* of (permitted, banned), as 2 * permitted + banned */
#define LISTS_MAX (MR_SERVICES_MAX + 1) /* the services', and `global` behind them */

/* Rows of `words` 64-bit words, each kept once: row contents to a number from 0. */
struct intern {
	uint64_t *data;
	uint32_t *table; /* number + 1, 0 = free; open addressing */
	size_t words, n, allocated, slots;
};
int mr_image_intern_init(struct intern *t, size_t words);
int mr_image_intern_add(struct intern *t, const uint64_t *row, uint32_t *number);
void mr_image_intern_clear(struct intern *t);
static inline const void *intern_row(const struct intern *t, uint32_t number)
{
	return t->data + (size_t)number * t->words;
}

/* One rule that names an address source. */
struct use {
	uint16_t list; /* column, or build.columns for `global` */
	uint16_t pos; /* of the rule in its list */
};
struct source {
	const struct mr_set *set;
	uint32_t use, n_uses; /* in build.uses: rules that decide at the packet layer */
	uint32_t limited,
		n_limited; /* in build.limited: refusals that only a login can make apply */
};

/* One ordered list of rules: a service's, or `global`. */
struct list {
	const struct mr_rule *rules;
	uint16_t n;
	bool asks_global;
	uint16_t end; /* the outcome of an address that no rule holds */
	/* First position, for each answer, of a rule that holds every address: at the packet layer,
	 * and among the rules after which the login layer reads no further. */
	uint16_t packet[ANSWERS], login[ANSWERS];
};

struct vector_info {
	uint16_t class;
	bool live; /* some address has it */
};

struct build {
	const struct mr_policy *policy;
	const struct mr_host *host;
	struct mr_image *image;
	struct mr_error *error;
	size_t columns;
	struct list list[LISTS_MAX];

	struct source *source;
	size_t n_sources;
	uint32_t *set_source; /* index of a policy's set -> source + 1 */
	uint32_t host_source[MR_SOURCE_LOOPBACK + 1]; /* kind -> source + 1 */
	struct use *uses, *limited;

	/* Vectors, the steps between them, and the rows they give: image_row.c. */
	struct intern vectors;
	struct vector_info *info; /* by vector */
	size_t n_info, info_allocated;
	struct intern steps; /* vector << 16 | source */
	uint32_t *step_to; /* by step: the vector it leads to */
	size_t n_step_to, step_allocated;
	bool stepped;
	uint64_t last_step; /* the step taken last, and where it led */
	uint32_t last_to;
	struct intern rows;

	uint8_t *reachable; /* by rule number */
	uint16_t *held; /* limited sources that hold the place of the sweep */
	size_t n_held, held_allocated;
};

/* image_list.c */
int mr_image_lists(struct build *b);
/* The set behind an address source; NULL if the kind has none, or nothing is known of the host. */

/* image_row.c */
int mr_image_root(struct build *b, uint32_t *vector); /* of an address in no source */
int mr_image_step(struct build *b, uint32_t vector, uint16_t source, uint32_t *to);

/* image_sweep.c */
int mr_image_sweep(struct build *b, bool six, uint16_t *root);

/* image_reach.c */
int mr_image_reach_hold(struct build *b, uint16_t source);
void mr_image_reach_held(struct build *b, uint32_t vector);
void mr_image_reach_finish(struct build *b);

/* To the packet layer such a rule is not there. */
static inline bool rule_passed_over(const struct mr_rule *r)
{
	return r->action != MR_ALLOW && (r->users || r->source.kind == MR_SOURCE_NAME);
}
static inline const uint16_t *build_vector(const struct build *b, uint32_t vector)
{
	return intern_row(&b->vectors, vector);
}
static inline uint16_t earlier(uint16_t a, uint16_t b)
{
	return a < b ? a : b;
}
static inline uint16_t list_outcome(const struct list *l, uint16_t pos)
{
	return pos < l->n ? MR_OUTCOME(l->rules[pos].number, l->rules[pos].action) : l->end;
}

#endif
