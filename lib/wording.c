// SPDX-License-Identifier: BSD-2-Clause
/*
 * wording.c - holds a text against a wording (wording.h): reads it part by part, or finds the place
 * where it leaves the wording.
 *
 * A wording is compiled to a small automaton without loops.  The text is laid along it as cheaply
 * as possible: what fits costs nothing, a byte too many, too few or other than the wording's costs
 * EDIT, an end that is missing CUT (Levenshtein's distance, to a language instead of a word).  The
 * first place of the cheapest way that costs something is where the line and the wording part:
 * neither the furthest place that some reading reaches (text of a client can be stretched over
 * anything) nor the first that cannot be read from the left (many formats are read from the right).
 * To stretch such text over a line's own punctuation costs a little, so that it is not stretched to
 * avoid the telling of a fault.
 *
 * Quadratic, and allocates: for `learn --explain` only, never while logs are read.  Fails with
 * -E2BIG and -ENOMEM.
 */
#include <mailreeve/format.h>
#include <mailreeve/wording.h>

#include <ctype.h>

#define NODES_MAX 1024 /* of one wording, in bytes about the same */
#define EDIT	  8u /* cost of one byte that is wrong */
#define CUT	  24u /* of an end that is missing, or a tail too many */
#define BAD_PART  16u /* of a part that cannot be read */
#define STRETCH	  5u /* of a byte of free text that is no letter or digit */
#define NEAR_MIN  6u /* bytes of literal text that must fit before a place is worth telling */
#define NONE	  UINT16_MAX

enum class {
	ANYTHING, /* any bytes, none too */
	ADDRESS,
	WORD, /* MR_CLASS_WORD */
	TOKEN, /* no blank */
	NUMBER,
	VALUE, /* a word, with colons */
	ID, /* base64, or a value */
	CIPHER, /* any bytes that begin no field; none too */
};
static const struct variable {
	const char *name;
	enum class class;
	const char *expected;
} variables[] = {
	{ "user", ANYTHING, "a user name" }, { "address", ADDRESS, "an address" },
	{ "local", ADDRESS, "an address" },  { "session", ID, "a session id" },
	{ "method", WORD, "a mechanism" },   { "host", WORD, "a host name" },
	{ "port", NUMBER, "a port" },	     { "pid", NUMBER, "a process id" },
	{ "number", NUMBER, "a number" },    { "word", WORD, "a word" },
	{ "password", TOKEN, "a password" }, { "token", TOKEN, "a word" },
	{ "given", ANYTHING, "a password" }, { "value", VALUE, "a value" },
	{ "text", ANYTHING, "any text" },    { "tls", CIPHER, "words of the TLS library" },
};
/* of a stated format (template.h) */
static const struct {
	const char *text;
	struct variable variable;
} stated[] = {
	{ "<user>", { "user", TOKEN, "a user name without a blank" } },
	{ "<addr>", { "address", ADDRESS, "an address" } },
	{ "<session>", { "session", TOKEN, "a session without a blank" } },
	{ "<any>", { "text", ANYTHING, "any text" } },
};

enum op { CHAR, PART, SPLIT, JUMP, END };
struct node {
	enum op op;
	char c;
	const struct variable *variable;
	size_t to;
};
struct program {
	struct node node[NODES_MAX + 1];
	size_t n;
};

/* --- compiling: the table is ours, a fault in it fails the tests */

static size_t emit(struct program *p, enum op op)
{
	if (p->n < NODES_MAX) {
		p->node[p->n].op = op;
		return p->n++;
	}
	return NODES_MAX;
}

static const struct variable *find_variable(const char *name, size_t n)
{
	for (size_t i = 0; i < MR_ARRAY_SIZE(variables); i++)
		if (strlen(variables[i].name) == n && memcmp(variables[i].name, name, n) == 0)
			return &variables[i];
	return NULL;
}

static bool compile_sequence(struct program *p, const char **text, bool inside);

/* Behind "{" that names no part, up to and with "}". */
static bool compile_group(struct program *p, const char **text)
{
	size_t ends[32], n_ends = 0, optional = NODES_MAX, alternative;

	if (**text == '?') {
		optional = emit(p, SPLIT);
		++*text;
	}
	for (;;) {
		alternative = emit(p, SPLIT);
		if (!compile_sequence(p, text, true))
			return false;
		if (**text != '|')
			break;
		++*text;
		if (n_ends == MR_ARRAY_SIZE(ends))
			return false;
		ends[n_ends++] = emit(p, JUMP);
		p->node[alternative].to = p->n;
	}
	p->node[alternative].to = alternative + 1; /* the last has no other */
	while (n_ends)
		p->node[ends[--n_ends]].to = p->n;
	if (optional != NODES_MAX)
		p->node[optional].to = p->n;
	return *(*text)++ == '}';
}

static bool compile_sequence(struct program *p, const char **text, bool inside)
{
	while (**text && !(inside && (**text == '|' || **text == '}'))) {
		const struct variable *v;
		size_t n;

		if (**text != '{') {
			n = emit(p, CHAR);
			p->node[n].c = *(*text)++;
			continue;
		}
		++*text;
		n = strcspn(*text, "{|}?");
		v = (*text)[n] == '}' ? find_variable(*text, n) : NULL;
		if (v) {
			*text += n + 1;
			n = emit(p, PART);
			p->node[n].variable = v;
		} else if (!compile_group(p, text)) {
			return false;
		}
	}
	return p->n < NODES_MAX;
}

static void compile_stated(struct program *p, const char *text)
{
	while (*text) {
		const struct variable *v = NULL;
		size_t n;

		for (size_t i = 0; i < MR_ARRAY_SIZE(stated) && !v; i++)
			if (strncmp(text, stated[i].text, strlen(stated[i].text)) == 0) {
				text += strlen(stated[i].text);
				v = &stated[i].variable;
			}
		n = emit(p, v ? PART : CHAR);
		p->node[n].variable = v;
		if (!v)
			p->node[n].c = *text++;
	}
}

static bool compile(struct program *p, const struct mr_wording *w)
{
	const char *text = w->text;

	if (w->stated)
		compile_stated(p, text);
	else if (!compile_sequence(p, &text, false) || *text)
		return false;
	emit(p, END);
	return p->n < NODES_MAX;
}

/* --- laying the text along it */

struct cell { /* the cheapest way to be before node s with i bytes read */
	uint32_t cost;
	uint16_t first; /* bytes read before the first fault; NONE */
	uint16_t fits; /* literal bytes that fit */
	uint16_t from_node, from_at;
	bool fault; /* the last step was one */
};
struct layout {
	const struct program *p;
	struct mr_str s;
	const struct mr_wording_wanted *wanted;
	bool faults; /* allowed */
	struct cell *cell;
};

static struct cell *cell_of(const struct layout *l, size_t node, size_t at)
{
	return &l->cell[node * (l->s.n + 1) + at];
}

static void step(struct layout *l, size_t node, size_t at, size_t to, size_t to_at,
		 unsigned int cost, bool fault)
{
	const struct cell *c = cell_of(l, node, at);
	struct cell *d = cell_of(l, to, to_at);
	struct cell new = *c;

	if (fault && !l->faults)
		return;
	new.cost += cost;
	new.fault = fault;
	if (fault && new.first == NONE)
		new.first = (uint16_t)at;
	new.fits = (uint16_t)(new.fits + (l->p->node[node].op == CHAR && !fault));
	new.from_node = (uint16_t)node;
	new.from_at = (uint16_t)at;
	/* of two that cost the same the one that fits for longer is told */
	if (new.cost < d->cost ||
	    (new.cost == d->cost &&new.first != NONE && d->first != NONE &&new.first > d->first))
		*d = new;
}

static bool of_class(char c, enum class class)
{
	bool word = isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';

	if (class == WORD)
		return word && (unsigned char)c < 0x80;
	if (class == ID)
		return word || c == '+' || c == '/' || c == '=' || c == ':';
	if (class == VALUE)
		return word || c == ':';
	if (class == NUMBER)
		return c >= '0' && c <= '9';
	if (class == CIPHER)
		return c != '<' && c != '>' && c != '=';
	return class == ANYTHING || c != ' ';
}

static bool address_fits(const struct layout *l, const struct variable *v, struct mr_str s)
{
	const struct mr_wording_wanted *w = l->wanted;
	struct mr_addr a;

	if (!mr_str_addr(s, &a))
		return false;
	if (strcmp(v->name, "address") != 0)
		return true;
	return (!w->addr || memcmp(a.b, w->addr->b, sizeof(a.b)) == 0) &&
	       (!w->not_addr || memcmp(a.b, w->not_addr->b, sizeof(a.b)) != 0);
}

static void step_address(struct layout *l, size_t node, size_t at)
{
	const struct variable *v = l->p->node[node].variable;
	struct mr_str s = { l->s.p + at, 0 };

	while (at + s.n < l->s.n && s.n < MR_ADDR_TEXT + 5 &&
	       strchr("abcdefABCDEF0123456789.:IPv", s.p[s.n]))
		s.n++;
	/* the longest: 192.0.2.1 is not read out of 192.0.2.10; a port may follow a colon */
	for (bool longest = true; s.n > 1; s.n--) {
		bool ends = longest || s.p[s.n] == ':' || s.p[s.n] == '.';

		if (ends && address_fits(l, v, s))
			step(l, node, at, node + 1, at + s.n, 0, false);
		longest = false;
	}
}

/* A part that cannot be read is what stands there, up to the next bracket or, if that is enough,
 * blank. */
static size_t bad_part(struct mr_str s, size_t at, bool blanks)
{
	const char *ends = blanks ? ",;>)]\"'" : " ,;>)]\"'";
	size_t n = 0;

	while (at + n < s.n && !strchr(ends, s.p[at + n]))
		n++;
	return n;
}

/* What it costs to have a byte in free text. */
static unsigned int stretch(char c, enum class class)
{
	if (class == CIPHER)
		return 0;
	return of_class(c, WORD) || (unsigned char)c >= 0x80 ? 1 : STRETCH;
}

static void step_part(struct layout *l, size_t node, size_t at)
{
	const struct variable *v = l->p->node[node].variable;
	const struct mr_str *user = strcmp(v->name, "user") == 0 ? l->wanted->user : NULL;
	size_t n = l->s.n - at;
	const char *p = l->s.p + at;

	if (user) {
		if (user->n <= n && memcmp(p, user->p, user->n) == 0)
			step(l, node, at, node + 1, at + user->n, 0, false);
	} else if (v->class == ANYTHING || v->class == CIPHER) {
		step(l, node, at, node + 1, at, 0, false);
		if (n && of_class(*p, v->class))
			step(l, node, at, node, at + 1, stretch(*p, v->class), false);
		return;
	} else if (v->class == ADDRESS) {
		step_address(l, node, at);
	} else {
		/* the longest, as the parsers do; a token may be followed by any mark */
		for (size_t i = 0; i < n && of_class(p[i], v->class); i++)
			if (v->class == TOKEN || i + 1 == n || !of_class(p[i + 1], v->class))
				step(l, node, at, node + 1, at + i + 1, 0, false);
	}
	for (int blanks = 0; blanks < 2; blanks++) {
		n = bad_part(l->s, at, blanks);
		step(l, node, at, node + 1, at + n,
		     BAD_PART + (unsigned int)n + (blanks ? EDIT : 0), true);
	}
}

static void step_node(struct layout *l, size_t node, size_t at)
{
	const struct node *n = &l->p->node[node];
	const char *p = l->s.p + at;
	bool more = at < l->s.n;
	unsigned int n_more;

	switch (n->op) {
	case CHAR:
		if (more && *p == n->c)
			step(l, node, at, node + 1, at + 1, 0, false);
		else if (more)
			step(l, node, at, node + 1, at + 1, EDIT, true);
		step(l, node, at, node + 1, at, EDIT, true);
		break;
	case PART:
		step_part(l, node, at);
		break;
	case SPLIT:
		step(l, node, at, node + 1, at, 0, false);
		if (n->to != node + 1)
			step(l, node, at, n->to, at, 0, false);
		return;
	case JUMP:
		step(l, node, at, n->to, at, 0, false);
		return;
	case END:
		n_more = (unsigned int)(l->s.n - at);
		step(l, node, at, node + 1, l->s.n,
		     n_more * EDIT < CUT ? n_more * EDIT : CUT + n_more, more);
		return;
	}
	/* a byte too many: before an address a bracket, say */
	if (more && (n->op == CHAR || n->variable->class == ADDRESS))
		step(l, node, at, node, at + 1, EDIT, true);
	if (!more) /* the line was cut */
		step(l, node, at, l->p->n, at, CUT, true);
}

/* The way from the beginning to the end: node and bytes read before each step; n + 1 of them. */
struct way {
	struct {
		size_t node, at;
		bool fault; /* the step from here */
	} step[NODES_MAX + MR_WORDING_TEXT + 2];
	size_t n;
};

static void trace(const struct layout *l, struct way *w)
{
	size_t node, at, n = 0;

	for (size_t pass = 0; pass < 2; pass++) {
		size_t k = n;

		for (node = l->p->n, at = l->s.n; node || at; k--) {
			const struct cell *c = cell_of(l, node, at);

			if (pass) {
				w->step[k].node = node;
				w->step[k].at = at;
				w->step[k - 1].fault = c->fault;
			} else {
				n++;
			}
			node = c->from_node;
			at = c->from_at;
		}
	}
	w->step[0].node = w->step[0].at = 0;
	w->n = n;
}

static void append(char *to, size_t room, const char *text, size_t n)
{
	size_t len = strlen(to);

	if (len + n + 1 > room)
		n = room - len - 1;
	memcpy(to + len, text, n);
	to[len + n] = '\0';
}

static void append_node(const struct node *n, char *to, size_t room)
{
	if (n->op == CHAR)
		append(to, room, &n->c, 1);
	if (n->op == PART) {
		append(to, room, "{", 1);
		append(to, room, n->variable->name, strlen(n->variable->name));
		append(to, room, "}", 1);
	}
}

/* Parts up to step `until`. */
static void list_parts(const struct program *p, const struct way *w, size_t until,
		       struct mr_wording_reading *out)
{
	size_t last = NODES_MAX + 1;

	for (size_t k = 0; k < until; k++) {
		const struct node *n = &p->node[w->step[k].node];
		size_t at = w->step[k].at, len = w->step[k + 1].at - at;
		struct mr_wording_part *q = out->parts ? &out->part[out->parts - 1] : NULL;
		const char *what = n->op == PART ? n->variable->name : "words";

		if (len == 0)
			continue;
		if (q && (n->op == PART ? last == w->step[k].node : last == NODES_MAX)) {
			q->n += len;
		} else if (out->parts < MR_WORDING_PARTS) {
			out->part[out->parts++] = (struct mr_wording_part){ what, at, len };
		}
		last = n->op == PART ? w->step[k].node : NODES_MAX;
	}
}

static bool wordy(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

/* How much of the text at `at` is worth showing: a word, with what stands before it. */
static size_t found_at(struct mr_str s, size_t at)
{
	bool word = false;
	size_t n = 0;

	while (at + n < s.n && n < 40 && !(word && (s.p[at + n] == ' ' || s.p[at + n] == ',')))
		word |= wordy(s.p[at + n++]);
	return n;
}

/* Tells the fault at step k. */
static void tell_fault(const struct program *p, const struct way *w, size_t k, struct mr_str s,
		       struct mr_wording_reading *out)
{
	const struct node *n = &p->node[w->step[k].node];
	bool word = false, past = false;
	size_t first = k;

	out->at = w->step[k].at;
	out->expected[0] = '\0';
	if (n->op == PART) {
		append(out->expected, sizeof(out->expected), n->variable->expected,
		       strlen(n->variable->expected));
		out->found = bad_part(s, out->at, false);
		if (out->found == 0)
			out->found = found_at(s, out->at);
		return;
	}
	if (n->op == END) {
		append(out->expected, sizeof(out->expected), "the end of the line", 19);
		out->found = found_at(s, out->at);
		return;
	}
	/* from the beginning of the word on */
	while (k && p->node[w->step[k - 1].node].op == CHAR && !w->step[k - 1].fault &&
	       wordy(p->node[w->step[k - 1].node].c))
		k--;
	out->at = w->step[k].at;
	out->found = found_at(s, out->at);
	out->literal = true;
	for (size_t node = w->step[k].node; p->node[node].op == CHAR; node++) {
		char c = p->node[node].c;

		past |= node >= w->step[first].node;
		if (past && word && (c == ' ' || c == ','))
			break;
		word |= wordy(c);
		append(out->expected, sizeof(out->expected), &c, 1);
	}
}

/* The wording as it was followed, and to its end where the line was cut. */
static void write_wording(const struct program *p, const struct way *w,
			  struct mr_wording_reading *out)
{
	size_t node = NODES_MAX;

	out->wording[0] = '\0';
	for (size_t k = 0; k < w->n; k++) {
		node = w->step[k].node;
		if (w->step[k + 1].node != node)
			append_node(&p->node[node], out->wording, sizeof(out->wording));
	}
	if (node < p->n && p->node[node].op != END)
		append(out->wording, sizeof(out->wording), "…", 3);
}

static int tell(const struct layout *l, struct mr_wording_reading *out)
{
	const struct cell *end = cell_of(l, l->p->n, l->s.n);
	_free_ struct way *way = NULL;
	size_t k = 0;

	if (end->cost == UINT32_MAX)
		return -ENOENT;
	way = calloc(1, sizeof(*way));
	if (!way)
		return -ENOMEM;
	trace(l, way);
	*out = (struct mr_wording_reading){ .cost = end->cost, .whole = end->first == NONE };
	while (k < way->n && !way->step[k].fault)
		k++;
	list_parts(l->p, way, k, out);
	write_wording(l->p, way, out);
	if (!out->whole)
		tell_fault(l->p, way, k, l->s, out);
	out->near = end->fits >= NEAR_MIN && end->fits * EDIT > end->cost / 2;
	return 0;
}

static int lay(const struct mr_wording *w, struct mr_str s, const struct mr_wording_wanted *wanted,
	       bool faults, struct mr_wording_reading *out)
{
	static const struct mr_wording_wanted nothing;
	_free_ struct program *p = calloc(1, sizeof(*p));
	_free_ struct cell *cells = NULL;
	struct layout l = {
		.p = p, .s = s, .wanted = wanted ? wanted : &nothing, .faults = faults
	};

	if (s.n > MR_WORDING_TEXT)
		return -E2BIG;
	if (!p)
		return -ENOMEM;
	if (!compile(p, w))
		return -EINVAL;
	cells = l.cell = calloc((p->n + 1) * (s.n + 1), sizeof(*l.cell));
	if (!cells)
		return -ENOMEM;
	for (size_t i = 1; i < (p->n + 1) * (s.n + 1); i++)
		l.cell[i] = (struct cell){ .cost = UINT32_MAX, .first = NONE };
	l.cell[0].first = NONE;
	for (size_t node = 0; node < p->n; node++)
		for (size_t at = 0; at <= s.n; at++)
			if (cell_of(&l, node, at)->cost != UINT32_MAX)
				step_node(&l, node, at);
	return tell(&l, out);
}

int mr_wording_read(const struct mr_wording *w, struct mr_str s,
		    const struct mr_wording_wanted *wanted, struct mr_wording_reading *out)
{
	return lay(w, s, wanted, false, out);
}

int mr_wording_compare(const struct mr_wording *w, struct mr_str s, struct mr_wording_reading *out)
{
	return lay(w, s, NULL, true, out);
}
