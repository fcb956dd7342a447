// SPDX-License-Identifier: BSD-2-Clause
/*
 * records.c - libFuzzer harness of the parse functions of all log formats: each line of the input
 * is a record, its first byte a program (of the table below), the rest the program's message.
 *
 * No stamp and no host stand in the way of the formats, as they do in lines.c, whose invariants
 * hold here too.  Program and message end with their allocations.  Records of one process: what is
 * told in two lines is joined.  Byte ! (and any that is in no place of the table) is no program:
 * the rest is a whole line.
 */
#include "_event.h"

/* New ones at the end: the corpus names them by their place. */
static const char *const programs[] = {
	"", /* ! */
	"dovecot", /* " */
	"auth",
	"auth-worker",
	"dovecot-auth",
	"imap-login",
	"pop3-login",
	"submission-login",
	"managesieve-login",
	"imap(a@b.c)<7><MAoijAd3AAAAAAAA>",
	"postfix/smtpd", /* + */
	"postfix/submission/smtpd",
	"postfix/postscreen",
	"imapd",
	"imapd-ssl",
	"imaplogin",
	"pop3d", /* 1 */
	"pop3d-ssl",
	"pop3login",
	"courierimaplogin",
	"courierpop3d",
	"couriertcpd",
	"courierd",
	"courieresmtpd",
	"esmtpd-msa",
	"cyrus/imaps",
	"cyrus/lmtp", /* ; */
	"imap",
	"imaps",
	"pop3",
	"pop3s",
	"sieve",
	"timsieved",
	"managesieve",
	"exim",
	"exim4",
	"gnu-pop3d", /* E */
	"HORDE",
	"horde",
	"nginx",
	"smtpd",
	"opensmtpd",
	"perdition",
	"perdition.imap4s",
	"roundcube",
	"sendmail",
	"sm-mta", /* O */
	"sm-msp",
	"sm-acceptingconnections",
	"sogod",
	"sogo",
	"imapsd",
	"ipop3d",
	"ipop3sd",
	"ipop2d",
	"ipop3",
	"ipop3s", /* Y */
	"vpopmail",
	"cucipop",
	"popa3d",
	"qpopper",
	"in.qpopper",
	"popper",
	"in.popper",
	"solid-pop3d",
	"spop3d",
	"teapop", /* c */
	"vm-pop3d",
	"submission",
};

/* A format whose programs are not in the table would not be reached. */
static void check_table(void)
{
	for (size_t i = 0; mr_formats[i]; i++)
		for (size_t k = 0; mr_formats[i]->programs[k]; k++) {
			const char *const one[] = { mr_formats[i]->programs[k], NULL };
			const struct mr_format f = { .programs = one };
			bool found = false;

			for (size_t n = 0; n < MR_ARRAY_SIZE(programs) && !found; n++)
				found = mr_format_knows(
					&f, (struct mr_str){ programs[n], strlen(programs[n]) });
			if (!found) {
				fprintf(stderr, "records.c: no program is %s (format %s)\n", one[0],
					mr_formats[i]->name);
				abort();
			}
		}
}

static void record(struct readers two, const struct mr_line *l, const char *log, size_t log_n)
{
	struct mr_event e, x;
	enum mr_parse result = mr_reader_record(two.r, l, &e);

	if (result == MR_PARSE_EVENT)
		event_check(&e, log, log_n);
	event_same(result, &e, mr_reader_record(two.thorough, l, &x), &x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *log = (const char *)data, *p = log, *end = log + size;
	struct readers two;
	static bool checked;

	if (!checked)
		check_table();
	checked = true;
	two = readers_new(size);
	for (uint64_t time_us = EVENT_NOW_US; p < end; time_us += 1000000) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *last = nl ? nl : end;
		size_t n = last > p ? (size_t)(last - p - 1) : 0;
		size_t which = last > p && *p > '!' ? (size_t)(*p - '!') : 0, name_n;

		which = which < MR_ARRAY_SIZE(programs) ? which : 0;
		name_n = strlen(programs[which]);
		if (which == 0) {
			event_line(two, last - n, n, log, (size_t)(last - log));
		} else {
			char *name = exact_copy(programs[which], name_n);
			char *message = exact_copy(p + 1, n);
			struct mr_line l = { .program = { name, name_n },
					     .pid = 7,
					     .message = { message, n },
					     .time_us = time_us };

			l.body = l.text = l.message;
			record(two, &l, log, (size_t)(last - log));
			free(name);
			free(message);
		}
		p = last + 1;
	}
	readers_free(two);
	return 0;
}
