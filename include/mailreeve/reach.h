/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reach.h - what the compiler found out about a policy, as findings: `check` and `apply` show them
 * beside those of the parser.
 */
#ifndef MAILREEVE_REACH_H
#define MAILREEVE_REACH_H

#include <mailreeve/config.h>
#include <mailreeve/image.h>

/* A risk for each rule that can never match, a note for each whose source is empty now.  A rule
 * that the parser's own check has named already is not named again. */
int mr_reach_findings(const struct mr_policy *p, const struct mr_image *i, struct mr_findings *f);
/* An error of the whole file: what mr_image_compile() said. */
int mr_reach_error(const struct mr_policy *p, const char *message, struct mr_findings *f);

#endif
