/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * term.h - text for people: colours on a terminal only, columns that line up, bytes that cannot
 * steer a terminal.
 */
#ifndef MAILREEVE_CTL_TERM_H
#define MAILREEVE_CTL_TERM_H

#include "ctl.h"

#include <jansson.h>
#include <mailreeve/report.h>

static inline void mr_jsonp(json_t **j)
{
	json_decref(*j);
}
#define _json_ _cleanup_(mr_jsonp)

enum mr_colour { MR_PLAIN, MR_BOLD, MR_DIM, MR_GREEN, MR_RED, MR_YELLOW };

/* Escape sequences, "" unless `out` is a terminal (and NO_COLOR is unset, TERM not dumb). */
const char *mr_term_on(FILE *out, enum mr_colour c);
const char *mr_term_off(FILE *out);

/* Text of files and of the daemon: control characters but newline and tab become '?'. */
void mr_term_text(const char *text, FILE *out);
void mr_term_json(const json_t *j); /* one line on standard output */
/* json_string_value, but never NULL; "file:line" of an object, "" without one. */
const char *mr_term_string(const json_t *object, const char *key);
#define MR_TERM_PLACE 512
const char *mr_term_place(const json_t *object, char buf[static MR_TERM_PLACE]);

#define MR_TABLE_COLUMNS 12
struct mr_table {
	size_t columns, n, allocated; /* n: cells in use */
	char **cells;
	unsigned int right; /* bits: columns of numbers */
};
/* The first row is the heading.  `row` takes `columns` strings. */
int mr_table_row(struct mr_table *t, ...);
void mr_table_print(const struct mr_table *t, FILE *out);
void mr_table_clear(struct mr_table *t);
#define _table_ _cleanup_(mr_table_clear)

#endif
