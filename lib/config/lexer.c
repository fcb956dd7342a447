// SPDX-License-Identifier: BSD-2-Clause
/*
 * lexer.c - a configuration file cut into words, strings, braces and semicolons.
 *
 * One token at a time, straight from the text; only strings with escapes are copied.  Columns are
 * counted in characters as the text goes by, so that a file of one line costs no more than another.
 * Called by parse.c alone.  What is no text (control characters, a string without end, bytes that
 * are not UTF-8) is reported and becomes a BAD token; a NUL byte ends the file.
 */
#include "parser.h"

#include <string.h>

void mr_lexer_open(struct mr_parser *p, uint16_t file, const char *data, size_t len)
{
	struct mr_lexer *l = &p->lexer;

	*l = (struct mr_lexer){
		.at = data, .end = data + len, .line = 1, .column = 1, .file = file
	};
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
		l->at += 3;
	p->token = (struct mr_token){ .kind = MR_TOKEN_SEMICOLON, .line = 1, .column = 1 };
	p->depth = 0;
	mr_lexer_next(p);
}

/* Steps over one byte; the bytes behind the first of a character take no column. */
static void step(struct mr_lexer *l)
{
	unsigned char c = (unsigned char)*l->at++;

	if (c == '\n') {
		l->line++;
		l->column = 1;
	} else if ((c & 0xc0) != 0x80) {
		l->column++;
	}
}

static void skip_blank(struct mr_lexer *l)
{
	while (l->at < l->end) {
		char c = *l->at;

		if (c == '#')
			while (l->at < l->end && *l->at != '\n' && *l->at != '\0')
				step(l);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			step(l);
		else
			return;
	}
}

static bool in_word(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != '{' && c != '}' && c != ';' && c != '"' && c != '#';
}

static void bad(struct mr_parser *p, struct mr_token *t, const char *hint, const char *message)
{
	mr_parse_fail(p, t, hint, "%s", message);
	t->kind = MR_TOKEN_BAD;
}

static void check_text(struct mr_parser *p, struct mr_token *t)
{
	if (t->len > MR_TOKEN_MAX) {
		t->width = 1;
		bad(p, t, NULL, "a word of more than 1024 bytes");
	} else if (!mr_word_utf8(t->text, t->len)) {
		bad(p, t, "write it in UTF-8, or leave it out", "this is not UTF-8 text");
	}
}

static void read_word(struct mr_parser *p, struct mr_token *t)
{
	struct mr_lexer *l = &p->lexer;

	t->kind = MR_TOKEN_WORD;
	while (l->at < l->end && in_word((unsigned char)*l->at))
		step(l);
	t->len = (size_t)(l->at - t->text);
	t->width = l->column - t->column;
	check_text(p, t);
}

static void read_string(struct mr_parser *p, struct mr_token *t)
{
	struct mr_lexer *l = &p->lexer;
	bool escaped = false;
	const char *start;

	t->kind = MR_TOKEN_STRING;
	step(l);
	start = l->at;
	while (l->at < l->end && *l->at != '"') {
		unsigned char c = (unsigned char)*l->at;

		if (c < ' ' && c != '\t')
			break;
		if (c == '\\') {
			escaped = true;
			step(l);
			if (l->at >= l->end || (*l->at != '"' && *l->at != '\\'))
				continue;
		}
		step(l);
	}
	t->text = start;
	t->len = (size_t)(l->at - start);
	t->width = l->column - t->column;
	if (l->at >= l->end || *l->at != '"') {
		bad(p, t, "end it with \" on the same line", "a string without end");
		return;
	}
	step(l);
	t->width++;
	check_text(p, t);
	if (escaped && t->kind == MR_TOKEN_STRING) {
		char *copy = mr_arena_copy(p->arena, t->text, t->len), *to = copy;

		if (!copy) {
			bad(p, t, NULL, "out of memory");
			return;
		}
		for (size_t i = 0; i < t->len; i++) {
			if (copy[i] == '\\' && i + 1 < t->len &&
			    (copy[i + 1] == '"' || copy[i + 1] == '\\'))
				i++;
			*to++ = copy[i];
		}
		t->text = copy;
		t->len = (size_t)(to - copy);
	}
}

void mr_lexer_next(struct mr_parser *p)
{
	struct mr_lexer *l = &p->lexer;
	struct mr_token t = { 0 };

	if (p->token.kind == MR_TOKEN_OPEN)
		p->depth++;
	else if (p->token.kind == MR_TOKEN_CLOSE && p->depth > 0)
		p->depth--;
	p->last_line = p->token.line;
	p->last_column = p->token.column + p->token.width;
	skip_blank(l);
	t.text = l->at;
	t.line = l->line;
	t.column = l->column;
	t.width = 1;
	if (l->at >= l->end) {
		t.kind = MR_TOKEN_END;
	} else if (*l->at == '{' || *l->at == '}' || *l->at == ';') {
		t.kind = *l->at == '{'	 ? MR_TOKEN_OPEN
			 : *l->at == '}' ? MR_TOKEN_CLOSE
					 : MR_TOKEN_SEMICOLON;
		t.len = 1;
		step(l);
	} else if (*l->at == '"') {
		read_string(p, &t);
	} else if (in_word((unsigned char)*l->at)) {
		read_word(p, &t);
	} else if (*l->at == '\0') {
		bad(p, &t, "is it a text file?", "a NUL byte; nothing behind it was read");
		l->at = l->end;
	} else {
		bad(p, &t, "remove it", "a control character");
		step(l);
	}
	p->token = t;
}
