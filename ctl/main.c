// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - mailreeve, the command: finds the subcommand in a table, reads its options, runs it.
 *
 * Exit status: 0 done (for `why`: allowed), 1 the answer is no, 2 usage or bad input, 3 cannot
 * reach the daemon or not permitted.  What a subcommand finds out goes to standard output,
 * everything else to standard error.  Output that cannot be written is a failure, said as one.
 */
#include "ctl.h"

#include <bpf/libbpf.h>
#include <mailreeve/nearest.h>
#include <stdarg.h>

/* In the order of the help text: look before it counts, change, watch. */
static const struct mr_command *const commands[] = {
	&mr_ctl_check,	 &mr_ctl_why,	 &mr_ctl_replay, &mr_ctl_lan,	 &mr_ctl_apply,
	&mr_ctl_confirm, &mr_ctl_undo,	 &mr_ctl_permit, &mr_ctl_ban,	 &mr_ctl_account,
	&mr_ctl_attach,	 &mr_ctl_detach, &mr_ctl_status, &mr_ctl_rules,	 &mr_ctl_stats,
	&mr_ctl_monitor, &mr_ctl_learn,	 &mr_ctl_import, &mr_ctl_doctor,
};

struct common {
	const char *runtime_dir;
	bool json, help, version;
};
static const struct mr_option global_options[] = {
	{ "runtime-dir", 0, MR_OPTION_TEXT, offsetof(struct common, runtime_dir), "DIR",
	  "the daemon's runtime directory (default " MR_RUNTIME_DIR ")" },
	{ "help", 'h', MR_OPTION_FLAG, offsetof(struct common, help), NULL, "this text" },
	{ "version", 'V', MR_OPTION_FLAG, offsetof(struct common, version), NULL,
	  "the version, and nothing else" },
	{ NULL, 0, 0, 0, NULL, NULL },
};
static const struct mr_option json_options[] = {
	{ "json", 0, MR_OPTION_FLAG, offsetof(struct common, json), NULL,
	  "JSON with stable names; streams and lists: an object a line" },
	{ "runtime-dir", 0, MR_OPTION_TEXT, offsetof(struct common, runtime_dir), "DIR",
	  "the daemon's runtime directory (default " MR_RUNTIME_DIR ")" },
	{ "help", 'h', MR_OPTION_FLAG, offsetof(struct common, help), NULL, "this text" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

enum mr_exit mr_ctl_fail(enum mr_exit status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("mailreeve: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

static void main_help(FILE *out)
{
	fputs("usage: mailreeve COMMAND [ARGUMENT…]\n\n"
	      "Who may talk to this machine's mail ports: show, explain and change it.\n\n"
	      "commands:\n",
	      out);
	for (size_t i = 0; i < MR_ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s  %s\n", commands[i]->name, commands[i]->summary);
	fputs("\noptions, before or behind the command:\n", out);
	mr_options_help(global_options, out);
	fputs("\n`mailreeve help COMMAND` tells more.  Exit status: 0 done (why: allowed),\n"
	      "1 the answer is no, 2 usage or bad input, 3 cannot reach the daemon or not "
	      "permitted.\n",
	      out);
}

static void main_command_help(const struct mr_command *c, FILE *out)
{
	fprintf(out, "usage: mailreeve %s%s%s\n\n%s\n", c->name, *c->usage ? " " : "", c->usage,
		c->help);
	fputs("\noptions:\n", out);
	mr_options_help(c->options, out);
	mr_options_help(c->json ? json_options : json_options + 1, out);
}

static const char *main_candidate(size_t i, _unused_ const void *userdata)
{
	return i < MR_ARRAY_SIZE(commands) ? commands[i]->name : NULL;
}

static const struct mr_command *main_find(const char *name)
{
	const char *near;

	for (size_t i = 0; i < MR_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	near = mr_nearest(name, main_candidate, NULL);
	if (near)
		mr_ctl_fail(MR_EXIT_USAGE, "no command '%s': did you mean '%s'?", name, near);
	else
		mr_ctl_fail(MR_EXIT_USAGE, "no command '%s': mailreeve --help lists them", name);
	return NULL;
}

static enum mr_exit main_run(const struct mr_command *c, struct common *common, int argc,
			     char **argv)
{
	_free_ void *options = calloc(1, c->options_size ? c->options_size : 1);
	struct mr_ctl ctl = { .args = argv, .options = options };
	enum mr_exit status;

	if (!options)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	status = mr_options_parse(c, c->json ? json_options : json_options + 1, common, options,
				  argc, argv, &ctl.n_args);
	if (status != MR_EXIT_DONE)
		return status;
	if (common->help) {
		main_command_help(c, stdout);
		return MR_EXIT_DONE;
	}
	if (ctl.n_args < c->min_args || ctl.n_args > c->max_args)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s\nusage: mailreeve %s%s%s",
				   ctl.n_args < c->min_args ? "an argument is missing"
							    : "too many arguments",
				   c->name, *c->usage ? " " : "", c->usage);
	ctl.runtime_dir = common->runtime_dir;
	ctl.json = common->json;
	return c->run(&ctl);
}

static enum mr_exit main_dispatch(int argc, char **argv)
{
	struct common common = { .runtime_dir = MR_RUNTIME_DIR };
	const struct mr_command *c;
	enum mr_exit status;
	int at = 0;

	status = mr_options_parse(NULL, global_options, &common, NULL, argc - 1, argv + 1, &at);
	if (status != MR_EXIT_DONE)
		return status;
	argc -= at + 1;
	argv += at + 1;
	if (common.version) {
		puts("mailreeve " MR_VERSION);
		return MR_EXIT_DONE;
	}
	if (argc > 0 && strcmp(argv[0], "help") == 0) {
		common.help = true;
		argc--;
		argv++;
	}
	if (argc == 0) {
		main_help(common.help ? stdout : stderr);
		return common.help ? MR_EXIT_DONE : MR_EXIT_USAGE;
	}
	c = main_find(argv[0]);
	return c ? main_run(c, &common, argc - 1, argv + 1) : MR_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	enum mr_exit status;

	libbpf_set_print(NULL); /* what it has to say comes in our own errors */
	status = main_dispatch(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout))
		return mr_ctl_fail(status == MR_EXIT_DONE ? MR_EXIT_NO : status,
				   "cannot write the output: %s", strerror(errno));
	return (int)status;
}
