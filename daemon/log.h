/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - the daemon's messages: to the journal with structured fields, or to standard error.
 */
#ifndef MAILREEVE_DAEMON_LOG_H
#define MAILREEVE_DAEMON_LOG_H

#include <mailreeve/util.h>
#include <syslog.h>

struct mr_log {
	bool journal;
	int max_level; /* LOG_DEBUG: everything */
};
struct mr_log_field {
	const char *name, *value; /* value NULL: left out */
};

/* Journal, if standard error is the stream that systemd connected; else standard error. */
void mr_log_open(struct mr_log *l);
void mr_log_emit(const struct mr_log *l, int level, const struct mr_log_field *fields, size_t n,
		 const char *file, int line, const char *func, const char *fmt, ...) _printf_(8, 9);

#define mr_log(l, level, ...) \
	mr_log_emit((l), (level), NULL, 0, __FILE__, __LINE__, __func__, __VA_ARGS__)
/* mr_log_with(l, LOG_INFO, MR_FIELDS({ "MAILREEVE_DEVICE", name }), "…") */
#define MR_FIELDS(...) \
	((const struct mr_log_field[]){ __VA_ARGS__ }), \
		MR_ARRAY_SIZE(((const struct mr_log_field[]){ __VA_ARGS__ }))
#define mr_log_with(l, level, fields, ...) \
	mr_log_emit((l), (level), fields, __FILE__, __LINE__, __func__, __VA_ARGS__)

/* Message ids, for `journalctl MESSAGE_ID=…`; they are part of the interface. */
#define MR_MSG_STARTED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e80"
#define MR_MSG_STOPPED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e81"
#define MR_MSG_GENERATION  "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e82" /* a generation became active */
#define MR_MSG_REFUSED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e83" /* a policy was not taken */
#define MR_MSG_FALLBACK	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e84" /* the last applied policy instead */
#define MR_MSG_UNGUARDED   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e85"
#define MR_MSG_ROLLED_BACK "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e86"
#define MR_MSG_CONFIRMED   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e87"
#define MR_MSG_ATTACHED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e88"
#define MR_MSG_DETACHED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e89"
#define MR_MSG_DEVICE	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8a" /* a device could not be guarded */
#define MR_MSG_ENTRY	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8b" /* a permit or ban came or went */
#define MR_MSG_FULL	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8c"
#define MR_MSG_STATE	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8d" /* trouble with the state directory */
#define MR_MSG_SOURCE	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8e" /* a log source failed, or is back */
#define MR_MSG_LOST	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e8f" /* verdicts in a wording nobody knows */
#define MR_MSG_FORGED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e90" /* a line from who may not write it */
#define MR_MSG_DROPPED	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6e91" /* journald dropped lines */
#define MR_MSG_ANSWER	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6ea0" /* a mail server was told no */
#define MR_MSG_ASKER	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6ea1" /* trouble with one that asks */
#define MR_MSG_LIST	   "4e1c2f0d8a6b4c1f9d3e5a7b2c4d6ea2" /* a file of the relay block */

#endif
