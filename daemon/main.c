// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - mailreeved: reads its options and runs the manager.
 *
 * Stays in the foreground.  Exit status: 0 stopped by a signal, 1 could not start or run, 2 wrong
 * usage.
 */
#include "manager.h"

#include <getopt.h>
#include <string.h>
#include <sys/resource.h>

/* descriptors: MR_ASKERS_MAX of Postfix, 512 at each of 8 addresses of Dovecot, 64 clients, maps,
 * logs; systemd gives 1024 unless asked, for programs that use select(), which we do not */
#define FILES 8192

static const char usage[] =
	"usage: mailreeved [-c FILE] [--runtime-dir DIR] [--state-dir DIR] [--pin-dir DIR]\n"
	"                  [--journal-dir DIR]\n"
	"\n"
	"Guards the mail ports of this host; see mailreeved(8).\n"
	"\n"
	"  -c, --config FILE     the configuration (" MR_CONFIG_FILE ")\n"
	"      --runtime-dir DIR control socket, lock, what the command reads (" MR_RUNTIME_DIR
	")\n"
	"      --state-dir DIR   what survives a reboot (" MR_STATE_DIR ")\n"
	"      --pin-dir DIR     a bpffs for what filters (the runtime directory with "
	"\"" MR_PIN_SUFFIX "\")\n"
	"      --journal-dir DIR a directory of journal files, instead of the system's journal\n"
	"  -h, --help\n"
	"  -V, --version\n";

enum { OPTION_RUNTIME = 256, OPTION_STATE, OPTION_PIN, OPTION_JOURNAL };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "runtime-dir", required_argument, NULL, OPTION_RUNTIME },
	{ "state-dir", required_argument, NULL, OPTION_STATE },
	{ "pin-dir", required_argument, NULL, OPTION_PIN },
	{ "journal-dir", required_argument, NULL, OPTION_JOURNAL },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* 0: go on; 1: done; 2: wrong usage. */
static int read_options(int argc, char **argv, struct mr_options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case OPTION_RUNTIME:
			o->runtime_dir = optarg;
			break;
		case OPTION_STATE:
			o->state_dir = optarg;
			break;
		case OPTION_PIN:
			o->pin_dir = optarg;
			break;
		case OPTION_JOURNAL:
			o->journal_dir = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1;
		case 'V':
			puts("mailreeved " MR_VERSION);
			return 1;
		default:
			fputs("mailreeved: try mailreeved --help\n", stderr);
			return 2;
		}
	}
	if (optind == argc)
		return 0;
	fprintf(stderr, "mailreeved: unexpected argument \"%s\"; try mailreeved --help\n",
		argv[optind]);
	return 2;
}

/* The daemon's directories must not depend on where it was started. */
static char *absolute(const char *path)
{
	_free_ char *here = NULL;
	char *out;

	if (path[0] == '/')
		return strdup(path);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&out, "%s/%s", here, path) < 0)
		return NULL;
	return out;
}

static void trim(char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
}

/* As far as we may: with fewer, those who ask are let go sooner. */
static void raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= FILES)
		return;
	l.rlim_cur = l.rlim_max < FILES ? l.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int main(int argc, char **argv)
{
	struct mr_options o = { .config = MR_CONFIG_FILE,
				.runtime_dir = MR_RUNTIME_DIR,
				.state_dir = MR_STATE_DIR };
	_free_ char *config = NULL, *runtime = NULL, *state = NULL, *pins = NULL, *journal = NULL;
	int r = read_options(argc, argv, &o);

	if (r)
		return r == 1 ? EXIT_SUCCESS : 2;
	config = absolute(o.config);
	runtime = absolute(o.runtime_dir);
	state = absolute(o.state_dir);
	if (!config || !runtime || !state)
		return EXIT_FAILURE;
	trim(runtime);
	if (o.pin_dir)
		pins = absolute(o.pin_dir);
	else if (asprintf(&pins, "%s" MR_PIN_SUFFIX, runtime) < 0)
		pins = NULL;
	if (!pins)
		return EXIT_FAILURE;
	trim(pins);
	if (o.journal_dir && !(journal = absolute(o.journal_dir)))
		return EXIT_FAILURE;
	o = (struct mr_options){
		.config = config,
		.runtime_dir = runtime,
		.state_dir = state,
		.pin_dir = pins,
		.journal_dir = journal,
	};
	raise_files();
	return mr_manager_run(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
