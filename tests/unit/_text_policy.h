/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _text_policy.h - a policy from a text in the test itself.
 */
#ifndef TESTS_TEXT_POLICY_H
#define TESTS_TEXT_POLICY_H

#include <mailreeve/config.h>

/* Fails the test if the text does not load. */
struct mr_policy *text_policy(const char *text);
/* Asserts that it is one. */
struct mr_addr text_addr(const char *text);

#endif
