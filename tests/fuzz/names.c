// SPDX-License-Identifier: BSD-2-Clause
/*
 * names.c - libFuzzer harness of the files that `relay` names, and of the sources of accounts: the
 * first byte says which, up to a byte 0x01 goes the file, behind it an address that is looked up.
 *
 * A name that the file holds is found, in capitals too; a source that is read is written, and read
 * again as the same.
 */
#include "_event.h"

#include <mailreeve/account.h>
#include <mailreeve/names.h>

#include <ctype.h>

static void names(enum mr_names_kind kind, struct mr_str file, const char *address)
{
	_cleanup_(mr_names_freep) struct mr_names *n = NULL;
	char *copy = exact_copy(file.p, file.n), *upper = strdup(address);
	struct mr_error e = { "" };
	bool has;
	int r = mr_names_parse(copy, file.n, "f", kind, &n, &e);

	free(copy);
	if (!upper || (r < 0) != (*e.text != '\0'))
		abort();
	if (r == 0) {
		has = mr_names_has(n, address, strlen(address));
		for (char *c = upper; *c; c++)
			*c = (char)toupper((unsigned char)*c);
		if (has != mr_names_has(n, upper, strlen(upper)) ||
		    mr_names_kills(n, address) != mr_names_kills(n, upper) ||
		    (has && mr_names_count(n) == 0))
			abort();
	}
	free(upper);
}

static void source(const char *text)
{
	struct mr_limits l = { .n = 0 };
	char buf[MR_LIMIT_TEXT], again[MR_LIMIT_TEXT];
	struct mr_limit limit, same;

	if (mr_limit_source(text, &limit) == 0) {
		const char *written = mr_limit_source_text(&limit, buf);

		if (mr_limit_source(written, &same) < 0 ||
		    strcmp(written, mr_limit_source_text(&same, again)) != 0)
			abort();
	}
	if (mr_limits_row(&l, 1, "imap", true, text) < 0 || l.n != 1 ||
	    mr_limits_row(&l, 2, text, false, "192.0.2.1") < 0)
		abort();
	mr_limits_clear(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *cut;
	char *address;

	if (size == 0)
		return 0;
	cut = memchr(p, 1, size);
	address = cut ? strndup(cut + 1, size - (size_t)(cut + 1 - p)) : strndup(p + 1, size - 1);
	if (!address)
		abort();
	if (*p == 's')
		source(address);
	else
		names(*p == 'k'	  ? MR_NAMES_KILL
		      : *p == 'g' ? MR_NAMES_GROUPS
				  : MR_NAMES_ACCEPT,
		      (struct mr_str){ p + (cut != p),
				       (size_t)((cut ? cut : p + size) - p) - (cut != p) },
		      address);
	free(address);
	return 0;
}
