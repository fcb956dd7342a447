/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_postfix.h - what the parts of the Postfix importer share: rules as they are gathered.
 */
#ifndef MAILREEVE_CTL_IMPORT_POSTFIX_H
#define MAILREEVE_CTL_IMPORT_POSTFIX_H

#include "import.h"

/* Parameters, of one file or several. */
struct mr_import_parameter;
struct mr_import_maincf {
	struct mr_import_parameter *parameter;
	size_t n, allocated;
};
/* "name = value" as one logical line; another line is told as an error.  0 or -ENOMEM. */
int mr_import_maincf_add(struct mr_import_maincf *m, struct mr_import *i,
			 const struct mr_text *line);
bool mr_import_maincf_is(const struct mr_text *line);
/* The value of a parameter, with its place in i; `instead`, or NULL, where it is not said.  *r is 0
 * or -ENOMEM. */
char *mr_import_maincf_value(const struct mr_import_maincf *m, struct mr_import *i,
			     const char *name, const char *instead, int *r);
/* The next word of a list; what stands in braces is part of it: { … }, inline:{ … }. */
bool mr_import_maincf_word(struct mr_text *rest, struct mr_text *word);
/* "hash:/etc/postfix/x": the type into buf, the path behind it; NULL: no table */
#define MR_IMPORT_TYPE 32
char *mr_import_maincf_table(const struct mr_text *word, char type[static MR_IMPORT_TYPE]);
void mr_import_maincf_clear(struct mr_import_maincf *m);

struct mr_import_rule {
	enum { MR_IMPORT_ALLOW, MR_IMPORT_DENY, MR_IMPORT_REJECT } action;
	bool noauth;
	char *domain; /* NULL: the prefix */
	struct mr_prefix prefix;
	size_t depth; /* tables that do not keep their order: how exact the key is */
	size_t order; /* as read */
};
struct mr_import_rules {
	struct mr_import_rule *v;
	size_t n, allocated, names, too_many; /* names: rules by name; too_many: left out */
};

/* What a table was asked for. */
enum mr_import_use {
	MR_IMPORT_ACCESS, /* who may talk */
	MR_IMPORT_RELAY, /* an OK relays */
	MR_IMPORT_NETWORKS, /* mynetworks: whatever it answers, who is in it relays */
	MR_IMPORT_SENDERS, /* by sender: becomes lines of a kill file */
};
/* Was the table made of lines of text, KEY and value? */
bool mr_import_hashed(const char *type);
/* Reads one table and adds its rules; `type` is what stands before the colon in main.cf. */
int mr_import_table(struct mr_import *i, const char *type, const char *path, enum mr_import_use use,
		    struct mr_import_rules *rules);
int mr_import_add(struct mr_import *i, struct mr_import_rules *rules,
		  const struct mr_import_rule *rule);
/* What stands behind a key becomes rule->action and noauth; false: nothing here does, told. */
bool mr_import_action(struct mr_import *i, const struct mr_text *line, const struct mr_text *value,
		      enum mr_import_use use, struct mr_import_rule *rule);
/* [2001:db8::]/32 without its brackets, in buf. */
#define MR_IMPORT_BRACKETS 64
struct mr_text mr_import_unbracket(struct mr_text word, char buf[static MR_IMPORT_BRACKETS]);

/* A cidr table, line by line. */
#define MR_IMPORT_NESTED 32 /* if within if; people write one or two */
struct mr_import_condition {
	struct mr_prefix prefix;
	bool except;
};
struct mr_import_cidr {
	struct mr_import_condition condition[MR_IMPORT_NESTED];
	unsigned int nested;
};
int mr_import_cidr_line(struct mr_import_cidr *c, struct mr_import *i, const struct mr_text *line,
			enum mr_import_use use, struct mr_import_rules *rules);
/* Prints the rules to out; runs of the same kind become sets called `set`-…, printed to sets. */
void mr_import_rules_put(const struct mr_import_rules *rules, const char *set, FILE *sets,
			 FILE *out);
/* A logical line: those that begin with a blank continue it.  Comments and empty lines are passed
 * over; *buf keeps the text.  1: a line, 0: the end, or -ENOMEM.  i->line is its first. */
int mr_import_logical(struct mr_import *i, const char **at, const char *end, char **buf,
		      struct mr_text *line);

#endif
