/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _hostile.h - the lines of every server, with holes where a client can write.
 */
#ifndef MAILREEVE_TESTS_UNIT_HOSTILE_H
#define MAILREEVE_TESTS_UNIT_HOSTILE_H

#include <stddef.h>

#define HOSTILE_NONE (-1) /* no event, whatever stands in the holes */

struct hostile_template {
	const char *before; /* a line that is read first, with {A} */
	const char *line;
	int kind; /* enum mr_event_kind, or HOSTILE_NONE */
};

extern const struct hostile_template hostile_templates[];
extern const size_t hostile_count;

#endif
