/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event.h - what one log line tells: who logged in, out, failed or attacked, and from where.
 *
 * Strings are borrowed from the line (or, where a format joins two lines, from the joiner) and live
 * until the next call.  They are hostile text: a user name is whatever a client sent.
 */
#ifndef MAILREEVE_EVENT_H
#define MAILREEVE_EVENT_H

#include <mailreeve/addr.h>
#include <mailreeve/policy.h>

struct mr_str {
	const char *p;
	size_t n;
};

enum mr_event_kind { MR_EV_LOGIN, MR_EV_LOGOUT, MR_EV_FAILURE, MR_EV_ABUSE };

/* The format of an event that Dovecot reported over HTTP (authpolicy.h): the log may tell of the
 * same attempt, too. */
#define MR_FORMAT_REPORT "dovecot-report"

/* May the server write such a line twice, with the same stamp and words? */
enum mr_twice {
	MR_TWICE_NEVER,
	MR_TWICE_ELSEWHERE, /* in another file of its own */
	MR_TWICE_HERE, /* in this very log, if nobody has switched it off */
};

struct mr_event {
	enum mr_event_kind kind;
	enum mr_family family; /* MR_FAMILY_NONE: the line does not say */
	struct mr_addr addr; /* unmapped meaning: IPv4 in mapped form, as everywhere */
	struct mr_str user; /* n = 0: none */
	struct mr_str session; /* n = 0: none; one attempt that logs two lines has one session */
	const char *format; /* name of the format that took the line */
	const char *what; /* short static text: "login", "auth failed", "pipelining", … */
	uint64_t time_us; /* the line's own time, realtime; 0: none */
	uint32_t count; /* attempts the line stands for; 0: other lines told of them */
	enum mr_twice twice;
	uint32_t source; /* of several that are learned from, from 1; the one who reads them sets it
			  */
};

#endif
