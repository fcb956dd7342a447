// SPDX-License-Identifier: BSD-2-Clause
/*
 * export.c - reads the journal's export format (export.h).
 *
 * Keeps of each record what makes a log line: identifier, pid, time, message.  A message above
 * MR_LINE_MAX makes no record, as a line of that length makes none.  Lengths that the stream states
 * are believed only for skipping; nothing is allocated for them.  Never reads a descriptor, never
 * logs.  Called by the dry run and the fuzz harness.
 */
#include <mailreeve/export.h>

#include <string.h>

#define PROGRAM_BYTES 256

struct mr_export {
	uint64_t skip; /* bytes of a field nobody asked for */
	bool skip_line; /* up to the next newline */
	bool any, too_long; /* of the record at hand */
	uint32_t pid, syslog_pid;
	uint64_t time_us, source_us;
	size_t identifier, comm, message; /* lengths */
	char identifier_text[PROGRAM_BYTES], comm_text[PROGRAM_BYTES];
	char message_text[MR_LINE_MAX];
};

int mr_export_new(struct mr_export **out)
{
	struct mr_export *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	*out = x;
	return 0;
}

void mr_export_free(struct mr_export *x)
{
	free(x);
}

bool mr_export_is(const char *p, size_t n)
{
	static const char head[] = "__CURSOR=";

	return n >= sizeof(head) - 1 && memcmp(p, head, sizeof(head) - 1) == 0;
}

static size_t keep(char *to, size_t room, struct mr_str v)
{
	size_t n = v.n < room ? v.n : room;

	memcpy(to, v.p, n);
	return n;
}

static uint64_t number(struct mr_str v)
{
	uint64_t x = 0;

	return mr_cut_number(&v, &x) && v.n == 0 ? x : 0;
}

static void take(struct mr_export *x, struct mr_str name, struct mr_str v)
{
	x->any = true;
	if (mr_str_is(name, "MESSAGE")) {
		x->too_long |= v.n > sizeof(x->message_text);
		x->message = keep(x->message_text, sizeof(x->message_text), v);
	} else if (mr_str_is(name, "SYSLOG_IDENTIFIER")) {
		x->identifier = keep(x->identifier_text, sizeof(x->identifier_text), v);
	} else if (mr_str_is(name, "_COMM")) {
		x->comm = keep(x->comm_text, sizeof(x->comm_text), v);
	} else if (mr_str_is(name, "__REALTIME_TIMESTAMP")) {
		x->time_us = number(v);
	} else if (mr_str_is(name, "_SOURCE_REALTIME_TIMESTAMP")) {
		x->source_us = number(v);
	} else if (mr_str_is(name, "_PID")) {
		x->pid = (uint32_t)number(v);
	} else if (mr_str_is(name, "SYSLOG_PID")) {
		x->syslog_pid = (uint32_t)number(v);
	}
}

/* What libpam says within Dovecot: the daemon leaves it aside (daemon/source/trust.c), and so does
 * the dry run. */
static bool by_libpam(const struct mr_export *x)
{
	struct mr_str comm = { x->comm_text, x->comm };

	return (mr_str_is(comm, "auth") || mr_str_is(comm, "auth-worker")) && x->message > 4 &&
	       memcmp(x->message_text, "pam_", 4) == 0;
}

/* The record at hand as a line; false if it makes none.  Begins the next. */
static bool finish(struct mr_export *x, struct mr_line *out)
{
	bool whole = x->any && x->message && !x->too_long;

	if (whole) {
		*out = (struct mr_line){
			.program = { x->identifier_text, x->identifier },
			.pid = x->syslog_pid ? x->syslog_pid : x->pid,
			.message = { x->message_text, x->message },
			.time_us = x->source_us ? x->source_us : x->time_us,
		};
		if (!x->identifier)
			out->program = (struct mr_str){ x->comm_text, x->comm };
		if (by_libpam(x))
			out->program.n = 0;
		out->body = out->text = out->message;
	}
	x->any = x->too_long = false;
	x->pid = x->syslog_pid = 0;
	x->time_us = x->source_us = 0;
	x->identifier = x->comm = x->message = 0;
	return whole;
}

static uint64_t length_at(const char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | (uint8_t)p[i];
	return v;
}

/* `line` is the field's name; `n` bytes are there from its first on. */
static size_t binary(struct mr_export *x, struct mr_str line, size_t n, bool full)
{
	size_t head = line.n + 1 + 8;
	uint64_t len;

	if (n < head) {
		if (!full)
			return 0;
		x->skip_line = true; /* cannot be: a name that fills the buffer */
		return n;
	}
	len = length_at(line.p + line.n + 1);
	if (len < n - head) { /* the newline behind it is there too */
		take(x, line, (struct mr_str){ line.p + head, (size_t)len });
		return head + (size_t)len + 1;
	}
	if (len <= MR_LINE_MAX && !full)
		return 0;
	x->any = true;
	x->too_long |= mr_str_is(line, "MESSAGE");
	x->skip = len == UINT64_MAX ? len : len + 1;
	return head;
}

size_t mr_export_feed(struct mr_export *x, const char *p, size_t n, bool full, bool *record,
		      struct mr_line *out)
{
	const char *newline, *equals;
	struct mr_str line;

	*record = false;
	if (x->skip) {
		size_t eat = x->skip < n ? (size_t)x->skip : n;

		x->skip -= eat;
		return eat;
	}
	newline = n ? memchr(p, '\n', n) : NULL;
	if (!newline) {
		if (!full && !x->skip_line)
			return 0;
		x->skip_line = true;
		return n;
	}
	line = (struct mr_str){ p, (size_t)(newline - p) };
	if (x->skip_line) {
		x->skip_line = false;
		return line.n + 1;
	}
	if (line.n == 0) {
		*record = finish(x, out);
		return 1;
	}
	equals = memchr(line.p, '=', line.n);
	if (!equals)
		return binary(x, line, n, full);
	take(x, (struct mr_str){ line.p, (size_t)(equals - line.p) },
	     (struct mr_str){ equals + 1, (size_t)(newline - equals) - 1 });
	return line.n + 1;
}

bool mr_export_end(struct mr_export *x, struct mr_line *out)
{
	return finish(x, out);
}
