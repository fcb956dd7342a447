// SPDX-License-Identifier: BSD-2-Clause
/*
 * term.c - prints text for people (term.h).
 *
 * Never fails: what cannot be printed is noticed by main() when it flushes.  Text that came from a
 * file or from the network never reaches a terminal with its control characters.
 */
#include "term.h"

#include <wchar.h>

static bool term_colours(FILE *out)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

const char *mr_term_on(FILE *out, enum mr_colour c)
{
	static const char *const sequence[] = {
		[MR_PLAIN] = "",	   [MR_BOLD] = "\033[1m",   [MR_DIM] = "\033[2m",
		[MR_GREEN] = "\033[1;32m", [MR_RED] = "\033[1;31m", [MR_YELLOW] = "\033[1;33m",
	};

	return term_colours(out) ? sequence[c] : "";
}

const char *mr_term_off(FILE *out)
{
	return term_colours(out) ? "\033[0m" : "";
}

void mr_term_text(const char *text, FILE *out)
{
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		if ((*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7f) {
			fputc('?', out);
		} else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) { /* C1: CSI in one byte */
			fputc('?', out);
			s++;
		} else {
			fputc(*s, out);
		}
	}
}

void mr_term_json(const json_t *j)
{
	json_dumpf(j, stdout,
		   JSON_PRESERVE_ORDER | JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
	fputc('\n', stdout);
}

const char *mr_term_string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

const char *mr_term_place(const json_t *object, char buf[static MR_TERM_PLACE])
{
	const char *file = mr_term_string(object, "file");

	if (*file)
		snprintf(buf, MR_TERM_PLACE, "%s:%lld", file,
			 (long long)json_integer_value(json_object_get(object, "line")));
	else
		buf[0] = '\0';
	return buf;
}
