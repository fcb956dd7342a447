// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor.c - `mailreeve doctor`: what the mail servers' settings lack, and what in them is
 * dangerous.
 *
 * Runs postconf and doveconf, or reads what they printed; asks lib/doctor.c; prints each finding
 * with the lines to paste.  Changes nothing.  Exit status 0: nothing to say, 1: findings, 2: bad
 * input.
 */
#include "policy.h"
#include "term.h"

#include <mailreeve/doctor.h>

#include <fcntl.h>
#include <sys/wait.h>

#define RUN_MAX MR_DOCTOR_MAX

struct options {
	const char *config, *postconf, *master, *doveconf;
};
static const struct mr_option options[] = {
	{ "config", 'c', MR_OPTION_TEXT, offsetof(struct options, config), "FILE",
	  "mailreeve's configuration (default " MR_CONFIG_FILE ")" },
	{ "postconf", 0, MR_OPTION_TEXT, offsetof(struct options, postconf), "FILE",
	  "what `postconf -n` printed" },
	{ "master", 0, MR_OPTION_TEXT, offsetof(struct options, master), "FILE",
	  "what `postconf -M` printed" },
	{ "doveconf", 0, MR_OPTION_TEXT, offsetof(struct options, doveconf), "FILE",
	  "what `doveconf -n` printed" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

/* --- input ------------------------------------------------------------------------------------ */

struct input {
	const char *path;
	char *data;
	size_t len;
};

static enum mr_exit input_file(const char *path, struct input *in)
{
	int r = mr_read_file(path, MR_DOCTOR_MAX, &in->data, &in->len);

	in->path = path;
	if (r == -EFBIG)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: larger than 4 MiB", path);
	if (r == -EINVAL)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: not a file", path);
	return r < 0 ? mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", path, strerror(-r)) : MR_EXIT_DONE;
}

static int read_all(int fd, struct input *in)
{
	size_t allocated = 0;

	for (;;) {
		ssize_t got;
		int r = mr_grow(&in->data, &allocated, in->len + BUFSIZ, 1);

		if (r < 0)
			return r;
		got = read(fd, in->data + in->len, BUFSIZ);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			in->data[in->len] = '\0';
			return got < 0 ? -errno : 0;
		}
		in->len += (size_t)got;
		if (in->len > RUN_MAX)
			return -EFBIG;
	}
}

/* Runs a program and keeps what it prints; not installed: in->data stays NULL. */
static enum mr_exit input_run(const char *program, const char *option, const char *title,
			      struct input *in)
{
	int fd[2], status = 0, r;
	pid_t pid;

	in->path = title;
	if (pipe2(fd, O_CLOEXEC) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", title, strerror(errno));
	pid = fork();
	if (pid == 0) {
		const char *const argv[] = { program, option, NULL };

		dup2(fd[1], STDOUT_FILENO);
		setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
		execvp(program, (char *const *)argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(fd[1]);
	if (pid < 0) {
		close(fd[0]);
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: no process for it", title);
	}
	r = read_all(fd[0], in);
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s: %s", title, strerror(-r));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		free(MR_TAKE_PTR(in->data));
		return MR_EXIT_DONE;
	}
	if (status)
		return mr_ctl_fail(MR_EXIT_USAGE,
				   "%s failed: give its output with --%s FILE, or "
				   "mend what it says",
				   title, program);
	return MR_EXIT_DONE;
}

struct inputs {
	struct input postconf, master, doveconf;
};

static void inputs_clear(struct inputs *in)
{
	free(in->postconf.data);
	free(in->master.data);
	free(in->doveconf.data);
}

static enum mr_exit inputs_read(const struct options *o, struct inputs *in)
{
	enum mr_exit status = MR_EXIT_DONE;

	if (o->master && !o->postconf)
		return mr_ctl_fail(MR_EXIT_USAGE, "--master needs --postconf");
	if (o->postconf || o->doveconf) {
		if (o->postconf)
			status = input_file(o->postconf, &in->postconf);
		if (status == MR_EXIT_DONE && o->master)
			status = input_file(o->master, &in->master);
		if (status == MR_EXIT_DONE && o->doveconf)
			status = input_file(o->doveconf, &in->doveconf);
		return status;
	}
	status = input_run("postconf", "-n", "postconf -n", &in->postconf);
	if (status == MR_EXIT_DONE && in->postconf.data)
		status = input_run("postconf", "-M", "postconf -M", &in->master);
	if (status == MR_EXIT_DONE)
		status = input_run("doveconf", "-n", "doveconf -n", &in->doveconf);
	if (status == MR_EXIT_DONE && !in->postconf.data && !in->doveconf.data)
		return mr_ctl_fail(MR_EXIT_USAGE, "neither Postfix nor Dovecot is installed here: "
						  "give --postconf or --doveconf");
	return status;
}

/* The usual file may be missing: then the defaults hold. */
static enum mr_exit policy_read(const struct options *o, struct mr_policy **out)
{
	_cleanup_(mr_host_freep) struct mr_host *host = NULL;

	if (!o->config && access(MR_CONFIG_FILE, F_OK) < 0) {
		mr_ctl_fail(MR_EXIT_DONE, "no %s: looking without it", MR_CONFIG_FILE);
		return MR_EXIT_DONE;
	}
	if (mr_host_empty(&host) < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "out of memory");
	return mr_policy_read(o->config ?: MR_CONFIG_FILE, host, out);
}

/* --- output ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum mr_colour colour;
} grades[] = {
	[MR_ADVICE_DANGER] = { "danger", MR_RED },
	[MR_ADVICE_ADD] = { "missing", MR_YELLOW },
	[MR_ADVICE_NOTE] = { "note", MR_DIM },
};

/* The next line to paste, without blanks at its end; NULL: there is no more. */
static char *paste_line(const char **paste)
{
	size_t n = *paste ? strcspn(*paste, "\n") : 0;
	const char *line = *paste;

	if (!line || !*line)
		return NULL;
	*paste += n + (line[n] == '\n');
	while (n && line[n - 1] == ' ')
		n--;
	return strndup(line, n);
}

static void print_paste(const char *paste)
{
	char *line;

	while ((line = paste_line(&paste))) {
		fputs("\t", stdout);
		mr_term_text(line, stdout);
		fputc('\n', stdout);
		free(line);
	}
}

static void print(const struct mr_advices *a)
{
	for (unsigned int grade = MR_ADVICE_DANGER; grade <= MR_ADVICE_NOTE; grade++)
		for (size_t k = 0; k < a->n; k++) {
			const struct mr_advice *v = &a->list[k];

			if (v->grade != grade)
				continue;
			mr_term_text(v->file, stdout);
			printf(": %s%s%s: ", mr_term_on(stdout, grades[grade].colour),
			       grades[grade].name, mr_term_off(stdout));
			mr_term_text(v->message, stdout);
			printf("  [%s]\n", v->id);
			if (v->paste)
				print_paste(v->paste);
		}
	if (!a->n)
		puts("nothing to say");
}

static json_t *paste_json(const char *paste)
{
	json_t *list = json_array();
	char *line;

	while ((line = paste_line(&paste))) {
		json_array_append_new(list, mr_report_text(line));
		free(line);
	}
	return list;
}

static void print_json(const struct mr_advices *a)
{
	json_t *list = json_array();
	_json_ json_t *j = json_pack("{s:o}", "findings", list);

	for (size_t k = 0; k < a->n; k++) {
		const struct mr_advice *v = &a->list[k];

		json_array_append_new(list, json_pack("{s:s,s:s,s:o,s:o,s:o}", "id", v->id, "grade",
						      grades[v->grade].name, "file",
						      mr_report_text(v->file), "message",
						      mr_report_text(v->message), "paste",
						      paste_json(v->paste)));
	}
	mr_term_json(j);
}

static enum mr_exit doctor_run(const struct mr_ctl *ctl)
{
	_cleanup_(mr_policy_freep) struct mr_policy *policy = NULL;
	_cleanup_(mr_advices_clear) struct mr_advices advices = { 0 };
	_cleanup_(inputs_clear) struct inputs in = { 0 };
	struct mr_doctor_input question = { 0 };
	struct mr_error e = { "" };
	enum mr_exit status = inputs_read(ctl->options, &in);
	int r;

	if (status == MR_EXIT_DONE)
		status = policy_read(ctl->options, &policy);
	if (status != MR_EXIT_DONE)
		return status;
	question = (struct mr_doctor_input){
		.postconf = { in.postconf.path, in.postconf.data, in.postconf.len },
		.master = { in.master.path, in.master.data, in.master.len },
		.doveconf = { in.doveconf.path, in.doveconf.data, in.doveconf.len },
		.policy = policy,
	};
	r = mr_doctor(&question, &advices, &e);
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_USAGE, "%s", *e.text ? e.text : strerror(-r));
	if (ctl->json)
		print_json(&advices);
	else
		print(&advices);
	return advices.n ? MR_EXIT_NO : MR_EXIT_DONE;
}

const struct mr_command mr_ctl_doctor = {
	.name = "doctor",
	.usage = "[-c FILE] [--postconf FILE [--master FILE]] [--doveconf FILE] [--json]",
	.summary = "what the mail servers' settings lack, and what in them is dangerous",
	.help = "Reads what `postconf -n`, `postconf -M` and `doveconf -n` print, or files that\n"
		"hold it, beside mailreeve's configuration, and says what to add so that the\n"
		"servers ask mailreeve, with the lines to paste, and what gives strangers\n"
		"something: an open relay, VRFY, passwords without TLS, proxies that are not\n"
		"listed, a log that nobody reads.  Changes nothing.  Exit status 0: nothing to\n"
		"say; 1: findings; 2: bad input.",
	.options = options,
	.options_size = sizeof(struct options),
	.json = true,
	.run = doctor_run,
};
