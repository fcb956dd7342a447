// SPDX-License-Identifier: BSD-2-Clause
/*
 * import.c - libFuzzer harness of `mailreeve import`: the first byte says whose file it is, up to a
 * byte 0x01 goes the file, behind it every other file that it names.
 *
 * What is printed must be a configuration that loads, or one that says itself that it is too large.
 * No file is read: mr_read_file() and access() are the harness's own (Makefile, --wrap).
 */
#include "../../ctl/ctl.h"
#include "_event.h"

#include <mailreeve/config.h>

#include <stdarg.h>

#define RULES_MIN 600 /* lines: below, no limit of a policy is met */

int __wrap_mr_read_file(const char *path, size_t max, char **data, size_t *len);
int __wrap_access(const char *path, int mode);

static struct {
	struct mr_str file[2];
} input;

int __wrap_mr_read_file(const char *path, size_t max, char **data, size_t *len)
{
	struct mr_str f = input.file[strcmp(path, "f") != 0];

	if (f.n > max)
		return -EFBIG;
	*data = malloc(f.n + 1);
	if (!*data)
		abort();
	if (f.n)
		memcpy(*data, f.p, f.n);
	(*data)[f.n] = '\0';
	*len = f.n;
	return 0;
}

int __wrap_access(const char *path, int mode)
{
	return *path && mode ? 0 : -1;
}

enum mr_exit mr_ctl_fail(enum mr_exit status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	return status;
}

static struct mr_file *add(struct mr_files *files, const char *path, struct mr_str s)
{
	struct mr_file *f = &files->file[files->n++];

	*f = (struct mr_file){ .path = strdup(path), .data = malloc(s.n + 1), .len = s.n };
	if (!f->path || !f->data)
		abort();
	if (s.n)
		memcpy(f->data, s.p, s.n);
	f->data[s.n] = '\0';
	return f;
}

/* What was printed, with the files of names that it names. */
static void load(struct mr_str text)
{
	struct mr_file room[3];
	struct mr_files files = { .file = room, .allocated = 3, .frozen = true };
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	_cleanup_(mr_policy_freep) struct mr_policy *p = NULL;
	size_t lines = 0;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	add(&files, "c", text);
	add(&files, "f", input.file[0]);
	add(&files, "g", input.file[1]);
	if (mr_config_load("c", &files, NULL, &findings, &p) < 0 && lines < RULES_MIN) {
		fprintf(stderr, "%.*s\n", (int)text.n, text.p);
		for (size_t i = 0; i < findings.n; i++)
			fprintf(stderr, "%s:%u: %s\n", findings.list[i].file, findings.list[i].line,
				findings.list[i].message);
		abort();
	}
	for (size_t i = 0; i < files.n; i++) {
		free(room[i].path);
		free(room[i].data);
	}
}

/* The command prints to streams that are put in place of the program's. */
static enum mr_exit run(char **args, int n, bool lines, char **text, size_t *len)
{
	const struct {
		bool lines;
	} options = { lines };
	const struct mr_ctl ctl = { .args = args, .n_args = n, .options = &options };
	FILE *out = stdout, *err = stderr, *null = fopen("/dev/null", "w");
	enum mr_exit status;

	stdout = open_memstream(text, len);
	stderr = null;
	if (!stdout || !null)
		abort();
	status = mr_ctl_import.run(&ctl);
	fclose(stdout);
	fclose(null);
	stdout = out;
	stderr = err;
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		char letter;
		const char *args[4];
		bool lines;
	} kinds[] = {
		{ 'v', { "vpop3", "f", "smtp:g" }, false },
		{ 'i', { "imail", "relay:f" }, false },
		{ 'k', { "imail", "kill:f", "accept:g" }, false },
		{ 'p', { "postfix", "f" }, false },
		{ 'c', { "postfix", "cidr:f", "hash:g" }, false },
		{ 's', { "ispconfig", "f" }, false },
		{ 'l', { "ispconfig", "f", "g" }, true },
	};
	const char *p = (const char *)data, *cut;
	size_t kind = 0, len = 0;
	char *args[5] = { NULL }, *text = NULL;
	int n = 0;

	if (size == 0)
		return 0;
	cut = memchr(p, 1, size);
	input.file[0] = (struct mr_str){ p + 1, (size_t)((cut ? cut : p + size) - p) - 1 };
	if (cut == p)
		return 0;
	input.file[1] = cut ? (struct mr_str){ cut + 1, size - (size_t)(cut + 1 - p) }
			    : (struct mr_str){ "", 0 };
	while (kind + 1 < MR_ARRAY_SIZE(kinds) && kinds[kind].letter != *p)
		kind++;
	for (; kinds[kind].args[n]; n++)
		args[n] = (char *)(uintptr_t)kinds[kind].args[n];
	if (run(args, n, kinds[kind].lines, &text, &len) == MR_EXIT_DONE && !kinds[kind].lines)
		load((struct mr_str){ text, len });
	free(text);
	return 0;
}
