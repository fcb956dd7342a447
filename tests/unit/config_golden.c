// SPDX-License-Identifier: BSD-2-Clause
/*
 * config_golden.c - tests/golden/config: NN-name.conf with .ok (the normal form, which must parse
 * to itself) or .err (every error, whole messages), and .remarks where risks and notes matter.
 *
 * The host is made up: 203.0.113.0/24 is connected and public.  MR_GOLDEN=write writes the expected
 * files anew (look at the difference before you commit); MR_GOLDEN=NN-name.conf runs one case.
 */
#include <mailreeve/config.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#define FOLDER "tests/golden/config"

static struct mr_host *host;
static bool write_anew;

static void load(const char *path, struct mr_files *files, char **errors, char **remarks,
		 char **form)
{
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;
	FILE *e, *m, *n;
	size_t len;
	int r;

	e = open_memstream(errors, &len);
	m = open_memstream(remarks, &len);
	n = open_memstream(form, &len);
	assert_true(e && m && n);
	r = mr_config_load(path, files, host, &f, &p);
	for (size_t i = 0; i < f.n; i++)
		mr_finding_print(&f.list[i], f.list[i].grade == MR_ERROR ? e : m);
	if (f.errors > MR_ERRORS_SHOWN)
		fprintf(e, "%zu more\n", f.errors - MR_ERRORS_SHOWN);
	assert_int_equal(r == 0, f.errors == 0);
	assert_int_equal(r == 0, p != NULL);
	if (p)
		assert_int_equal(mr_config_print(p, n), 0);
	fclose(e);
	fclose(m);
	fclose(n);
	mr_findings_clear(&f);
	mr_policy_free(p);
}

/* The case's file with another ending; NULL if there is none. */
static char *expected(const char *name, const char *ending, char path[static 256])
{
	char *data = NULL;
	size_t len;

	snprintf(path, 256, "%.*s%s", (int)(strlen(name) - 5), name, ending);
	return mr_read_file(path, 1 << 20, &data, &len) == 0 ? data : NULL;
}

static void compare(const char *name, const char *ending, const char *got)
{
	char path[256];
	_free_ char *want = expected(name, ending, path);

	if (write_anew) {
		assert_int_equal(mr_write_file(path, got, strlen(got), 0644), 0);
		return;
	}
	if (!want)
		fail_msg("there is no %s; what came:\n%s", path, got);
	if (strcmp(want, got) != 0)
		fail_msg("%s: expected\n%s\ncame\n%s", path, want, got);
}

static void one_case(void **state)
{
	const char *name = *state;
	_free_ char *errors = NULL, *remarks = NULL, *form = NULL, *form2 = NULL, *errors2 = NULL,
		    *remarks2 = NULL;
	struct mr_files files = { 0 };
	char path[256];
	char *old;

	load(name, NULL, &errors, &remarks, &form);
	if (*errors) {
		compare(name, ".err", errors);
		return;
	}
	compare(name, ".ok", form);
	old = expected(name, ".remarks", path);
	if (old)
		compare(name, ".remarks", remarks);
	free(old);
	/* the normal form, from the same directory, parses to itself */
	files.file = calloc(1, sizeof(*files.file));
	assert_non_null(files.file);
	files.allocated = files.n = 1;
	files.file[0].path = strdup(name);
	files.file[0].data = strdup(form);
	files.file[0].len = strlen(form);
	load(name, &files, &errors2, &remarks2, &form2);
	assert_string_equal(errors2, "");
	assert_string_equal(form2, form);
	mr_files_clear(&files);
}

static int is_case(const struct dirent *d)
{
	const char *only = getenv("MR_GOLDEN");
	size_t len = strlen(d->d_name);

	if (only && strcmp(only, "write") != 0)
		return strcmp(d->d_name, only) == 0;
	return len > 5 && strcmp(d->d_name + len - 5, ".conf") == 0 && d->d_name[0] >= '0' &&
	       d->d_name[0] <= '9';
}

int main(void)
{
	const char *mode = getenv("MR_GOLDEN");
	struct CMUnitTest *tests;
	struct dirent **names;
	int n, r;

	write_anew = mode && strcmp(mode, "write") == 0;
	if (chdir(FOLDER) < 0 || mr_host_empty(&host) < 0) {
		perror("run it from the top of the tree: " FOLDER);
		return 1;
	}
	host->networks = calloc(1, sizeof(*host->networks));
	if (!host->networks)
		return 1;
	host->n_networks = 1;
	host->networks[0].is_public = true;
	(void)mr_prefix_parse("203.0.113.0/24", 14, &host->networks[0].prefix);
	n = scandir(".", &names, is_case, alphasort);
	if (n <= 0) {
		fprintf(stderr, "no cases in " FOLDER "\n");
		return 1;
	}
	tests = calloc((size_t)n, sizeof(*tests));
	if (!tests)
		return 1;
	for (int i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){ .name = names[i]->d_name,
						.test_func = one_case,
						.initial_state = names[i]->d_name };
	/* the macro wants an array; this is what it expands to */
	r = _cmocka_run_group_tests("config_golden", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	free(tests);
	mr_host_free(host);
	return r;
}
