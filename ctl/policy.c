// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c - reads a configuration file without the daemon, and prints what is found in it.
 *
 * Called by check, why -c and replay.  Needs no privilege.  Failures are told here.
 */
#include "policy.h"

#include "term.h"

enum mr_exit mr_policy_host(struct mr_host **out)
{
	struct mr_error e;
	int r;

	r = mr_host_read(out, &e);
	if (r >= 0)
		return MR_EXIT_DONE;
	mr_ctl_fail(MR_EXIT_DONE, "%s; `local` and `gateways` count as empty here", e.text);
	r = mr_host_empty(out);
	return r < 0 ? mr_ctl_fail(MR_EXIT_USAGE, "%s", strerror(-r)) : MR_EXIT_DONE;
}

void mr_policy_findings(const struct mr_findings *f, bool errors_only, FILE *out)
{
	_free_ char *text = NULL;
	size_t len = 0;
	FILE *m = open_memstream(&text, &len);

	if (!m)
		return;
	for (unsigned int grade = MR_ERROR; grade <= (errors_only ? MR_ERROR : MR_NOTE); grade++)
		for (size_t i = 0; i < f->n; i++)
			if (f->list[i].grade == grade)
				mr_finding_print(&f->list[i], m);
	if (fclose(m) == 0)
		mr_term_text(text, out);
}

enum mr_exit mr_policy_read(const char *path, const struct mr_host *host, struct mr_policy **out)
{
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	int r;

	r = mr_config_load(path, NULL, host, &findings, out);
	if (r >= 0)
		return MR_EXIT_DONE;
	fflush(stdout);
	mr_policy_findings(&findings, true, stderr);
	if (!findings.n)
		mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(-r));
	else if (findings.errors > MR_ERRORS_SHOWN)
		fprintf(stderr, "and %zu errors more\n", findings.errors - MR_ERRORS_SHOWN);
	return MR_EXIT_USAGE;
}
