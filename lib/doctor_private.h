/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_private.h - the parsed settings that the checks look at, and how they say something.
 */
#ifndef MAILREEVE_LIB_DOCTOR_PRIVATE_H
#define MAILREEVE_LIB_DOCTOR_PRIVATE_H

#include "arena.h"

#include <mailreeve/doctor.h>

struct mr_doctor_param {
	const char *name, *value; /* of Dovecot: "service auth/unix_listener x/mode" */
};
struct mr_doctor_params {
	struct mr_doctor_param *v;
	size_t n;
};
struct mr_doctor_smtpd { /* a line of master.cf that runs smtpd */
	const char *name;
	bool loopback; /* takes mail from this host only: a filter's way back */
	struct mr_doctor_params options; /* -o */
};
struct mr_doctor {
	struct mr_arena *arena;
	const struct mr_policy *policy; /* may be NULL */
	bool postfix, dovecot, dovecot24;
	struct mr_doctor_params main, dove;
	struct mr_doctor_smtpd *smtpd; /* with Postfix at least one */
	size_t n_smtpd;
	struct mr_advices *out;
	bool failed; /* no memory */
};

/* doctor_parse.c: 0, -EINVAL or -ENOMEM */
int mr_doctor_postconf(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e);
int mr_doctor_master(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e);
int mr_doctor_doveconf(struct mr_doctor *d, const struct mr_doctor_text *t, struct mr_error *e);

/* The value, or `otherwise`; the last of several counts. */
const char *mr_doctor_value(const struct mr_doctor_params *p, const char *name,
			    const char *otherwise);
/* What an smtpd goes by, $variables put in; never NULL. */
const char *mr_doctor_smtpd_value(struct mr_doctor *d, const struct mr_doctor_smtpd *s,
				  const char *name, const char *otherwise);
bool mr_doctor_overrides(const struct mr_doctor_smtpd *s, const char *name);
bool mr_doctor_yes(const char *value);

/* One word of a list of Postfix (commas and blanks); { … } is one word.  False: the end. */
struct mr_doctor_word {
	const char *p;
	size_t n;
};
bool mr_doctor_next(const char **at, struct mr_doctor_word *w);
bool mr_doctor_is(const struct mr_doctor_word *w, const char *text);

/* Once for the same id, file and message. */
void mr_doctor_say(struct mr_doctor *d, enum mr_advice_grade grade, const char *id,
		   const char *file, const char *paste, const char *fmt, ...) _printf_(6, 7);
const char *mr_doctor_text(struct mr_doctor *d, const char *fmt, ...) _printf_(2, 3);
/* Is the address (ADDR or ADDR/LEN) loopback, or within the policy's proxies? */
bool mr_doctor_known_proxy(const struct mr_doctor *d, const struct mr_doctor_word *w);
const char *mr_doctor_proxies(struct mr_doctor *d, const struct mr_doctor_word *w); /* to paste */

/* The checks, in the order of their output. */
void mr_doctor_relay(struct mr_doctor *d, const struct mr_doctor_smtpd *s);
void mr_doctor_smtpd(struct mr_doctor *d, const struct mr_doctor_smtpd *s);
void mr_doctor_main(struct mr_doctor *d);
void mr_doctor_dovecot(struct mr_doctor *d);
void mr_doctor_logs(struct mr_doctor *d);

#endif
