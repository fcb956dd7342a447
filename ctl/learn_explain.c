// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn_explain.c - `mailreeve learn --explain`: what the formats make of a line.
 *
 * Shows the line, then the format that takes it with what it says and how each part of it was read;
 * if none does, each candidate, that is each format that knows the program: the column where the
 * line leaves the wording that it is nearest to, what was expected there and what was found, or why
 * a line that fits is refused.  Columns count characters of the line as it was given, from 1.
 * Called by learn.c.  Exit status 1 if a line is taken by none.
 */
#include "learn_run.h"
#include "term.h"

#include <time.h>

static const char *const kinds[] = { "login", "logout", "failure", "abuse" };
static const char *const families[] = { NULL, "smtp", "pop3", "imap", "sieve" };

/* Told only if no format comes after it that takes the line. */
struct refusal {
	struct mr_reader_opinion o;
	struct mr_explanation why;
};
struct explain {
	const struct mr_line *line;
	struct refusal *refusal;
	size_t refusals, allocated;
	json_t *json; /* NULL: for people */
	const char *decided; /* the first format that was asked and knows the line */
	bool taken;
	unsigned int candidates;
};

static json_t *text(struct mr_str s)
{
	json_t *j = s.n ? json_stringn(s.p, s.n) : NULL;

	return j || !s.n ? (j ? j : json_null()) : json_string("(not UTF-8)");
}

static void print_text(struct mr_str s)
{
	_free_ char *copy = strndup(s.p ? s.p : "", s.n);

	mr_term_text(copy ? copy : "", stdout);
}

static void show(const char *name, struct mr_str s)
{
	printf("  %-9s ", name);
	print_text(s.n ? s : (struct mr_str){ "-", 1 });
	putchar('\n');
}

static struct mr_str of(const char *s)
{
	return (struct mr_str){ s, s ? strlen(s) : 0 };
}

/* Characters of the line before p. */
static size_t columns_before(const struct explain *x, const char *p)
{
	size_t n = 0;

	for (const char *q = x->line->text.p; q < p; q++)
		n += ((unsigned char)*q & 0xc0) != 0x80;
	return n;
}

/* --- for people */

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

static void show_parts(const struct explain *x, const struct mr_explanation *why)
{
	if (why->parts)
		printf("  columns    part      text\n");
	for (size_t i = 0; i < why->parts; i++) {
		const struct mr_explained_part *p = &why->part[i];

		printf("  %4zu-%-4zu  %-9s ", columns_before(x, p->text.p) + 1,
		       columns_before(x, p->text.p + p->text.n), p->what);
		print_text(p->text);
		putchar('\n');
	}
}

static void show_place(const struct explain *x, const struct mr_explanation *why)
{
	size_t column = columns_before(x, why->place.p);
	const char *quote = why->literal ? "\"" : "";

	printf("gave up at column %zu: expected %s%s%s, found ", column + 1, quote, why->expected,
	       quote);
	if (why->place.n)
		putchar('"');
	print_text(why->place.n ? why->place : of("the end of the line"));
	puts(why->place.n ? "\"" : "");
	if (!why->wording[0])
		return; /* none of its lines comes near */
	show("line", x->line->text);
	printf("  %-9s %*s^\n", "", (int)column, "");
}

static void show_refused(const struct explain *x, const struct mr_reader_opinion *o)
{
	const struct mr_explanation *why = o->why;

	printf("%s", o->format);
	if (o->off)
		printf(" (not in use here: it is asked only where a learn block names it)");
	printf(": ");
	if (why->gave_up)
		show_place(x, why);
	else
		printf("no event: %s\n", why->why ? why->why : "the reason cannot be told");
	if (why->wording[0])
		show("wording", of(o->template ? o->template : why->wording));
	if (o->result == MR_PARSE_LOST)
		show("note", of("it begins like a verdict: such lines are counted as lost, and "
				"status warns of them"));
}

static void keep_refusal(struct explain *x, const struct mr_reader_opinion *o)
{
	if (mr_grow(&x->refusal, &x->allocated, x->refusals, sizeof(*x->refusal)) < 0)
		return;
	x->refusal[x->refusals++] = (struct refusal){ *o, *o->why };
}

static void show_refusals(struct explain *x)
{
	for (size_t i = 0; i < x->refusals && !x->taken; i++) {
		x->refusal[i].o.why = &x->refusal[i].why;
		show_refused(x, &x->refusal[i].o);
	}
}

static void show_opinion(struct explain *x, const struct mr_reader_opinion *o)
{
	if (o->result != MR_PARSE_EVENT) {
		keep_refusal(x, o);
	} else if (o->off) {
		printf("%s would take the line, and is not in use here: it is asked only where a "
		       "learn block names it\n",
		       o->format);
	} else if (!o->late) {
		printf("%s takes the line:\n", o->format);
		show_event(o->event);
		show_parts(x, o->why);
	} else if (!x->taken) {
		printf("%s would take the line, and is not asked: %s comes first, and knows it\n",
		       o->format, x->decided);
	}
}

static void show_frame(const struct mr_line *l)
{
	char stamp[64] = "- (none that can be read: it counts as of now)";
	time_t t = (time_t)(l->time_us / 1000000);
	struct tm tm;

	if (l->time_us && localtime_r(&t, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S %z", &tm);
	show("time", of(stamp));
	show("program", l->program);
	show("message", l->message);
}

/* A word that could be a program's name that some format knows, with ":" or "[" behind it; n = 0:
 * none. */
static struct mr_str known_program(struct mr_str line)
{
	struct mr_str word;

	while (mr_cut_to(&line, ' ', &word)) {
		struct mr_str name = { word.p, 0 };

		while (name.n < word.n && word.p[name.n] != ':' && word.p[name.n] != '[')
			name.n++;
		for (size_t i = 0; name.n && name.n < word.n && mr_formats[i]; i++)
			if (!mr_format_knows(mr_formats[i], (struct mr_str){ "?", 1 }) &&
			    mr_format_knows(mr_formats[i], name))
				return name;
	}
	return (struct mr_str){ 0 };
}

static const char *nobody(const struct explain *x, char *buf, size_t room)
{
	struct mr_str name = known_program(x->line->text);

	if (x->line->program.n)
		return "no format knows this program";
	if (!name.n)
		return "no program can be read: it stands before a colon, behind time and host; "
		       "and no server's own log has such lines";
	snprintf(buf, room,
		 "no program can be read: \"%.*s\" at column %zu looks like one, but what stands "
		 "before it is no time and host that is known (mailreeve.conf(5), learn)",
		 (int)name.n, name.p, columns_before(x, name.p) + 1);
	return buf;
}

/* --- as JSON */

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

static json_t *parts_json(const struct explain *x, const struct mr_explanation *why)
{
	json_t *list = json_array();

	for (size_t i = 0; i < why->parts; i++) {
		const struct mr_explained_part *p = &why->part[i];
		json_t *j = json_object();

		json_object_set_new(j, "part", json_string(p->what));
		json_object_set_new(j, "from",
				    json_integer((json_int_t)columns_before(x, p->text.p) + 1));
		json_object_set_new(
			j, "to",
			json_integer((json_int_t)columns_before(x, p->text.p + p->text.n)));
		json_object_set_new(j, "text", text(p->text));
		json_array_append_new(list, j);
	}
	return list;
}

static void add_json(const struct explain *x, const struct mr_reader_opinion *o)
{
	static const char *const results[] = { "not its line", "no event", "event", "lost" };
	const struct mr_explanation *why = o->why;
	json_t *j = json_object();

	json_object_set_new(j, "format", json_string(o->format));
	json_object_set_new(j, "result", json_string(results[o->result]));
	json_object_set_new(j, "asked", json_boolean(!o->off && !o->late));
	if (o->template)
		json_object_set_new(j, "template", json_string(o->template));
	if (why->wording[0])
		json_object_set_new(j, "wording", json_string(why->wording));
	if (why->gave_up) {
		json_object_set_new(j, "column",
				    json_integer((json_int_t)columns_before(x, why->place.p) + 1));
		json_object_set_new(j, "expected", json_string(why->expected));
		json_object_set_new(j, "found", text(why->place));
	}
	if (why->why)
		json_object_set_new(j, "why", json_string(why->why));
	json_object_set_new(j, "parts", parts_json(x, why));
	if (o->result == MR_PARSE_EVENT)
		json_object_set_new(j, "read", event_json(o->event));
	json_array_append_new(json_object_get(x->json, "formats"), j);
}

static void say(const struct mr_reader_opinion *o, void *userdata)
{
	struct explain *x = userdata;

	x->candidates++;
	if (x->json)
		add_json(x, o);
	else
		show_opinion(x, o);
	if (o->off || o->late)
		return;
	x->taken |= o->result == MR_PARSE_EVENT;
	if (o->result != MR_PARSE_NOT_MINE && !x->decided)
		x->decided = o->format;
}

static bool explain_line(struct mr_reader *r, const struct mr_ctl *ctl, const char *p, size_t n)
{
	struct explain x = { 0 };
	struct mr_line l;
	char buf[256];

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
		if (!x.candidates)
			json_object_set_new(x.json, "why",
					    json_string(nobody(&x, buf, sizeof(buf))));
		mr_term_json(x.json);
		json_decref(x.json);
	} else if (!x.candidates) {
		puts(nobody(&x, buf, sizeof(buf)));
	}
	show_refusals(&x);
	free(x.refusal);
	return x.taken;
}

enum mr_exit mr_learn_explain(struct mr_reader *reader, const struct mr_ctl *ctl)
{
	_free_ char *line = NULL;
	bool all = true;
	size_t room = 0;
	ssize_t n;

	for (int i = 0; i < ctl->n_args; i++) {
		if (i && !ctl->json)
			putchar('\n');
		all &= explain_line(reader, ctl, ctl->args[i], strlen(ctl->args[i]));
	}
	for (int i = 0; ctl->n_args == 0 && (n = getline(&line, &room, stdin)) >= 0; i++) {
		if (i && !ctl->json)
			putchar('\n');
		all &= explain_line(reader, ctl, line, (size_t)n);
	}
	return all ? MR_EXIT_DONE : MR_EXIT_NO;
}
