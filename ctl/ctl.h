/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl.h - the shape of a subcommand: a name, its help, its options as data, and one function.
 *
 * main.c finds the subcommand and fills its option struct; run() prints what it has to say and
 * returns the exit status.  A new subcommand is one file and one line in main.c's table.
 */
#ifndef MAILREEVE_CTL_H
#define MAILREEVE_CTL_H

#include <mailreeve/bus.h>
#include <mailreeve/util.h>
#include <string.h>

enum mr_exit {
	MR_EXIT_DONE = 0, /* for `why`: allowed */
	MR_EXIT_NO = 1, /* the answer is no */
	MR_EXIT_USAGE = 2, /* usage, or bad input */
	MR_EXIT_UNREACHABLE = 3, /* cannot reach the daemon, or not permitted */
};

enum mr_option_kind {
	MR_OPTION_FLAG, /* bool */
	MR_OPTION_TEXT, /* const char * */
	MR_OPTION_MAIL, /* const char *: an address of a mail; "" and <> are the one of a bounce */
	MR_OPTION_TIME, /* uint64_t, microseconds, above 0 */
	MR_OPTION_COUNT, /* uint32_t, above 0 */
	MR_OPTION_LIST, /* struct mr_texts: may be repeated, and takes commas */
};
#define MR_TEXTS_MAX 64 /* services an entry can be limited to */
struct mr_texts {
	char *v[MR_TEXTS_MAX];
	size_t n;
};

struct mr_option {
	const char *name; /* without the dashes */
	char letter; /* 0: none */
	enum mr_option_kind kind;
	size_t offset; /* in the subcommand's option struct */
	const char *argument; /* NULL for a flag; "on|off" lists the only values there are */
	const char *help;
};

/* What every subcommand is given. */
struct mr_ctl {
	const char *runtime_dir;
	bool json;
	char **args; /* positional arguments, NULL-terminated */
	int n_args;
	const void *options; /* the filled option struct */
};

struct mr_command {
	const char *name;
	const char *usage; /* behind "mailreeve NAME" */
	const char *summary; /* one line for the list */
	const char *help; /* paragraphs for --help */
	const struct mr_option *options; /* ends with name NULL; NULL: none of its own */
	size_t options_size;
	int min_args, max_args;
	bool json; /* takes --json */
	enum mr_exit (*run)(const struct mr_ctl *ctl);
};

extern const struct mr_command mr_ctl_account, mr_ctl_apply, mr_ctl_attach, mr_ctl_ban,
	mr_ctl_check, mr_ctl_confirm, mr_ctl_detach, mr_ctl_doctor, mr_ctl_import, mr_ctl_lan,
	mr_ctl_learn, mr_ctl_monitor, mr_ctl_permit, mr_ctl_replay, mr_ctl_rules, mr_ctl_stats,
	mr_ctl_status, mr_ctl_undo, mr_ctl_why;

/* "mailreeve: …" on standard error; returns the status, so that `return mr_ctl_fail(…)` reads
 * well. */
enum mr_exit mr_ctl_fail(enum mr_exit status, const char *fmt, ...) _printf_(2, 3);

/* options.c */
enum mr_exit mr_options_parse(const struct mr_command *c, const struct mr_option *common,
			      void *common_struct, void *own_struct, int argc, char **argv,
			      int *n_args);
void mr_options_help(const struct mr_option *list, FILE *out);
/* "90s", "5m", "1h30m", "250ms", "2d", plain seconds; -EINVAL, -ERANGE. */
int mr_options_time(const char *text, uint64_t *us);

#endif
