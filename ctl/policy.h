/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h - a configuration file, read by the command itself: check, why -c, replay.
 */
#ifndef MAILREEVE_CTL_POLICY_H
#define MAILREEVE_CTL_POLICY_H

#include "ctl.h"

#include <mailreeve/config.h>

/* The host as the kernel shows it; where it shows nothing, loopback only, and that is said. */
enum mr_exit mr_policy_host(struct mr_host **out);
/* Errors of the file go to standard error, whole; the status is MR_EXIT_USAGE then. */
enum mr_exit mr_policy_read(const char *path, const struct mr_host *host, struct mr_policy **out);
/* The findings of one grade after the other, control characters made harmless. */
void mr_policy_findings(const struct mr_findings *f, bool errors_only, FILE *out);

#endif
