/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secret.h - files that hold one secret word: the API secret, a database password.
 */
#ifndef MAILREEVE_SECRET_H
#define MAILREEVE_SECRET_H

#include <mailreeve/util.h>

#define MR_SECRET_BYTES 512 /* of a secret file */

/* The first line, malloc'ed.  -EPERM: others may read it; -ENODATA: it is empty; *e says the way
 * out.  */
int mr_secret_read(const char *path, char **out, struct mr_error *e);
/* The same; a file that is not there is made, mode 0640, with 256 random bits in hexadecimal. */
int mr_secret_read_or_make(const char *path, char **out, struct mr_error *e);

#endif
