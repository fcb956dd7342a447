// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_saved.c - what of the learner's memory outlives the process: sessions that stand, and which
 * formats log their end.
 *
 * Records are saved by their keys, which are hashes: the secrets of the tables are part of what is
 * saved, and a learner that is restored goes on with them.  Numbers are as the machine has them:
 * nobody else reads them.  Who counts failures begins anew.
 *
 * mr_learner_save() writes to the stream that it is given, and cannot fail otherwise than the
 * stream does.  mr_learner_restore() wants a learner that has learned nothing; what does not fit
 * is -EBADMSG, and nothing is restored.  Called by the daemon.
 */
#include "learn_private.h"

#include <stdio.h>
#include <string.h>

struct saved_head {
	uint64_t earned[2], sessions[2]; /* secrets */
	uint32_t formats, n;
};
struct saved_format {
	uint64_t name, logs_out;
};
struct saved_session {
	uint64_t key[2], user, since; /* since: on the learner's clock, which begins at the boot */
	struct mr_learn_mark addr; /* in two halves */
	uint32_t open, keep, format, unused;
};

int mr_learner_save(const struct mr_learner *l, FILE *f)
{
	struct saved_head h = { .formats = (uint32_t)l->formats,
				.n = (uint32_t)mr_learn_table_count(l->sessions) };

	mr_learn_table_secret(l->earned, h.earned);
	mr_learn_table_secret(l->sessions, h.sessions);
	fwrite(&h, sizeof(h), 1, f);
	for (size_t i = 0; i < l->formats; i++)
		fwrite(&(struct saved_format){ l->format[i].name, l->format[i].logs_out },
		       sizeof(struct saved_format), 1, f);
	for (struct mr_learn_item *r = mr_learn_table_walk(l->sessions, NULL); r;
	     r = mr_learn_table_walk(l->sessions, r)) {
		struct saved_session s = { .key = { r->key[0], r->key[1] },
					   .user = r->a,
					   .since = r->b,
					   .addr = r->first,
					   .open = r->marks,
					   .keep = r->keep,
					   .format = r->tag };

		fwrite(&s, sizeof(s), 1, f);
	}
	return ferror(f) ? -EIO : 0;
}

static void restore_session(struct mr_learner *l, const struct saved_session *s)
{
	struct mr_learn_item *r = mr_learn_table_get(l->sessions, s->key, true, 0);

	r->a = s->user;
	r->b = s->since;
	r->first = s->addr;
	r->marks = s->open;
	r->keep = s->keep;
	r->tag = s->format < l->formats ? (uint8_t)s->format : MR_LEARN_FORMATS;
}

int mr_learner_restore(struct mr_learner *l, struct mr_str saved, bool sessions)
{
	struct saved_head h;
	struct saved_format f;
	struct saved_session s;
	const char *p = saved.p;

	if (mr_learn_table_count(l->earned) || mr_learn_table_count(l->sessions))
		return -EBUSY;
	if (saved.n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	p += sizeof(h);
	if (h.formats > MR_LEARN_FORMATS || h.n > MR_LEARN_SESSIONS ||
	    saved.n != sizeof(h) + h.formats * sizeof(f) + h.n * sizeof(s))
		return -EBADMSG;
	mr_learn_table_rekey(l->earned, h.earned);
	mr_learn_table_rekey(l->sessions, h.sessions);
	for (l->formats = 0; l->formats < h.formats; l->formats++, p += sizeof(f)) {
		memcpy(&f, p, sizeof(f));
		l->format[l->formats].name = f.name;
		l->format[l->formats].logs_out = f.logs_out;
	}
	for (uint32_t i = 0; i < h.n && sessions; i++, p += sizeof(s)) {
		memcpy(&s, p, sizeof(s));
		restore_session(l, &s);
	}
	return 0;
}
