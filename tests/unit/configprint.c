// SPDX-License-Identifier: BSD-2-Clause
/*
 * configprint.c - one configuration in, findings or the normal form out: what the golden cases
 * compare.  Errors go to standard output and end it with status 2; -r adds risks, -n notes too.
 */
#include <mailreeve/config.h>

#include <string.h>

int main(int argc, char **argv)
{
	enum mr_grade worst = MR_ERROR;
	struct mr_findings f = { 0 };
	struct mr_policy *p = NULL;
	struct mr_host *h = NULL;
	int r;

	if (argc == 3 && strcmp(argv[1], "-r") == 0)
		worst = MR_RISK;
	if (argc == 3 && strcmp(argv[1], "-n") == 0)
		worst = MR_NOTE;
	if (argc < 2 || mr_host_empty(&h) < 0)
		return 1;
	r = mr_config_load(argv[argc - 1], NULL, h, &f, &p);
	for (size_t i = 0; i < f.n; i++)
		if (f.list[i].grade <= worst)
			mr_finding_print(&f.list[i], stdout);
	if (f.errors > MR_ERRORS_SHOWN)
		printf("%zu more errors\n", f.errors - MR_ERRORS_SHOWN);
	if (r == 0 && worst == MR_ERROR)
		r = mr_config_print(p, stdout);
	mr_findings_clear(&f);
	mr_policy_free(p);
	mr_host_free(h);
	return r < 0 ? 2 : 0;
}
