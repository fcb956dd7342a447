/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h - lists of hosts and mail addresses, in memory: kill, accept and groups files.
 *
 * A hash of words, compared without regard to ASCII case.  Made in one go and never changed; a
 * file that changed makes a new one.
 */
#ifndef MAILREEVE_NAMES_H
#define MAILREEVE_NAMES_H

#include <mailreeve/util.h>

enum mr_names_kind {
	MR_NAMES_KILL, /* user@host, @host, @*suffix */
	MR_NAMES_ACCEPT, /* host, user@host, a literal address */
	MR_NAMES_GROUPS, /* user@host, user */
};
#define MR_NAMES_FILE_MAX (16u << 20) /* bytes of a file: half a million lines, read in 50 ms */
#define MR_NAMES_LINE_MAX 512 /* bytes of a line: an address has 320 at most */

struct mr_names;
void mr_names_free(struct mr_names *n);
MR_DEFINE_CLEANUP(struct mr_names *, mr_names_free)

/* One name a line, `#` and `;` start comments.  -EINVAL: *e says which line and why. */
int mr_names_parse(const char *data, size_t len, const char *path, enum mr_names_kind kind,
		   struct mr_names **out, struct mr_error *e);
int mr_names_read(const char *path, enum mr_names_kind kind, struct mr_names **out,
		  struct mr_error *e);
int mr_names_words(const char *const *words, size_t n, struct mr_names **out);

/* NULL holds nothing. */
bool mr_names_has(const struct mr_names *n, const char *text, size_t len);
/* By the rules of a kill file: the address, its host, or a suffix of its host. */
bool mr_names_kills(const struct mr_names *n, const char *address);
size_t mr_names_count(const struct mr_names *n);

#endif
