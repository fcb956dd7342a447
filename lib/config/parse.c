// SPDX-License-Identifier: BSD-2-Clause
/*
 * parse.c - the loop over statements, includes, recovery, and the small parts that handlers share.
 *
 * Recursive descent: a block is a table of statements (parser.h).  After an error the loop skips to
 * the end of the statement, so that one load shows many errors.  An included file is parsed with
 * the table of the block that names it and must balance its own braces.  Recursion goes as deep as
 * the grammar and MR_INCLUDE_DEPTH, never as deep as the input likes.  Called by load.c.
 */
#include "parser.h"

#include <libgen.h>
#include <string.h>

/* The line of text that holds a place, by counting lines: findings are few. */
static void find_line(const struct mr_parser *p, struct mr_spot *s, uint16_t file)
{
	const struct mr_source_text *t = &p->text[file];
	const char *at = t->data, *end;

	if (!at)
		return;
	end = at + t->len;
	for (unsigned int line = 1; line < s->line && at; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return;
	if (s->line == 1 && t->len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	s->line_text = at;
	s->line_len = (size_t)(end - at);
}

/* The width of the word at a column, for places that were kept without one. */
static unsigned int word_width(const struct mr_spot *s)
{
	unsigned int column = 1, width = 0;
	size_t i = 0;

	for (; i < s->line_len && column < s->column; i++)
		if (((unsigned char)s->line_text[i] & 0xc0) != 0x80)
			column++;
	for (; i < s->line_len && !strchr(" \t\r\n;{}", s->line_text[i]); i++)
		if (((unsigned char)s->line_text[i] & 0xc0) != 0x80)
			width++;
	return width ? width : 1;
}

int mr_parse_fail(struct mr_parser *p, const struct mr_token *t, const char *hint, const char *fmt,
		  ...)
{
	uint16_t file = p->lexer.file;
	struct mr_spot s = { .path = p->policy->files[file],
			     .line = t->line,
			     .column = t->column,
			     .width = t->width };
	va_list ap;

	if (t->kind == MR_TOKEN_BAD)
		return -EINVAL;
	if (mr_findings_wants(p->findings, MR_ERROR))
		find_line(p, &s, file);
	va_start(ap, fmt);
	mr_findings_vadd(p->findings, MR_ERROR, &s, hint, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void mr_parse_find(struct mr_parser *p, enum mr_grade grade, struct mr_place at, const char *hint,
		   const char *fmt, ...)
{
	struct mr_spot s = { .path = p->policy->files[at.file],
			     .line = at.line,
			     .column = at.column };
	va_list ap;

	if (at.line && mr_findings_wants(p->findings, grade)) {
		find_line(p, &s, at.file);
		if (s.line_text && s.column)
			s.width = word_width(&s);
	}
	va_start(ap, fmt);
	mr_findings_vadd(p->findings, grade, &s, hint, fmt, ap);
	va_end(ap);
}

const char *mr_parse_quote(struct mr_parser *p, const struct mr_token *t)
{
	if (t->kind == MR_TOKEN_END)
		return "the end of the file";
	return mr_word_quote(p->arena, t->text, t->len);
}

const char *mr_parse_hint(struct mr_parser *p, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = mr_arena_vprintf(p->arena, fmt, ap);
	va_end(ap);
	return text;
}

struct mr_place mr_parse_place(const struct mr_parser *p, const struct mr_token *t)
{
	return (struct mr_place){
		.file = p->lexer.file,
		.line = t->line,
		.column = t->column < UINT16_MAX ? (uint16_t)t->column : 0,
	};
}

const char *mr_parse_where(struct mr_parser *p, struct mr_place at)
{
	if (at.file == p->lexer.file)
		return mr_parse_hint(p, "line %u", at.line);
	return mr_parse_hint(p, "%s:%u", p->policy->files[at.file], at.line);
}

const char *mr_parse_keep(struct mr_parser *p, const struct mr_token *t)
{
	return mr_arena_copy(p->arena, t->text, t->len);
}

/* Where a keyword would be at home, for those who put it into the wrong block. */
static const char *home_of(const struct mr_token *t)
{
	static const struct {
		const char *word, *home;
	} homes[] = {
		{ "allow", "a rule belongs into service NAME { … } or global { … }" },
		{ "deny", "a rule belongs into service NAME { … } or global { … }" },
		{ "reject", "a rule belongs into service NAME { … } or global { … }" },
		{ "ports", "it belongs into service NAME { … }" },
		{ "mode", "it belongs into service NAME { … } or relay { … }" },
		{ "default", "it belongs into service NAME { … }" },
		{ "noglobal", "it belongs into service NAME { … }" },
		{ "nobans", "it belongs into service NAME { … }" },
		{ "established", "it belongs into service NAME { … }" },
		{ "to", "it belongs into service NAME { … } or relay { … }" },
		{ "ttl", "it belongs into permit { … } or ban { … }" },
		{ "except", "it belongs into ban { … }" },
		{ "escalate", "it belongs into ban { … }" },
		{ "journal", "it belongs into learn { … }" },
		{ "file", "it belongs into set NAME { … } or learn { … }" },
		{ "kill", "it belongs into relay { … }" },
		{ "accept", "it belongs into relay { … }" },
		{ "local-domains", "it belongs into relay { … }" },
		{ "set", "a set stands at the top of the file, outside of all blocks" },
		{ "service", "a service stands at the top of the file, outside of all blocks" },
		{ "global", "global { … } stands at the top of the file, outside of all blocks" },
		{ "permit", "permit { … } stands at the top of the file, outside of all blocks" },
		{ "ban", "ban { … } stands at the top of the file, outside of all blocks" },
		{ "learn", "learn { … } stands at the top of the file, outside of all blocks" },
		{ "interface", "it stands at the top of the file, outside of all blocks" },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(homes); i++)
		if (mr_word_is(t, homes[i].word))
			return homes[i].home;
	return NULL;
}

static int unknown_statement(struct mr_parser *p, const struct mr_statement *table)
{
	const struct mr_token *t = &p->token;
	const char *best = NULL, *hint;
	unsigned int distance = 0;

	if (t->kind == MR_TOKEN_OPEN)
		return mr_parse_fail(p, t, NULL, "a block without a name before \"{\"");
	if (t->kind == MR_TOKEN_STRING)
		return mr_parse_fail(p, t, "keywords stand without quotes",
				     "a statement was expected, not the string %s",
				     mr_parse_quote(p, t));
	hint = home_of(t);
	if (!hint) {
		mr_word_closer(t->text, t->len, "include", &best, &distance);
		for (const struct mr_statement *s = table; s->parse; s++)
			if (s->name)
				mr_word_closer(t->text, t->len, s->name, &best, &distance);
		if (best)
			hint = mr_parse_hint(p, "did you mean \"%s\"?", best);
	}
	return mr_parse_fail(p, t, hint, "unknown statement %s", mr_parse_quote(p, t));
}

/*
 * A brace or a quote was forgotten above: at the margin stands what only the top level knows, with
 * a block of its own.  To go on there costs one complaint instead of one for every line that
 * follows.
 */
static bool back_at_top(const struct mr_parser *p)
{
	static const char *const words[] = { "set",	 "service", "global", "proxies", "permit",
					     "ban",	 "learn",   "format", "relay",	 "account",
					     "accounts", "listen",  "dovecot" };
	const struct mr_token *t = &p->token;
	const char *end = p->lexer.end;

	if (t->kind != MR_TOKEN_WORD || t->column != 1)
		return false;
	for (const struct mr_statement *s = p->block->table; s->parse; s++)
		if (s->name && mr_word_is(t, s->name))
			return false;
	for (size_t i = 0; i < MR_ARRAY_SIZE(words); i++)
		if (mr_word_is(t, words[i]))
			for (const char *c = t->text; c < end && *c != '\n'; c++)
				if (*c == '{')
					return true;
	return false;
}

/* Skips to the end of the statement that began at this depth of braces. */
static void recover(struct mr_parser *p, unsigned int depth)
{
	for (;;) {
		enum mr_token_kind kind = p->token.kind;

		if (kind == MR_TOKEN_END || (kind == MR_TOKEN_CLOSE && p->depth <= depth) ||
		    back_at_top(p))
			return;
		mr_lexer_next(p);
		if (kind == MR_TOKEN_SEMICOLON && p->depth <= depth)
			return;
		if (kind == MR_TOKEN_CLOSE && p->depth <= depth)
			return;
	}
}

static int include(struct mr_parser *p, struct mr_block *block);

static int statement(struct mr_parser *p, struct mr_block *b)
{
	const struct mr_statement *s = b->table;
	struct mr_token keyword = p->token;

	for (; s->parse; s++) {
		if (!s->name && (keyword.kind == MR_TOKEN_WORD || keyword.kind == MR_TOKEN_STRING))
			return s->parse(p, &keyword, b->context);
		if (s->name && mr_word_is(&keyword, s->name))
			break;
	}
	if (!s->parse)
		return unknown_statement(p, b->table);
	if (s->once) {
		unsigned int *first = &b->first[s - b->table];

		if (*first)
			return mr_parse_fail(p, &keyword, "keep one of them",
					     "\"%s\" stands twice in this block, first in line %u",
					     s->name, *first);
		*first = keyword.line;
	}
	mr_lexer_next(p);
	return s->parse(p, &keyword, b->context);
}

/* `open` is the brace that began the block in this file, NULL at the level of the file. */
static int statements(struct mr_parser *p, struct mr_block *b, const struct mr_token *open)
{
	struct mr_block *outer = p->block;
	int r = 0;

	p->block = b;
	while (r == 0) {
		unsigned int depth = p->depth;

		if (p->findings->errors - p->errors_before >= MR_ERRORS_STOP) {
			r = -E2BIG;
			break;
		}
		if (p->token.kind == MR_TOKEN_END || (open && back_at_top(p))) {
			if (open)
				mr_parse_fail(p, open, "add \"}\" where the block should end",
					      "this block is never closed");
			break;
		}
		if (p->token.kind == MR_TOKEN_CLOSE) {
			if (open) {
				mr_lexer_next(p);
				break;
			}
			mr_parse_fail(p, &p->token,
				      "remove it, or look for a block closed too early",
				      "\"}\" closes nothing: no block is open in this file");
			mr_lexer_next(p);
			continue;
		}
		if (p->token.kind == MR_TOKEN_SEMICOLON || p->token.kind == MR_TOKEN_BAD) {
			mr_lexer_next(p);
			continue;
		}
		r = mr_word_is(&p->token, "include") ? include(p, b) : statement(p, b);
		if (r == -EINVAL) {
			recover(p, depth);
			r = 0;
		}
	}
	p->block = outer;
	return r;
}

int mr_parse_block(struct mr_parser *p, const struct mr_statement *table, bool list, void *context)
{
	struct mr_block b = { .table = table, .context = context, .list = list };
	struct mr_token open = p->token;

	if (open.kind != MR_TOKEN_OPEN)
		return mr_parse_fail(p, &open, NULL, "\"{\" was expected, not %s",
				     mr_parse_quote(p, &open));
	mr_lexer_next(p);
	return statements(p, &b, &open);
}

/* What follows could be a statement of its own: only the semicolon is missing. */
static bool begins_statement(const struct mr_parser *p)
{
	const struct mr_token *t = &p->token;

	if (t->kind == MR_TOKEN_CLOSE || t->kind == MR_TOKEN_END || t->line > p->last_line)
		return true;
	for (const struct mr_statement *s = p->block->table; s->parse; s++)
		if (s->name && mr_word_is(t, s->name))
			return true;
	return false;
}

int mr_parse_end(struct mr_parser *p)
{
	struct mr_token behind = {
		.kind = MR_TOKEN_WORD, .line = p->last_line, .column = p->last_column, .width = 1
	};

	if (p->token.kind == MR_TOKEN_SEMICOLON) {
		mr_lexer_next(p);
		return 0;
	}
	if (p->token.kind == MR_TOKEN_CLOSE && p->block->list)
		return 0;
	if (p->token.kind == MR_TOKEN_BAD)
		return -EINVAL;
	if (begins_statement(p)) {
		mr_parse_fail(p, &behind, "end the statement with \";\"",
			      "\";\" is missing before %s", mr_parse_quote(p, &p->token));
		return 0;
	}
	return mr_parse_fail(p, &p->token, "end the statement with \";\"",
			     "\";\" was expected, not %s", mr_parse_quote(p, &p->token));
}

/* --- files and includes */

const char *mr_parse_resolve(struct mr_parser *p, const char *path, size_t len)
{
	const char *slash = strrchr(p->policy->files[p->lexer.file], '/');
	const char *base = p->policy->files[p->lexer.file];

	if (len == 0 || *path == '/' || !slash)
		return mr_arena_copy(p->arena, path, len);
	return mr_arena_printf(p->arena, "%.*s%.*s", (int)(slash - base + 1), base, (int)len, path);
}

int mr_parse_add_file(struct mr_parser *p, const char *path, uint16_t *out)
{
	struct mr_policy *y = p->policy;
	size_t n = y->n_files;
	int r;

	if (n >= MR_FILES_MAX)
		return mr_parse_fail(p, &p->token, NULL, "more than %d files", MR_FILES_MAX);
	r = mr_arena_grow(p->arena, &y->files, n, sizeof(*y->files));
	if (r < 0)
		return r;
	r = mr_grow(&p->text, &p->allocated_text, n, sizeof(*p->text));
	if (r < 0)
		return r;
	p->text[n] = (struct mr_source_text){ 0 };
	y->files[n] = path;
	y->n_files = n + 1;
	p->n_text = n + 1;
	*out = (uint16_t)n;
	return 0;
}

/* An unreadable file is an error at the token that names it; the main file has none to be at. */
static int unreadable(struct mr_parser *p, const char *path, const struct mr_token *named_by, int r)
{
	const char *reason = r == -EINVAL ? "it is no regular file" : strerror(-r);
	struct mr_spot s = { .path = path };

	if (r == -ENOMEM)
		return r;
	if (named_by) {
		mr_parse_fail(p, named_by,
			      r == -EFBIG
				      ? "4 MiB are the most: long lists belong into a set's file"
			      : r == -ENOENT ? "a pattern, like conf.d/*.conf, may fit no file"
			      : r == -EACCES ? MR_HINT_READABLE
					     : NULL,
			      "cannot read %s: %s", path, reason);
		return 0;
	}
	mr_findings_add(p->findings, MR_ERROR, &s,
			r == -EFBIG    ? "4 MiB are the most: long lists belong into a set's file"
			: r == -EACCES ? MR_HINT_READABLE
				       : NULL,
			"cannot read the configuration: %s", reason);
	return r;
}

static int parse_opened(struct mr_parser *p, const char *path, uint16_t file,
			struct mr_block *block)
{
	struct mr_frame frame = { .path = path, .file = file, .outer = p->frame };
	struct mr_lexer lexer = p->lexer;
	struct mr_token token = p->token;
	unsigned int depth = p->depth, line = p->last_line, column = p->last_column;
	int r;

	p->frame = &frame;
	p->includes++;
	mr_lexer_open(p, file, p->text[file].data, p->text[file].len);
	r = statements(p, block, NULL);
	p->includes--;
	p->frame = frame.outer;
	p->lexer = lexer;
	p->token = token;
	p->depth = depth;
	p->last_line = line;
	p->last_column = column;
	return r;
}

/* The same text under the same name: the way to it may be written differently at every turn. */
static bool is_open(const struct mr_parser *p, const char *path, const char *data, size_t len)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (const struct mr_frame *f = p->frame; f; f = f->outer) {
		const struct mr_source_text *t = &p->text[f->file];

		slash = strrchr(f->path, '/');
		if (strcmp(slash ? slash + 1 : f->path, name) == 0 && t->len == len && len &&
		    memcmp(t->data, data, len) == 0)
			return true;
	}
	return false;
}

int mr_parse_file(struct mr_parser *p, const char *path, const struct mr_token *named_by,
		  struct mr_block *block)
{
	char *owned = NULL;
	const char *data;
	uint16_t file;
	size_t len;
	int r;

	r = mr_files_get(p->files, path, MR_CONFIG_MAX, &data, &len, &owned);
	if (r < 0)
		return unreadable(p, path, named_by, r);
	if (named_by && is_open(p, path, data, len)) {
		free(owned);
		mr_parse_fail(p, named_by, "take the include out of one of them",
			      "include loop: %s is being read already", path);
		return 0;
	}
	r = mr_parse_add_file(p, path, &file);
	if (r < 0) {
		free(owned);
		return r;
	}
	p->text[file] = (struct mr_source_text){ .data = data, .len = len, .owned = owned };
	p->n_configs++;
	return parse_opened(p, path, file, block);
}

static int include_one(struct mr_parser *p, const char *path, const struct mr_token *t,
		       struct mr_block *block)
{
	if (p->includes >= MR_INCLUDE_DEPTH) {
		mr_parse_fail(p, t, "do the files include each other?",
			      "includes within includes, more than %d deep", MR_INCLUDE_DEPTH);
		return 0;
	}
	if (p->n_configs >= MR_CONFIGS_MAX) {
		mr_parse_fail(p, t, "do the files include each other?",
			      "more than %d configuration files", MR_CONFIGS_MAX);
		return 0;
	}
	return mr_parse_file(p, path, t, block);
}

static int include(struct mr_parser *p, struct mr_block *block)
{
	const char *pattern;
	struct mr_token t;
	char **paths;
	size_t n;
	int r;

	mr_lexer_next(p);
	t = p->token;
	if (t.kind != MR_TOKEN_STRING && t.kind != MR_TOKEN_WORD)
		return mr_parse_fail(p, &t, "include \"conf.d/*.conf\";",
				     "a file name was expected, not %s", mr_parse_quote(p, &t));
	if (t.len == 0)
		return mr_parse_fail(p, &t, NULL, "an empty file name");
	pattern = mr_parse_resolve(p, t.text, t.len);
	if (!pattern)
		return -ENOMEM;
	mr_lexer_next(p);
	r = mr_parse_end(p);
	if (r < 0)
		return r;
	if (!strpbrk(pattern, "*?["))
		return include_one(p, pattern, &t, block);
	r = mr_files_glob(p->files, pattern, &paths, &n);
	if (r < 0)
		return unreadable(p, pattern, &t, r);
	for (size_t i = 0; i < n && r == 0; i++) {
		const char *path = mr_arena_copy(p->arena, paths[i], strlen(paths[i]));

		r = path ? include_one(p, path, &t, block) : -ENOMEM;
	}
	mr_files_free_glob(paths, n);
	return r;
}
