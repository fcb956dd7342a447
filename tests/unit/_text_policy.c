// SPDX-License-Identifier: BSD-2-Clause
/*
 * _text_policy.c - loads a text as a configuration file (_text_policy.h).
 *
 * Reads nothing from the disk.  Fails the running test when the text has an error.
 */
#include "_text_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct mr_policy *text_policy(const char *text)
{
	struct mr_file file = { .path = strdup("t.conf"),
				.data = strdup(text),
				.len = strlen(text) };
	struct mr_files files = { .file = calloc(1, sizeof(file)), .n = 1, .allocated = 1 };
	struct mr_findings findings = { 0 };
	struct mr_policy *policy = NULL;

	assert_non_null(files.file);
	files.file[0] = file;
	files.frozen = true;
	if (mr_config_load("t.conf", &files, NULL, &findings, &policy) < 0)
		fail_msg("%s", findings.n ? findings.list[0].message : "no policy");
	mr_findings_clear(&findings);
	mr_files_clear(&files);
	return policy;
}

struct mr_addr text_addr(const char *text)
{
	struct mr_addr a;

	assert_int_equal(mr_addr_parse(text, strlen(text), &a), 0);
	return a;
}
