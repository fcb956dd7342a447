// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_explain.c - `mailreeve learn --explain`: what the formats make of a line.
 *
 * Shows the frame (time, program, message), then the format that takes the line with what it read;
 * if none does, each candidate: a format that knows the program, and for own formats the column up
 * to which each template can be read, and what it expects there.  Called by learn.c.  Exit status 1
 * if a line is taken by none.
 */
#include "learn_run.h"
#include "term.h"

#include <time.h>

static const char *const kinds[] = { "login", "logout", "failure", "abuse" };
static const char *const families[] = { NULL, "smtp", "pop3", "imap", "sieve" };

struct explain {
	const struct mr_line *line;
	json_t *json; /* NULL: for people */
	bool taken;
	unsigned int candidates;
};

static json_t *text(struct mr_str s)
{
	json_t *j = s.n ? json_stringn(s.p, s.n) : NULL;

	return j || !s.n ? (j ? j : json_null()) : json_string("(not UTF-8)");
}

static void show(const char *name, struct mr_str s)
{
	_free_ char *copy = strndup(s.p ? s.p : "", s.n);

	printf("  %-9s ", name);
	mr_term_text(s.n && copy ? copy : "-", stdout);
	putchar('\n');
}

static struct mr_str of(const char *s)
{
	return (struct mr_str){ s, s ? strlen(s) : 0 };
}

static void show_event(const struct mr_event *e)
{
	char addr[MR_ADDR_TEXT];

	show("event", of(kinds[e->kind]));
	show("what", of(e->what));
	show("service", of(families[e->family]));
	show("address", of(mr_addr_text(&e->addr, addr)));
	show("user", e->user);
	show("session", e->session);
	if (e->count > 1)
		printf("  %-9s %u\n", "attempts", e->count);
}

static json_t *event_json(const struct mr_event *e)
{
	char addr[MR_ADDR_TEXT];
	json_t *j = json_object();

	json_object_set_new(j, "event", json_string(kinds[e->kind]));
	json_object_set_new(j, "service", text(of(families[e->family])));
	json_object_set_new(j, "address", json_string(mr_addr_text(&e->addr, addr)));
	json_object_set_new(j, "user", text(e->user));
	json_object_set_new(j, "session", text(e->session));
	json_object_set_new(j, "what", json_string(e->what));
	return j;
}

/* Under the message, where the reading of a template ended. */
static void show_place(const struct explain *x, const struct mr_reader_opinion *o)
{
	size_t column = 0;

	for (size_t i = 0; i < o->at; i++) /* characters, not bytes */
		column += ((unsigned char)x->line->message.p[i] & 0xc0) != 0x80;
	printf("  template \"");
	mr_term_text(o->template, stdout);
	printf("\"\n");
	show("message", x->line->message);
	printf("  %-9s %*s^ column %zu: expected \"", "", (int)column, "", column + 1);
	mr_term_text(o->expected, stdout);
	printf("\"\n");
}

static void say_json(const struct explain *x, const struct mr_reader_opinion *o,
		     const struct mr_event *e)
{
	static const char *const results[] = { "not its program", "no event", "event", "lost" };
	json_t *j = json_object();

	json_object_set_new(j, "format", json_string(o->format));
	json_object_set_new(j, "result", json_string(results[o->result]));
	if (o->template)
		json_object_set_new(j, "template", json_string(o->template));
	if (o->expected) {
		json_object_set_new(j, "column", json_integer((json_int_t)o->at + 1));
		json_object_set_new(j, "expected", json_string(o->expected));
	}
	if (o->result == MR_PARSE_EVENT)
		json_object_set_new(j, "read", event_json(e));
	json_array_append_new(json_object_get(x->json, "formats"), j);
}

static void say(const struct mr_reader_opinion *o, const struct mr_event *e, void *userdata)
{
	struct explain *x = userdata;

	if (o->result == MR_PARSE_NOT_MINE || (x->taken && !o->template))
		return;
	x->candidates++;
	if (x->json)
		say_json(x, o, e);
	else if (o->result == MR_PARSE_EVENT)
		printf("%s takes the line:\n", o->format), show_event(e);
	else if (o->template)
		printf("%s does not:\n", o->format), show_place(x, o);
	else
		printf("%s knows the program; %s\n", o->format,
		       o->result == MR_PARSE_LOST
			       ? "the line begins like a verdict, and is none that is known to its "
				 "end"
			       : "the line is no login, logout, failure or abuse to it");
	x->taken |= o->result == MR_PARSE_EVENT;
}

static void show_frame(const struct mr_line *l)
{
	char stamp[64] = "-";
	time_t t = (time_t)(l->time_us / 1000000);
	struct tm tm;

	if (l->time_us && localtime_r(&t, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S %z", &tm);
	show("time", of(stamp));
	show("program", l->program);
	show("message", l->message);
}

static bool explain_line(struct mr_reader *r, const struct mr_ctl *ctl, const char *p, size_t n)
{
	struct explain x = { 0 };
	struct mr_line l;

	if (mr_reader_frame(r, p, n, &l) < 0) {
		fprintf(stderr, "mailreeve: an empty line, or one of more than %u bytes\n",
			MR_LINE_MAX);
		return false;
	}
	x.line = &l;
	if (ctl->json) {
		x.json = json_object();
		json_object_set_new(x.json, "program", text(l.program));
		json_object_set_new(x.json, "message", text(l.message));
		json_object_set_new(x.json, "formats", json_array());
	} else {
		show_frame(&l);
	}
	mr_reader_explain(r, &l, say, &x);
	if (x.json) {
		json_object_set_new(x.json, "taken", json_boolean(x.taken));
		mr_term_json(x.json);
		json_decref(x.json);
	} else if (!x.candidates) {
		printf("no format knows this program\n");
	}
	return x.taken;
}

enum mr_exit mr_learn_explain(struct mr_reader *reader, const struct mr_ctl *ctl)
{
	_free_ char *line = NULL;
	bool all = true;
	size_t room = 0;
	ssize_t n;

	for (int i = 0; i < ctl->n_args; i++)
		all &= explain_line(reader, ctl, ctl->args[i], strlen(ctl->args[i]));
	while (ctl->n_args == 0 && (n = getline(&line, &room, stdin)) >= 0)
		all &= explain_line(reader, ctl, line, (size_t)n);
	return all ? MR_EXIT_DONE : MR_EXIT_NO;
}
