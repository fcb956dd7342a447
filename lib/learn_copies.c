// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_copies.c - attempts of a server that may write each of them twice (learn.h).
 *
 * Exim writes a failure to its main and to its reject log, with one stamp and the same words: two
 * files, or twice the same syslog, unless `syslog_duplication` is off.  So lines that tell the same
 * of the same second are counted for each source by itself, halved where the source doubles, and
 * the source that has seen most is believed.  Whether a source doubles is learned: where it does,
 * lines that stand alone come in even numbers.
 *
 * Called by learn_ban.c.  Where memory for sources or lines was pushed out a copy counts again.
 */
#include "learn_private.h"

#define LATE_NS	     (900 * MR_NS_PER_S) /* the other source may be read so much later */
#define SOURCE_NS    (86400 * MR_NS_PER_S) /* what is known of a source is kept so long */
#define SCORE_MAX    8 /* of evidence that a source doubles; from the middle on it is believed */
#define SCORE_LIKELY 6 /* at first, two odd numbers from being no more believed, … */
#define SCORE_RARELY 0 /* … or five even ones from being believed */

/* What a line says, and when, but for its text: what of it the client chose is the user. */
struct what {
	uint64_t user, second, source, kind;
	uint8_t addr[16];
};

/* of a source: a = lines of the last thing told, b = score, first = (second, hash) of it */
static bool doubles(struct mr_learner *l, const struct mr_event *e, const struct what *w)
{
	uint64_t source = w->source, hash;
	struct mr_learn_item *r;

	r = mr_learn_record(l, MR_MEMORY_SOURCE, &source, sizeof(source), true);
	hash = mr_learn_table_hash(l->attempts, w, sizeof(*w));
	if (r->a == 0)
		r->b = e->twice == MR_TWICE_HERE ? SCORE_LIKELY : SCORE_RARELY;
	if (r->first.what == hash) {
		r->a += e->count;
	} else {
		/* lines of two seconds that meet may be one thing, cut in two */
		bool alone = w->second > r->first.at + 1;

		if (alone && !r->tag && r->a)
			r->b = r->a % 2 == 0 ? r->b + (r->b < SCORE_MAX) : r->b - (r->b > 0);
		r->tag = !alone;
		r->first = (struct mr_learn_mark){ .at = w->second, .what = hash };
		r->a = e->count;
	}
	mr_learn_table_keep(r, l->now + SOURCE_NS);
	return r->b > SCORE_MAX / 2;
}

uint32_t mr_learn_copies(struct mr_learner *l, const struct mr_event *e, uint64_t at)
{
	struct what w = { .user = mr_learn_user(l, e->user),
			  .second = e->time_us ? e->time_us / MR_US_PER_S : at / MR_NS_PER_S,
			  .source = e->source,
			  .kind = e->kind };
	struct mr_learn_item *r;
	uint64_t told, before;
	bool halve;

	memcpy(w.addr, e->addr.b, sizeof(w.addr));
	halve = doubles(l, e, &w);
	r = mr_learn_record(l, MR_MEMORY_COPIES, &w, sizeof(w), true);
	r->a += e->count;
	told = halve ? (r->a + 1) / 2 : r->a;
	mr_learn_table_keep(r, l->now + LATE_NS);
	w.source = 0;
	r = mr_learn_record(l, MR_MEMORY_TOLD, &w, sizeof(w), true);
	mr_learn_table_keep(r, l->now + LATE_NS);
	before = r->a;
	if (told <= before)
		return 0;
	r->a = told;
	return (uint32_t)(told - before);
}
