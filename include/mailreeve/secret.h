/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret.h - files that hold one secret word: the API secret, a database password.
 */
#ifndef MAILREEVE_SECRET_H
#define MAILREEVE_SECRET_H

#include <mailreeve/util.h>
#include <sys/stat.h>

#define MR_SECRET_BYTES 512 /* of a secret file */

/* May `user` take this file for a secret?  Neither may others read it, nor write to it, nor may it
 * belong to anybody but him and root.  -EPERM with *e: what is wrong, and what mends it. */
int mr_secret_kept(const char *path, const struct stat *st, uid_t user, struct mr_error *e);
/* The first line, malloc'ed.  -EPERM: it is not kept; -ENODATA: it is empty; *e says the way
 * out.  */
int mr_secret_read(const char *path, char **out, struct mr_error *e);
/* The same; a file that is not there is made, mode 0640, with 256 random bits in hexadecimal. */
int mr_secret_read_or_make(const char *path, char **out, struct mr_error *e);

#endif
