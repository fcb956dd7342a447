/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_postfix.h - what the parts of the Postfix importer share: rules as they are gathered.
 */
#ifndef MAILREEVE_CTL_IMPORT_POSTFIX_H
#define MAILREEVE_CTL_IMPORT_POSTFIX_H

#include "import.h"

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
/* Reads one table and adds its rules; `type` is what stands before the colon in main.cf. */
int mr_import_table(struct mr_import *i, const char *type, const char *path, enum mr_import_use use,
		    struct mr_import_rules *rules);
int mr_import_add(struct mr_import *i, struct mr_import_rules *rules,
		  const struct mr_import_rule *rule);
/* Prints the rules to out; runs of the same kind become sets called `set`-…, printed to sets. */
void mr_import_rules_put(const struct mr_import_rules *rules, const char *set, FILE *sets,
			 FILE *out);
/* A logical line: those that begin with a blank continue it.  Comments and empty lines are passed
 * over; *buf keeps the text.  1: a line, 0: the end, or -ENOMEM.  i->line is its first. */
int mr_import_logical(struct mr_import *i, const char **at, const char *end, char **buf,
		      struct mr_text *line);

#endif
