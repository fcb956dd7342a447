/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_rows.h - rows of database tables, from an SQL dump or from tab-separated text.
 */
#ifndef MAILREEVE_CTL_IMPORT_ROWS_H
#define MAILREEVE_CTL_IMPORT_ROWS_H

#include "import.h"

#define MR_IMPORT_COLUMNS_MAX 256 /* of a table; ISPConfig's widest has about 60 */

struct mr_import_row {
	const char *table; /* NULL: tab-separated, tell it by its columns */
	const struct mr_text *names, *values; /* a value that is NULL has p NULL */
	size_t n;
};
/* A column of the row; false: there is none, or it is NULL. */
bool mr_import_column(const struct mr_import_row *row, const char *name, struct mr_text *out);

typedef int (*mr_import_row_fn)(struct mr_import *i, const struct mr_import_row *row,
				void *userdata);
/* Texts are decoded in place and live as long as data.  `tables` (NULL at its end) are read, others
 * passed over; `order` are the columns of the first of them, where the dump does not name them. */
int mr_import_rows(struct mr_import *i, char *data, size_t len, const char *const *tables,
		   const char *const *order, mr_import_row_fn each, void *userdata);

#endif
