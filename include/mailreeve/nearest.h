/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nearest.h - "did you mean": the known word that differs least from a mistyped one.
 */
#ifndef MAILREEVE_NEAREST_H
#define MAILREEVE_NEAREST_H

#include <mailreeve/util.h>

/* The i-th known word, NULL behind the last. */
typedef const char *(*mr_nearest_fn)(size_t i, const void *userdata);
/* NULL if no word is near enough to be meant. */
const char *mr_nearest(const char *word, mr_nearest_fn candidate, const void *userdata);

#endif
