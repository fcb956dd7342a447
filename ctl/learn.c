// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn.c - `mailreeve learn --dry-run`: what a log would have done, with nothing touched.
 *
 * Reads files or standard input through the same readers and the same learner as the daemon, with a
 * book that writes to no kernel, and prints what each recognised line would do.  Needs no root and
 * no daemon.  Exit status 2 if a file could not be read (the others are), else 0.
 */
#include "learn_run.h"
#include "policy.h"

#include <sys/stat.h>

struct options {
	const char *config;
	bool dry_run, explain;
};
static const struct mr_option options[] = {
	{ "dry-run", 'n', MR_OPTION_FLAG, offsetof(struct options, dry_run), NULL,
	  "print what the log would do; nothing is touched" },
	{ "explain", 'e', MR_OPTION_FLAG, offsetof(struct options, explain), NULL,
	  "say of each LINE which format takes it, or where each gave up" },
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "the policy; without it the defaults, and all formats, those of old servers too" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

static enum mr_exit learn_policy(const char *path, struct mr_policy **policy, struct mr_host **host)
{
	static const char name[] = "(defaults)";
	_cleanup_(mr_findings_clear) struct mr_findings findings = { 0 };
	struct mr_file file = { .path = (char *)name, .data = (char *)"", .len = 0 };
	struct mr_files files = { .file = &file, .n = 1, .allocated = 1, .frozen = true };
	enum mr_exit status;

	if (path) {
		status = mr_policy_host(host);
		return status != MR_EXIT_DONE ? status : mr_policy_read(path, *host, policy);
	}
	if (mr_host_empty(host) < 0 || mr_config_load(name, &files, NULL, &findings, policy) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	return MR_EXIT_DONE;
}

/* Without a daemon there is no table of service ids: a bit for each service of the policy will do.
 */
static void learn_setup(struct mr_learn_run *run, const struct mr_host *h, bool defaults)
{
	const struct mr_policy *p = run->policy;

	run->setup = (struct mr_learn_setup){ .policy = p,
					      .host = h,
					      .permit_services = mr_learn_permits(p, NULL),
					      .ban_services = mr_learn_bans(p, NULL) };
	if (defaults)
		run->setup.permit_services = ~0ull; /* show what a login is worth */
}

static size_t add_format(const char **list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], name) == 0)
			return n;
	list[n] = name;
	return n + 1;
}

/* With -c: the formats that are on by default, the file's own, and those that it names. */
static const char **learn_formats(const struct mr_policy *p, size_t *n)
{
	size_t room = p->n_formats, k = 0;
	const char **list;

	for (size_t i = 0; mr_formats[i]; i++)
		room++;
	for (size_t i = 0; i < p->n_learn; i++)
		room += p->learn[i].n_formats;
	list = calloc(room + 1, sizeof(*list));
	for (size_t i = 0; list && mr_formats[i]; i++)
		if (!mr_formats[i]->legacy)
			k = add_format(list, k, mr_formats[i]->name);
	for (size_t i = 0; list && i < p->n_formats; i++)
		k = add_format(list, k, p->formats[i].name);
	for (size_t i = 0; list && i < p->n_learn; i++)
		for (size_t j = 0; j < p->learn[i].n_formats; j++)
			k = add_format(list, k, p->learn[i].formats[j]);
	*n = k;
	return list;
}

static uint64_t learn_size(const struct mr_ctl *ctl)
{
	uint64_t size = 0;
	struct stat st;

	for (int i = 0; i < ctl->n_args; i++) {
		if (stat(ctl->args[i], &st) < 0 || !S_ISREG(st.st_mode))
			return 0;
		size += (uint64_t)st.st_size;
	}
	return size;
}

static enum mr_exit learn_files(struct mr_learn_run *run, const struct mr_ctl *ctl)
{
	enum mr_exit status = MR_EXIT_DONE, one;

	if (ctl->n_args == 0)
		return mr_learn_run_file(run, "-");
	for (int i = 0; i < ctl->n_args; i++) {
		one = mr_learn_run_file(run, ctl->args[i]);
		if (one != MR_EXIT_DONE)
			status = one;
	}
	return status;
}

static enum mr_exit learn_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	_free_ struct mr_learn_run *run = calloc(1, sizeof(*run));
	_free_ const char **formats = NULL;
	size_t n = 0;
	enum mr_exit status;

	if (!o->dry_run && !o->explain)
		return mr_ctl_fail(
			MR_EXIT_USAGE,
			"learn needs --dry-run or --explain: the daemon does the learning "
			"(learn { … } in its configuration)");
	status = learn_policy(o->config, &policy, &host);
	if (status != MR_EXIT_DONE)
		return status;
	if (o->config)
		formats = learn_formats(policy, &n);
	if (!run || (o->config && !formats))
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	run->policy = policy;
	run->print.json = ctl->json;
	run->print.size = learn_size(ctl);
	learn_setup(run, host, !o->config);
	status = mr_learn_run_open(run, formats, n);
	if (status == MR_EXIT_DONE && o->explain) {
		status = mr_learn_explain(run->reader, ctl);
	} else if (status == MR_EXIT_DONE) {
		status = learn_files(run, ctl);
		mr_learn_print_summary(&run->print, mr_reader_stats(run->reader));
	}
	mr_learn_run_close(run);
	return status;
}

const struct mr_command mr_ctl_learn = {
	.name = "learn",
	.usage = "--dry-run [-c FILE] [--json] [FILE…] | --explain [-c FILE] [--json] [LINE…]",
	.summary = "what a mail log would teach: logins, failures, permits, bans",
	.help = "Reads mail logs (standard input without a FILE) and prints each line that is\n"
		"recognised, with what it would do: a permit, a ban, a count, or nothing, and\n"
		"why.  The log's own clock drives windows and expiry.  Nothing is touched; no\n"
		"daemon and no privilege is needed.  Without -c the defaults apply, and all\n"
		"formats are tried, those of servers no longer shipped too.\n"
		"--explain says of lines (arguments, or standard input) which format takes them\n"
		"and how each part is read, or at which column each gave up; status 1 if one was\n"
		"not taken.",
	.options = options,
	.options_size = sizeof(struct options),
	.max_args = 65536,
	.json = true,
	.run = learn_run,
};
