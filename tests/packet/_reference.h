/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _reference.h - a packet's fate in plain C, read off the manual, not off the program.
 *
 * The judge of the differential run.  Slow, and made to be read beside the text: each paragraph is
 * one step of it.  Knows the policy of _world.h, sessions only as "none" or "all".
 */
#ifndef MR_TEST_REFERENCE_H
#define MR_TEST_REFERENCE_H

#include "_world.h"

struct fate {
	enum mr_why why;
	bool answered; /* a reset goes out */
	int column; /* -1: no service */
	uint16_t outcome;
};
struct fate reference_fate(const uint8_t *frame, size_t n, bool l3, bool sessions_stand);

#endif
