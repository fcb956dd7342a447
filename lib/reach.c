// SPDX-License-Identifier: BSD-2-Clause
/*
 * reach.c - turns the compiler's answers into findings (reach.h).
 *
 * Called by `check` and by the daemon after a compile.  Fails only for want of memory; the finding
 * is counted even then.
 */
#include <mailreeve/reach.h>

#include "arena.h"

#define REACH_SHOWN 100 /* of each grade: a machine-made file could have 8,191 */

static void reach_count(struct mr_findings *f, enum mr_grade grade)
{
	if (grade == MR_ERROR)
		f->errors++;
	else if (grade == MR_RISK)
		f->risks++;
	else
		f->notes++;
}

static int reach_add(struct mr_findings *f, enum mr_grade grade, const char *file,
		     unsigned int line, const char *hint, const char *message)
{
	struct mr_finding x = { .grade = grade, .line = line };
	struct mr_arena *a = f->arena;
	int r;

	reach_count(f, grade);
	r = mr_grow(&f->list, &f->allocated, f->n, sizeof(*f->list));
	if (r < 0)
		return r;
	x.file = mr_arena_copy(&a, file, strlen(file));
	x.message = mr_arena_copy(&a, message, strlen(message));
	x.hint = hint ? mr_arena_copy(&a, hint, strlen(hint)) : NULL;
	f->arena = a;
	if (!x.file || !x.message)
		return -ENOMEM;
	f->list[f->n++] = x;
	return 0;
}

/* Has the parser's check said so of this line? */
static bool reach_known(const struct mr_findings *f, const char *file, unsigned int line)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->list[i].grade == MR_RISK && f->list[i].line == line &&
		    strcmp(f->list[i].file, file) == 0 && strstr(f->list[i].message, "never match"))
			return true;
	return false;
}

static int reach_rules(const struct mr_policy *p, const struct mr_image *image,
		       struct mr_findings *f, const struct mr_rule *r, size_t n, size_t shown[2])
{
	char message[256];
	int rc = 0;

	for (; n && rc >= 0; n--, r++) {
		const char *file =
			r->place.file < p->n_files ? p->files[r->place.file] : p->files[0];
		bool empty = image->reachable[r->number] == MR_RULE_EMPTY;

		if (r->implied || !r->number || image->reachable[r->number] == MR_RULE_MATCHES ||
		    (!empty && reach_known(f, file, r->place.line)))
			continue;
		if (shown[empty]++ >= REACH_SHOWN) {
			reach_count(f, empty ? MR_NOTE : MR_RISK);
			continue;
		}
		snprintf(message, sizeof(message),
			 empty ? "'%.150s' holds no address at present"
			       : "'%.150s' can never match: earlier rules hold every address of it",
			 r->text);
		rc = reach_add(f, empty ? MR_NOTE : MR_RISK, file, r->place.line,
			       empty ? NULL : "put it before them, or leave it out", message);
	}
	return rc;
}

int mr_reach_findings(const struct mr_policy *p, const struct mr_image *i, struct mr_findings *f)
{
	size_t shown[2] = { 0, 0 };
	int r;

	for (size_t s = 0; s < p->n_services; s++) {
		if (p->services[s].mode == MR_MODE_OFF)
			continue;
		r = reach_rules(p, i, f, p->services[s].rules, p->services[s].n_rules, shown);
		if (r < 0)
			return r;
	}
	return reach_rules(p, i, f, p->global, p->n_global, shown);
}

int mr_reach_error(const struct mr_policy *p, const char *message, struct mr_findings *f)
{
	return reach_add(f, MR_ERROR, p->files[0], 0, NULL, message);
}
