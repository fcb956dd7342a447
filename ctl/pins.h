/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pins.h - what the command can see and do without the daemon: the pinned kernel objects, and the
 * daemon's note of what the active generation is.
 */
#ifndef MAILREEVE_CTL_PINS_H
#define MAILREEVE_CTL_PINS_H

#include "term.h"

struct mr_pins {
	struct mr_kernel *kernel;
	json_t *generation; /* generation.json; null if there is none */
};

/* Failure is told; *none not NULL: that nothing is pinned is not told, but noted there. */
enum mr_exit mr_pins_open(const struct mr_ctl *ctl, struct mr_pins *out, bool *none);
void mr_pins_close(struct mr_pins *p);
#define _pins_ _cleanup_(mr_pins_close)

/* What `status`, `rules`, `stats` and `detach` print then. */
enum mr_exit mr_pins_status(const struct mr_ctl *ctl, json_t **out, bool *none);
enum mr_exit mr_pins_rules(const struct mr_ctl *ctl, const char *service, json_t **out);
enum mr_exit mr_pins_stats(const struct mr_ctl *ctl, json_t **out);
enum mr_exit mr_pins_detach(const struct mr_ctl *ctl, unsigned int *detached);

#endif
