// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_row.c - from the sources that hold an address to its class.
 *
 * All that matters of a set of sources is its vector: for each list the first position of a rule
 * that names one of them.  Adding a source is a minimum, place by place; the vector of a nested
 * prefix is its parent's with its own sources added.  Vectors are kept once, steps from vector to
 * vector are remembered, so that a million prefixes of one list cost a comparison each.  A vector
 * gives a row, equal rows are one class.
 *
 * Called by the sweep.  Fails with -ENOMEM, and with a message where the classes run out.
 */
#include "image_private.h"

static size_t vector_words(const struct build *b)
{
	return (b->columns + 1 + 3) / 4; /* four 16-bit positions to a word */
}

static uint64_t row_cell(const struct build *b, const uint16_t *vector, size_t column)
{
	const struct list *l = &b->list[column], *global = &b->list[b->columns];
	uint64_t cell = 0;

	for (unsigned int a = 0; a < ANSWERS; a++) {
		uint16_t o = list_outcome(l, earlier(vector[column], l->packet[a]));

		if (l->asks_global && MR_OUTCOME_ACTION(o) == MR_ALLOW) {
			uint16_t g = earlier(vector[b->columns], global->packet[a]);

			if (g < global->n && global->rules[g].action != MR_ALLOW)
				o = list_outcome(global, g);
		}
		cell |= (uint64_t)o << (16 * a);
	}
	return cell;
}

static int vector_class(struct build *b, const uint16_t *vector, uint16_t *class)
{
	uint64_t row[MR_SERVICES_MAX];
	uint32_t number;
	int r;

	for (size_t c = 0; c < b->columns; c++)
		row[c] = row_cell(b, vector, c);
	r = mr_image_intern_add(&b->rows, row, &number);
	if (r < 0)
		return r;
	if (number >= MR_CLASSES_MAX)
		return mr_error(b->error, -E2BIG,
				"the policy needs more than %d classes: so many combinations of "
				"rules over %zu services meet some address. Put lists that are "
				"treated alike into one set, and name it in one rule",
				MR_CLASSES_MAX, b->columns);
	*class = (uint16_t)number;
	return 0;
}

/* The number of a vector; a new one gets its class. */
static int vector_number(struct build *b, const uint64_t *words, uint32_t *number)
{
	uint32_t v;
	int r;

	r = mr_image_intern_add(&b->vectors, words, &v);
	if (r < 0)
		return r;
	if (v >= b->n_info) {
		struct vector_info info = { 0 };

		r = vector_class(b, build_vector(b, v), &info.class);
		if (r == 0)
			r = mr_grow(&b->info, &b->info_allocated, v, sizeof(info));
		if (r < 0)
			return r;
		b->info[v] = info;
		b->n_info++;
	}
	*number = v;
	return 0;
}

int mr_image_root(struct build *b, uint32_t *vector)
{
	union {
		uint64_t words[(LISTS_MAX + 3) / 4];
		uint16_t pos[(LISTS_MAX + 3) / 4 * 4];
	} v = { 0 };
	int r = 0;

	if (!b->vectors.table)
		r = mr_image_intern_init(&b->vectors, vector_words(b));
	if (r == 0 && !b->rows.table)
		r = mr_image_intern_init(&b->rows, b->columns);
	if (r == 0 && !b->steps.table)
		r = mr_image_intern_init(&b->steps, 1);
	if (r < 0)
		return r;
	for (size_t c = 0; c <= b->columns; c++)
		v.pos[c] = b->list[c].n;
	return vector_number(b, v.words, vector);
}

/* A step that was not taken before. */
static int new_step(struct build *b, uint32_t vector, uint16_t source, uint32_t *to)
{
	const struct source *s = &b->source[source];
	union {
		uint64_t words[(LISTS_MAX + 3) / 4];
		uint16_t pos[(LISTS_MAX + 3) / 4 * 4];
	} v;

	memcpy(v.words, build_vector(b, vector), vector_words(b) * sizeof(v.words[0]));
	for (uint32_t i = 0; i < s->n_uses; i++) {
		const struct use *u = &b->uses[s->use + i];

		v.pos[u->list] = earlier(v.pos[u->list], u->pos);
	}
	return vector_number(b, v.words, to);
}

int mr_image_step(struct build *b, uint32_t vector, uint16_t source, uint32_t *to)
{
	uint64_t step = (uint64_t)vector << 16 | source;
	uint32_t number;
	int r;

	if (b->stepped && step == b->last_step) {
		*to = b->last_to;
		return 0;
	}
	r = mr_image_intern_add(&b->steps, &step, &number);
	if (r < 0)
		return r;
	if (number >= b->n_step_to) {
		uint32_t v;

		r = new_step(b, vector, source, &v);
		if (r == 0)
			r = mr_grow(&b->step_to, &b->step_allocated, number, sizeof(v));
		if (r < 0)
			return r;
		b->step_to[number] = v;
		b->n_step_to++;
	}
	b->stepped = true;
	b->last_step = step;
	b->last_to = *to = b->step_to[number];
	return 0;
}
