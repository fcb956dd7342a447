/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * template.h - the wording of one log line as an administrator states it: format { login "…"; }.
 *
 *   user <user> logged in from <addr>
 *
 * Everything is literal but <user> and <session> (bytes without a blank, at least one), <addr> (an
 * IPv4 or IPv6 address) and <any> (whatever, nothing too).  The whole message must match, and in
 * one way only: where a client could choose a text so that two readings are possible, there is
 * none.  Other words in angle brackets are literal, as in user=<<user>>.
 */
#ifndef MAILREEVE_TEMPLATE_H
#define MAILREEVE_TEMPLATE_H

#include <mailreeve/event.h>

struct mr_template;

/* What is wrong with a template, and where. */
struct mr_template_error {
	size_t at, n; /* bytes of the text */
	const char *message, *hint; /* static */
};

/* A login must name a user.  -EINVAL: *e says why; -ENOMEM. */
int mr_template_new(const char *text, size_t n, enum mr_event_kind kind, struct mr_template **out,
		    struct mr_template_error *e);
void mr_template_free(struct mr_template *t);
MR_DEFINE_CLEANUP(struct mr_template *, mr_template_free)

#define MR_TEMPLATE_LINE 4096 /* bytes: a longer message matches no template */
/* Fills addr, user, session and kind of *out. */
bool mr_template_match(const struct mr_template *t, struct mr_str message, struct mr_event *out);

#endif
