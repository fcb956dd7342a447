// SPDX-License-Identifier: BSD-2-Clause
/*
 * format.c - the table of formats.
 *
 * A new mail server is a file lib/format/NAME.c with a `const struct mr_format mr_format_NAME`, its
 * declaration in format.h, and a line here; CONTRIBUTING.md names what else knows the formats.
 * Never parses.
 */
#include <mailreeve/format.h>

/* clang-format off: one a line, so that two branches can add to it.  The first two come first: most
 * lines are theirs.  Programs that several servers share (imapd, pop3d) are asked in this order. */
const struct mr_format *const mr_formats[] = {
	&mr_format_dovecot,
	&mr_format_postfix,
	&mr_format_courier,
	&mr_format_cyrus,
	&mr_format_exim,
	&mr_format_horde,
	&mr_format_nginx,
	&mr_format_opensmtpd,
	&mr_format_perdition,
	&mr_format_roundcube,
	&mr_format_sendmail,
	&mr_format_sogo,
	&mr_format_uw,
	&mr_format_vpopmail,
	/* no longer shipped */
	&mr_format_appleimap,
	&mr_format_cucipop,
	&mr_format_dovecot0,
	&mr_format_gnupop3d,
	&mr_format_kerio,
	&mr_format_popa3d,
	&mr_format_qpopper,
	&mr_format_solidpop3d,
	&mr_format_teapop,
	&mr_format_vmpop3d,
	NULL,
};
/* clang-format on */

const struct mr_format *mr_format_find(const char *name)
{
	for (size_t i = 0; mr_formats[i]; i++)
		if (strcmp(mr_formats[i]->name, name) == 0)
			return mr_formats[i];
	return NULL;
}

static bool fits(struct mr_str program, const char *pattern)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return n == 1 || mr_cut(&program, pattern, n - 1);
	if (*pattern == '*')
		return mr_trim(&program, pattern + 1, n - 1) && program.n;
	return mr_str_is(program, pattern);
}

bool mr_format_knows(const struct mr_format *f, struct mr_str program)
{
	for (size_t i = 0; f->programs[i]; i++)
		if (fits(program, f->programs[i]))
			return true;
	return false;
}
