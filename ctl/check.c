// SPDX-License-Identifier: BSD-2-Clause
/*
 * check.c - `mailreeve check`: reads a configuration as the daemon would, and says what is wrong.
 *
 * Compiles the policy too, so that "can never match" is exact and every limit is met here first,
 * looks who may read the files of passwords, and reads the lists of relay { }.  Changes nothing,
 * needs no daemon and no privilege.  Exit status 2: errors, 1: risks with --strict, else 0.
 */
#include "policy.h"
#include "term.h"

#include <mailreeve/image.h>
#include <pwd.h>
#include <unistd.h>

struct options {
	const char *config;
	bool strict, print;
};
static const struct mr_option options[] = {
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "the file (default " MR_CONFIG_FILE ")" },
	{ "strict", 0, MR_OPTION_FLAG, offsetof(struct options, strict), NULL,
	  "exit status 1 if there are risks" },
	{ "print", 'p', MR_OPTION_FLAG, offsetof(struct options, print), NULL,
	  "print the policy in its normal form; findings go to standard error" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

static void check_summary(const char *path, const struct mr_findings *f, FILE *out)
{
	mr_term_text(path, out);
	if (!f->errors && !f->risks)
		fprintf(out, ": %sgood%s", mr_term_on(out, MR_GREEN), mr_term_off(out));
	else
		fprintf(out, ": %s%zu error%s, %zu risk%s%s",
			mr_term_on(out, f->errors ? MR_RED : MR_YELLOW), f->errors,
			f->errors == 1 ? "" : "s", f->risks, f->risks == 1 ? "" : "s",
			mr_term_off(out));
	if (f->notes)
		fprintf(out, ", %zu note%s", f->notes, f->notes == 1 ? "" : "s");
	if (f->errors > MR_ERRORS_SHOWN)
		fprintf(out, " (the first %d errors are shown)", MR_ERRORS_SHOWN);
	fputc('\n', out);
}

/* The compiler's errors are limits: too many classes, rules, services.  They have no line. */
static void check_compile(const struct mr_policy *p, const struct mr_host *h, struct mr_findings *f,
			  struct mr_error *e)
{
	_cleanup_(mr_image_freep) struct mr_image *image = NULL;

	if (mr_image_compile(p, h, &image, e) < 0)
		f->errors++;
	else
		mr_config_check_image(p, image, f);
}

/* As the user that the package makes for the daemon; without one as whoever asks. */
static void check_secrets(const struct mr_policy *p, struct mr_findings *f)
{
	const struct passwd *u = getpwnam("mailreeve");

	mr_config_check_secrets(p, u ? u->pw_uid : geteuid(), u ? u->pw_gid : getegid(), f);
}

static enum mr_exit check_json(const char *path, const struct mr_findings *f, const char *limit)
{
	_json_ json_t *j = mr_report_findings(f);

	if (!j)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	if (*limit)
		json_array_append_new(json_object_get(j, "errors"),
				      json_pack("{s:o,s:n,s:n,s:o,s:n}", "file",
						mr_report_text(path), "line", "column", "message",
						mr_report_text(limit), "hint"));
	mr_term_json(j);
	return MR_EXIT_DONE;
}

static void check_text(const char *path, const struct mr_findings *f, const char *limit,
		       bool summary, FILE *out)
{
	mr_policy_findings(f, false, out);
	if (*limit) {
		mr_term_text(path, out);
		fputs(": error: ", out);
		mr_term_text(limit, out);
		fputc('\n', out);
	}
	if (summary)
		check_summary(path, f, out);
}

static enum mr_exit check_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	const char *path = o->config ?: MR_CONFIG_FILE;
	_cleanup_(mr_findings_clear) struct mr_findings f = { 0 };
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	struct mr_error limit = { "" };
	enum mr_exit status;
	int r;

	status = mr_policy_host(&host);
	if (status != MR_EXIT_DONE)
		return status;
	r = mr_config_load(path, NULL, host, &f, &policy);
	if (r < 0 && !f.errors)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(-r));
	if (r >= 0) {
		check_secrets(policy, &f);
		mr_config_check_names(policy, &f);
		check_compile(policy, host, &f, &limit);
	}
	if (ctl->json)
		status = check_json(path, &f, limit.text);
	else
		check_text(path, &f, limit.text, !o->print, o->print ? stderr : stdout);
	if (status != MR_EXIT_DONE || f.errors)
		return MR_EXIT_USAGE;
	if (o->print && !ctl->json && mr_config_print(policy, stdout) < 0)
		return mr_ctl_fail(MR_EXIT_NO, "cannot write the output: %s", strerror(errno));
	return o->strict && f.risks ? MR_EXIT_NO : MR_EXIT_DONE;
}

const struct mr_command mr_ctl_check = {
	.name = "check",
	.usage = "[-c FILE] [--strict] [--print] [--json]",
	.summary = "read a configuration and say what is wrong with it",
	.help = "Findings have three grades: an error keeps the file from being loaded; a\n"
		"risk loads, but is probably not meant: a rule that can never match, an open\n"
		"relay, a service that shuts everybody out; a note is worth knowing.  Nothing\n"
		"is changed, no daemon and no privilege is needed.  Exit status 2: errors; 1:\n"
		"risks, with --strict; else 0.",
	.options = options,
	.options_size = sizeof(struct options),
	.json = true,
	.run = check_run,
};
