/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_json.h - findings for programs: the object of `check --json`.
 */
#ifndef MAILREEVE_CONFIG_JSON_H
#define MAILREEVE_CONFIG_JSON_H

#include <jansson.h>
#include <mailreeve/config.h>

/* {"errors":[{"file","line","column","message","hint"}],"risks":[…],"notes":[…]}; line, column and
 * hint are null where there is none.  NULL for want of memory. */
json_t *mr_findings_json(const struct mr_findings *f);

#endif
