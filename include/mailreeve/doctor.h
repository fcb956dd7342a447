/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - what is missing or dangerous in the set-up of the mail servers, from the text of
 * `postconf -n`, `postconf -M` and `doveconf -n`, and from the policy.
 *
 * Pure logic: reads nothing but what it is given.
 */
#ifndef MAILREEVE_DOCTOR_H
#define MAILREEVE_DOCTOR_H

#include <mailreeve/policy.h>

enum mr_advice_grade {
	MR_ADVICE_DANGER, /* strangers gain by it */
	MR_ADVICE_ADD, /* mailreeve is not asked, or not as it should be */
	MR_ADVICE_NOTE,
};
struct mr_advice {
	enum mr_advice_grade grade;
	const char *id; /* stable: "relay-question" */
	const char *file; /* "main.cf", "master.cf, service submission", "dovecot.conf", … */
	const char *message;
	const char *paste; /* lines to paste into it, or NULL */
};
struct mr_advices {
	struct mr_advice *list;
	size_t n;
	void *arena;
};
void mr_advices_clear(struct mr_advices *a);

struct mr_doctor_text {
	const char *path; /* for messages */
	const char *data; /* NULL: this server is not looked at; NUL-terminated */
	size_t len;
};
#define MR_DOCTOR_MAX (4u << 20) /* bytes of one text */
struct mr_doctor_input {
	struct mr_doctor_text postconf, master, doveconf; /* master is optional */
	const struct mr_policy *policy; /* NULL: none, the defaults */
};
/* -EINVAL: a text is not what it should be, *e says which line. */
int mr_doctor(const struct mr_doctor_input *in, struct mr_advices *out, struct mr_error *e);

#endif
