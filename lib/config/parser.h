/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parser.h - what the files of lib/config share: tokens, blocks, findings.
 *
 * A statement is a line in a table: its keyword and the function that parses what follows.  A
 * handler is called with the current token behind the keyword and reads to the end of its
 * statement.  It returns 0 (also when it reported something but knows where the statement ends),
 * -EINVAL when it reported an error and is lost within the statement (the block loop then skips to
 * its end), or another -errno that ends the load.
 */
#ifndef MAILREEVE_CONFIG_PARSER_H
#define MAILREEVE_CONFIG_PARSER_H

#include <mailreeve/config.h>

#include "../arena.h"

#define MR_TOKEN_MAX   1024 /* bytes; the longest thing worth naming is a path */
#define MR_ERRORS_STOP 1000 /* errors after which a load gives up: this is no configuration */
#define MR_CONFIGS_MAX 1024 /* configuration files of one load: include trees stay finite */
#define MR_FILES_MAX   65535 /* files of one load: an item's file is a uint16_t */
#define MR_USERS_MAX   65536 /* words of one list */
#define MR_DURATION_MAX \
	(3650ull * 86400 * 1000000) /* microseconds: ten years, no overflow anywhere */

enum mr_token_kind {
	MR_TOKEN_END,
	MR_TOKEN_WORD,
	MR_TOKEN_STRING,
	MR_TOKEN_OPEN,
	MR_TOKEN_CLOSE,
	MR_TOKEN_SEMICOLON,
	MR_TOKEN_BAD, /* reported already */
};
struct mr_token {
	enum mr_token_kind kind;
	const char *text; /* of a string: without quotes and escapes; not NUL-terminated */
	size_t len;
	unsigned int line, column, width;
};

struct mr_lexer {
	const char *at, *end;
	unsigned int line, column; /* of `at` */
	uint16_t file;
};

struct mr_parser;
struct mr_statement {
	const char *name; /* NULL: takes every other word or string, which is then still current */
	int (*parse)(struct mr_parser *p, const struct mr_token *keyword, void *context);
	bool once; /* twice in one block is an error */
};
#define MR_STATEMENTS_MAX 24 /* statements of one table */
struct mr_block {
	const struct mr_statement *table; /* ends with parse NULL */
	void *context;
	bool list; /* the `;` before `}` may be left out */
	unsigned int first[MR_STATEMENTS_MAX]; /* line where a `once` statement stood */
};

struct mr_service_use { /* a service named before all services are known */
	const char *name;
	struct mr_place place;
};
struct mr_frame { /* configuration files that are open, innermost first */
	const char *path;
	uint16_t file;
	const struct mr_frame *outer;
};
struct mr_source_text {
	const char *data; /* NULL: a list */
	size_t len;
	char *owned;
};

struct mr_parser {
	const char *path;
	struct mr_policy *policy;
	struct mr_arena **arena; /* the policy's */
	struct mr_files *files; /* NULL: read the disk, keep nothing */
	const struct mr_host *host; /* NULL: unknown */
	struct mr_findings *findings;
	size_t errors_before; /* the caller may collect over several loads */

	struct mr_lexer lexer;
	struct mr_token token; /* current, not consumed */
	unsigned int last_line, last_column; /* end of the token consumed last */
	unsigned int depth; /* braces open in this file */
	struct mr_block *block;

	const struct mr_frame *frame;
	unsigned int includes; /* depth */
	size_t n_configs;
	struct mr_source_text *text; /* by file index */
	size_t n_text, allocated_text;

	struct mr_place *set_use; /* first use of each named set, by set index */
	size_t n_set_use;
	struct mr_service_use *service_use;
	size_t n_service_use;
	uint8_t port_owner[65536]; /* position of the service + 1 */
	bool has_global, too_many_rules;
	struct mr_place global_place;
	bool learn_from_start;
	uint64_t learn_since_us;
	void *account_names; /* tree of tsearch(): which there are */
};

/* findings.c */
struct mr_spot {
	const char *path;
	const char *line_text; /* start of the line of text, or NULL */
	size_t line_len;
	unsigned int line, column, width;
};
void mr_findings_add(struct mr_findings *f, enum mr_grade grade, const struct mr_spot *spot,
		     const char *hint, const char *fmt, ...) _printf_(5, 6);
void mr_findings_vadd(struct mr_findings *f, enum mr_grade grade, const struct mr_spot *spot,
		      const char *hint, const char *fmt, va_list ap) _printf_(5, 0);
/* In the order of the text, from index `from` on: they are found in several passes. */
void mr_findings_sort(struct mr_findings *f, size_t from, const struct mr_policy *p);
bool mr_findings_wants(const struct mr_findings *f, enum mr_grade grade); /* will it be listed? */

/* words.c */
int mr_word_duration(const char *text, size_t len, uint64_t *us, const char **why);
const char *mr_word_duration_text(struct mr_arena **a, uint64_t us);
bool mr_word_is(const struct mr_token *t, const char *word); /* a bare word, not a string */
/* The text in quotes for a message: cut at 40 bytes, what does not print escaped. */
const char *mr_word_quote(struct mr_arena **a, const char *text, size_t len);
/* As it must stand in a file: bare if it can, else in quotes. */
const char *mr_word_print(struct mr_arena **a, const char *text);
/* Did you mean?  Call once for each candidate with *best = NULL, *distance = 0 at first. */
void mr_word_closer(const char *text, size_t len, const char *candidate, const char **best,
		    unsigned int *distance);
bool mr_word_utf8(const char *text, size_t len);

/* lexer.c */
void mr_lexer_open(struct mr_parser *p, uint16_t file, const char *data, size_t len);
void mr_lexer_next(struct mr_parser *p); /* consumes the current token, reads the next */

/* parse.c: the parts that handlers are made of */
#define MR_HINT_READABLE \
	"whoever loads the policy must be able to read it: the daemon does so as its own user, " \
	"mailreeve"
int mr_parse_fail(struct mr_parser *p, const struct mr_token *t, const char *hint, const char *fmt,
		  ...) _printf_(4, 5); /* always -EINVAL */
void mr_parse_find(struct mr_parser *p, enum mr_grade grade, struct mr_place at, const char *hint,
		   const char *fmt, ...) _printf_(5, 6);
const char *mr_parse_quote(struct mr_parser *p, const struct mr_token *t);
const char *mr_parse_hint(struct mr_parser *p, const char *fmt, ...) _printf_(2, 3);
struct mr_place mr_parse_place(const struct mr_parser *p, const struct mr_token *t);
const char *mr_parse_where(struct mr_parser *p, struct mr_place at); /* "line 3", "FILE:3" */
int mr_parse_block(struct mr_parser *p, const struct mr_statement *table, bool list, void *context);
int mr_parse_file(struct mr_parser *p, const char *path, const struct mr_token *named_by,
		  struct mr_block *block);
int mr_parse_end(struct mr_parser *p); /* the semicolon */
int mr_parse_number(struct mr_parser *p, const char *what, unsigned long min, unsigned long max,
		    unsigned long *out);
int mr_parse_duration(struct mr_parser *p, uint64_t *us);
int mr_parse_choice(struct mr_parser *p, const char *what, const char *const *choices, int *out);
int mr_parse_text(struct mr_parser *p, const char *what, const char **out); /* word or string */
int mr_parse_path(struct mr_parser *p, const char **out); /* resolved against this file */
/* { word word … }; `check` may be NULL. */
typedef int mr_word_check(struct mr_parser *p, const struct mr_token *t);
int mr_parse_words(struct mr_parser *p, const char *what, mr_word_check *check,
		   const char *const **out, size_t *n);
int mr_parse_services(struct mr_parser *p, const char *const **out, size_t *n);
int mr_parse_add_file(struct mr_parser *p, const char *path, uint16_t *out);
const char *mr_parse_resolve(struct mr_parser *p, const char *path, size_t len);
const char *mr_parse_keep(struct mr_parser *p, const struct mr_token *t); /* a copy, or NULL */

/* parse_set.c */
int mr_parse_set(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_proxies(struct mr_parser *p, const struct mr_token *keyword, void *context);
/* The slot of a set, made on first use; `sigil`: the token begins with @. */
int mr_parse_set_named(struct mr_parser *p, const struct mr_token *t, bool sigil, size_t *out);
int mr_parse_set_new(struct mr_parser *p, struct mr_place place, size_t *out);
/* A literal: address, CIDR, address and netmask, range.  Adds to the set, *text its normal form.
 * -ENOENT: the current token is none, nothing reported. */
int mr_parse_literal(struct mr_parser *p, size_t set, const char **text);
int mr_parse_sets_check(struct mr_parser *p); /* unknown ones; seals all */

/* parse_rule.c */
int mr_parse_rule(struct mr_parser *p, const struct mr_token *keyword, void *service);
int mr_parse_source(struct mr_parser *p, struct mr_source *out, const char **text);

/* parse_service.c */
int mr_parse_service(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_global(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_services_check(struct mr_parser *p);

/* parse_entries.c, parse_learn.c, parse_relay.c, parse_listen.c, parse_dovecot.c */
int mr_parse_permit(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_ban(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_learn(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_format(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_learn_check(struct mr_parser *p);
int mr_parse_relay(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_listen(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_account(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_accounts(struct mr_parser *p, const struct mr_token *keyword, void *context);
int mr_parse_dovecot(struct mr_parser *p, const struct mr_token *keyword, void *context);

/* check.c: risks and notes of a policy that has no errors */
void mr_check_policy(struct mr_parser *p);
bool mr_check_covers(const struct mr_policy *p, const struct mr_rule *outer,
		     const struct mr_rule *inner);

/* files.c */
int mr_files_get(struct mr_files *files, const char *path, size_t max, const char **data,
		 size_t *len, char **owned);
int mr_files_glob(struct mr_files *files, const char *pattern, char ***paths, size_t *n);
void mr_files_free_glob(char **paths, size_t n);

/* list.c */
#define MR_LIST_LINE_MAX 4096 /* bytes of one line; blocklists stay below 200 */
struct mr_list {
	struct mr_set *set;
	struct mr_findings *findings;
	const char *path;
	uint16_t file;
	bool lenient;
	uint32_t line; /* lines read so far */
	uint32_t first_masked; /* line, 0 = none */
	size_t masked, errors;
};
/* Reads whole lines from data, which is followed by a NUL.  -ENOMEM, or 0: errors are findings. */
int mr_list_scan(struct mr_list *l, const char *data, size_t len);
/* The whole file, through `files` if that keeps it; else a piece at a time. */
int mr_list_read(struct mr_list *l, struct mr_files *files);

#endif
