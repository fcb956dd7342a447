// SPDX-License-Identifier: BSD-2-Clause
/*
 * explain.c - libFuzzer harness of own formats and of what `learn --explain` says: the first line
 * of the input is a template (template.h), the others are lines of a log, and messages for it.
 *
 * What a reading shows stands in the line; what a template takes it takes in one reading only,
 * which the explanation finds too.
 */
#include "_event.h"

#define LINE_MAX_BYTES 200 /* an explanation takes quadratic time */

static void inside(struct mr_str part, struct mr_str whole)
{
	if (part.n == 0)
		return;
	if (part.p < whole.p || part.p + part.n > whole.p + whole.n)
		abort();
	touch(part);
}

static void check(const struct mr_explanation *x, struct mr_str line)
{
	if (x->parts > MR_EXPLAINED_PARTS || strlen(x->wording) >= sizeof(x->wording) ||
	    strlen(x->expected) >= sizeof(x->expected))
		abort();
	for (size_t i = 0; i < x->parts; i++) {
		if (!*x->part[i].what)
			abort();
		inside(x->part[i].text, line);
	}
	if (x->gave_up)
		inside(x->place, line);
}

static void say(const struct mr_reader_opinion *o, void *userdata)
{
	const struct mr_str *line = userdata;

	if (!o->format || o->result > MR_PARSE_LOST)
		abort();
	check(o->why, *line);
	if (o->result == MR_PARSE_EVENT) {
		touch(o->event->user);
		touch(o->event->session);
	}
}

/* The line as the message of the program that the template is for. */
static void stated(struct mr_reader *r, const struct mr_template *t, const char *text,
		   struct mr_str line)
{
	char *whole = malloc(line.n + 3);
	struct mr_str s = { whole, line.n + 3 };
	struct mr_event e = { .kind = MR_EV_LOGIN };
	struct mr_explanation x;
	struct mr_line l;
	bool taken;

	if (!whole)
		abort();
	memcpy(whole, "x: ", 3);
	memcpy(whole + 3, line.p, line.n);
	if (mr_reader_frame(r, whole, s.n, &l) < 0 || !mr_str_is(l.program, "x"))
		abort();
	taken = mr_template_match(t, l.message, &e);
	if (taken) {
		inside(e.user, l.message);
		inside(e.session, l.message);
		if (!stands_in(&e.addr, l.message.p, l.message.n))
			abort();
	}
	mr_explain_stated(text, &l, taken ? &e : NULL, &x);
	check(&x, s);
	if (taken && x.gave_up)
		abort();
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_reader_options o = { .legacy = true, .sessions = 16 };
	const char *p = (const char *)data, *end = p + size,
		   *nl = size ? memchr(p, '\n', size) : NULL;
	_free_ char *text = strndup(p, nl ? (size_t)(nl - p) : size);
	_cleanup_(mr_template_freep) struct mr_template *t = NULL;
	_cleanup_(mr_reader_freep) struct mr_reader *r = NULL;
	struct mr_template_error bad = { .n = 0 };
	struct mr_error err;

	if (!text || mr_reader_new(&o, &r, &err) < 0)
		abort();
	mr_reader_clock(r, EVENT_NOW_US, &event_zone);
	if (mr_template_new(text, strlen(text), MR_EV_LOGIN, &t, &bad) < 0 &&
	    (!bad.message || bad.at + bad.n > strlen(text) + 1))
		abort();
	for (p = nl ? nl + 1 : end; p < end; p = nl ? nl + 1 : end) {
		size_t n;
		char *line;
		struct mr_str s;
		struct mr_line l;

		nl = memchr(p, '\n', (size_t)(end - p));
		n = (size_t)((nl ? nl : end) - p);
		if (n > LINE_MAX_BYTES || (n && p[n - 1] == '\r'))
			continue;
		line = exact_copy(p, n);
		s = (struct mr_str){ line, n };
		if (mr_reader_frame(r, line, n, &l) == 0)
			mr_reader_explain(r, &l, say, &s);
		if (t)
			stated(r, t, text, s);
		free(line);
	}
	return 0;
}
