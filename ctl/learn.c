// SPDX-License-Identifier: BSD-2-Clause
/*
 * learn.c - `mailreeve learn --dry-run`: what a log would have done, with nothing touched.
 *
 * Reads files or standard input through the same readers and the same learner as the daemon, with a
 * book that writes to no kernel, and prints what each recognised line would do.  The log's own
 * clock drives windows and expiry.  Needs no root and no daemon; memory does not grow with the log.
 */
#include "learn_print.h"
#include "policy.h"
#include "term.h"

#include <fcntl.h>
#include <mailreeve/learn.h>
#include <mailreeve/reader.h>

#define CHUNK (1u << 20) /* bytes read at once; a line longer than this is skipped */

struct options {
	const char *config;
	bool dry_run;
};
static const struct mr_option options[] = {
	{ "dry-run", 'n', MR_OPTION_FLAG, offsetof(struct options, dry_run), NULL,
	  "print what the log would do; nothing is touched" },
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "the policy; without it the defaults, and all formats, those of old servers too" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

struct run {
	const struct mr_ctl *ctl;
	struct mr_reader *reader;
	struct mr_learner *learner;
	struct mr_book *book;
	struct mr_learn_print print;
	uint64_t clock; /* ns: the latest stamp */
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
static void learn_setup(struct run *run, const struct mr_policy *p, const struct mr_host *h,
			bool defaults)
{
	struct mr_learn_setup s = { .policy = p,
				    .host = h,
				    .ban_services = mr_learn_bans(p, NULL) };

	s.permit_services = mr_learn_permits(p, NULL);
	if (defaults)
		s.permit_services = ~0ull; /* nothing is configured: show what a login is worth */
	mr_learner_setup(run->learner, &s);
}

static void learn_line(struct run *run, const char *file, uint64_t number, const char *p, size_t n)
{
	struct mr_learn_result result;
	struct mr_event e;
	uint64_t at;

	if (mr_reader_line(run->reader, p, n, &e) != MR_PARSE_EVENT)
		return;
	at = e.time_us ? e.time_us * 1000 : run->clock;
	if (at > run->clock) {
		size_t dropped;
		uint64_t next;

		run->clock = at;
		mr_book_sweep(run->book, at, SIZE_MAX, &dropped, &next);
	}
	mr_learner_event(run->learner, &e, at, run->clock, &result);
	mr_learn_print_event(&run->print, file, number, &e, &result);
}

/* Splits what it is given into lines; keeps the unfinished one for the next call. */
static enum mr_exit learn_stream(struct run *run, const char *file, int fd)
{
	_free_ char *buf = malloc(CHUNK);
	size_t have = 0;
	uint64_t number = 0;
	bool skipping = false;
	ssize_t r;

	if (!buf)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	while ((r = read(fd, buf + have, CHUNK - have)) != 0) {
		char *p = buf, *end, *newline;

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", file, strerror(errno));
		mr_learn_print_progress(&run->print, (size_t)r);
		end = buf + have + r;
		while ((newline = memchr(p, '\n', (size_t)(end - p)))) {
			number++;
			if (!skipping)
				learn_line(run, file, number, p, (size_t)(newline - p));
			skipping = false;
			p = newline + 1;
		}
		have = (size_t)(end - p);
		if (have == CHUNK) {
			have = 0; /* no newline in a megabyte: no line of a mail server */
			skipping = true;
		}
		memmove(buf, p, have);
	}
	if (have && !skipping)
		learn_line(run, file, number + 1, buf, have);
	return MR_EXIT_DONE;
}

static enum mr_exit learn_file(struct run *run, const char *path)
{
	_close_ int fd = -EBADF;

	if (strcmp(path, "-") == 0)
		return learn_stream(run, "-", STDIN_FILENO);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(errno));
	return learn_stream(run, path, fd);
}

static enum mr_exit learn_open(struct run *run, const struct mr_policy *policy, bool defaults)
{
	struct mr_book_limits limits = { .permits_max = policy->permit.max,
					 .bans_max = policy->ban.max,
					 .permit_plen6 = policy->permit.ipv6_prefix,
					 .ban_plen6 = policy->ban.ipv6_prefix };
	struct mr_reader_options o = { .policy = policy, .legacy = defaults };
	struct mr_book_ops none = { 0 };
	struct mr_error e = { "out of memory" };

	if (mr_book_new(&limits, &none, NULL, &run->book) < 0 ||
	    mr_learner_new(run->book, NULL, NULL, &run->learner) < 0 ||
	    mr_reader_new(&o, &run->reader, &e) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s", e.text);
	mr_reader_clock(run->reader, mr_realtime_us(), 0);
	return MR_EXIT_DONE;
}

static enum mr_exit learn_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;
	struct run run = { .ctl = ctl, .print = { .json = ctl->json } };
	enum mr_exit status;

	if (!o->dry_run)
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "learn needs --dry-run: the daemon does the learning "
				   "(learn { … } in its configuration)");
	status = learn_policy(o->config, &policy, &host);
	if (status == MR_EXIT_DONE)
		status = learn_open(&run, policy, !o->config);
	if (status == MR_EXIT_DONE) {
		learn_setup(&run, policy, host, !o->config);
		for (int i = 0; i < ctl->n_args && status == MR_EXIT_DONE; i++)
			status = learn_file(&run, ctl->args[i]);
		if (ctl->n_args == 0)
			status = learn_file(&run, "-");
		mr_learn_print_summary(&run.print, mr_reader_stats(run.reader));
	}
	mr_reader_free(run.reader);
	mr_learner_free(run.learner);
	mr_book_free(run.book);
	return status;
}

const struct mr_command mr_ctl_learn = {
	.name = "learn",
	.usage = "--dry-run [-c FILE] [--json] [FILE…]",
	.summary = "what a mail log would teach: logins, failures, permits, bans",
	.help = "Reads mail logs (standard input without a FILE) and prints each line that is\n"
		"recognised, with what it would do: a permit, a ban, a count, or nothing, and\n"
		"why.  The log's own clock drives windows and expiry.  Nothing is touched; no\n"
		"daemon and no privilege is needed.  Without -c the defaults apply, and all\n"
		"formats are tried, those of servers no longer shipped too.",
	.options = options,
	.options_size = sizeof(struct options),
	.max_args = 1024,
	.json = true,
	.run = learn_run,
};
