// SPDX-License-Identifier: BSD-2-Clause
/*
 * status.c - `mailreeve status`: is this machine guarded, by what, and what should be known.
 *
 * The first line is the truth in one sentence; for scripts `guarded` of --json says the same.
 */
#include "bus.h"
#include "pins.h"

static void status_head(const json_t *s, bool guarded)
{
	const json_t *generation = json_object_get(s, "generation");

	fputs(mr_term_on(stdout, guarded ? MR_GREEN : MR_RED), stdout);
	mr_term_text(mr_term_string(s, "summary"), stdout);
	fputs(mr_term_off(stdout), stdout);
	if (json_is_integer(generation)) {
		printf(" — generation %lld", (long long)json_integer_value(generation));
		if (*mr_term_string(s, "applied")) {
			fputs(", applied ", stdout);
			mr_term_text(mr_term_string(s, "applied"), stdout);
		}
	}
	fputc('\n', stdout);
}

static void status_devices(const json_t *s)
{
	const json_t *d;
	size_t i;

	json_array_foreach (json_object_get(s, "devices"), i, d) {
		fputs("device   ", stdout);
		mr_term_text(mr_term_string(d, "name"), stdout);
		if (strcmp(mr_term_string(d, "mode"), "none") == 0)
			printf(": %snot guarded%s", mr_term_on(stdout, MR_RED),
			       mr_term_off(stdout));
		else
			printf(": %s%s%s", mr_term_string(d, "mode"),
			       json_is_true(json_object_get(d, "l3")) ? ", no Ethernet header" : "",
			       json_is_true(json_object_get(d, "reject_is_deny"))
				       ? ", reject acts as deny"
				       : "");
		if (*mr_term_string(d, "error")) {
			fputs(": ", stdout);
			mr_term_text(mr_term_string(d, "error"), stdout);
		}
		fputc('\n', stdout);
	}
}

static void status_services(const json_t *s)
{
	const json_t *service, *port;
	size_t i, j;

	json_array_foreach (json_object_get(s, "services"), i, service) {
		fputs("service  ", stdout);
		mr_term_text(mr_term_string(service, "name"), stdout);
		json_array_foreach (json_object_get(service, "ports"), j, port)
			printf(" %lld", (long long)json_integer_value(port));
		if (strcmp(mr_term_string(service, "mode"), "enforce") != 0)
			printf(" %s(%s: refuses nothing)%s", mr_term_on(stdout, MR_YELLOW),
			       mr_term_string(service, "mode"), mr_term_off(stdout));
		fputc('\n', stdout);
	}
}

static void status_entries(const json_t *s, const char *key)
{
	const json_t *e = json_object_get(s, key);

	if (json_is_object(e))
		printf("%-7s  %lld", key,
		       (long long)json_integer_value(json_object_get(e, "live")));
	if (json_is_integer(json_object_get(e, "max")))
		printf(" of %lld", (long long)json_integer_value(json_object_get(e, "max")));
	if (json_is_object(e))
		fputc('\n', stdout);
}

static void status_sources(const json_t *s)
{
	const json_t *source, *sources = json_object_get(json_object_get(s, "learn"), "sources");
	size_t i;

	if (!json_array_size(sources) && json_is_object(json_object_get(s, "daemon")) &&
	    !json_is_object(json_object_get(s, "dovecot")))
		puts("source   none: nothing is learned, the configuration has no learn { }");
	json_array_foreach (sources, i, source) {
		const json_t *events = json_object_get(source, "events"), *lag;

		fputs("source   ", stdout);
		mr_term_text(mr_term_string(source, "name"), stdout);
		printf(": %s, %lld lines, %lld logins, %lld failures, %lld attacks",
		       mr_term_string(source, "state"),
		       (long long)json_integer_value(json_object_get(source, "lines")),
		       (long long)json_integer_value(json_object_get(events, "login")),
		       (long long)json_integer_value(json_object_get(events, "failure")),
		       (long long)json_integer_value(json_object_get(events, "abuse")));
		lag = json_object_get(source, "lag");
		if (json_number_value(lag) >= 1)
			printf(", %.0f s behind", json_number_value(lag));
		fputc('\n', stdout);
	}
}

static void status_asked(const char *server, long long questions, long long refused)
{
	printf("%s  ", server);
	if (questions)
		printf("asked %lld times, %lld refused\n", questions, refused);
	else
		puts("has not asked yet (mailreeve doctor says what it lacks)");
}

static long long status_number(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* Who may ask, and whether somebody does. */
static void status_askers(const json_t *s)
{
	const json_t *answers = json_object_get(s, "answers"), *listener;
	const json_t *policy = json_object_get(answers, "policy");
	const json_t *dovecot = json_object_get(s, "dovecot");
	bool open = false;
	size_t i;

	json_array_foreach (json_object_get(answers, "listeners"), i, listener)
		open = open || json_is_true(json_object_get(listener, "open"));
	if (open)
		status_asked(
			"postfix",
			status_number(policy, "questions") +
				status_number(json_object_get(answers, "socketmap"), "lookups"),
			status_number(policy, "refused"));
	if (json_array_size(json_object_get(dovecot, "listen")))
		status_asked("dovecot",
			     status_number(dovecot, "allowed") + status_number(dovecot, "refused"),
			     status_number(dovecot, "refused"));
}

static void status_line(enum mr_colour colour, const char *label, const char *text)
{
	size_t length = strlen(text);

	printf("%s%s%s: ", mr_term_on(stdout, colour), label, mr_term_off(stdout));
	mr_term_text(text, stdout);
	if (!length || text[length - 1] != '\n')
		fputc('\n', stdout);
}

/* Does a warning tell the same at length? */
static bool status_said(const json_t *s, const char *text)
{
	const json_t *w;
	size_t i;

	json_array_foreach (json_object_get(s, "warnings"), i, w)
		if (strstr(json_string_value(w) ?: "", text))
			return true;
	return false;
}

static void status_warnings(const json_t *s)
{
	const json_t *confirm = json_object_get(s, "confirm"), *w;
	const char *error = mr_term_string(s, "config_error");
	char left[MR_REPORT_LEFT];
	size_t i;

	if (json_is_object(confirm))
		printf("%sunconfirmed%s: rolls back in %s unless you run: mailreeve confirm\n",
		       mr_term_on(stdout, MR_YELLOW), mr_term_off(stdout),
		       mr_report_left(json_number_value(json_object_get(confirm, "expires_in")),
				      left));
	if (*error && !status_said(s, error))
		status_line(MR_RED, "faulty configuration", error);
	json_array_foreach (json_object_get(s, "warnings"), i, w)
		status_line(MR_YELLOW, "warning", json_string_value(w) ?: "");
}

static void status_print(const json_t *s, bool guarded)
{
	const json_t *daemon = json_object_get(s, "daemon");

	status_head(s, guarded);
	if (json_is_object(daemon))
		printf("daemon   mailreeved %s, pid %lld\n", mr_term_string(daemon, "version"),
		       (long long)json_integer_value(json_object_get(daemon, "pid")));
	else
		printf("daemon   %snot running%s\n", mr_term_on(stdout, MR_RED),
		       mr_term_off(stdout));
	status_devices(s);
	status_services(s);
	status_entries(s, "permits");
	status_entries(s, "bans");
	status_sources(s);
	status_askers(s);
	status_warnings(s);
}

static enum mr_exit status_run(const struct mr_ctl *ctl)
{
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *s = NULL;
	enum mr_exit status;
	bool guarded, down = false, none = false;

	status = mr_bus_open(ctl, &bus, &down);
	if (status == MR_EXIT_DONE)
		status = mr_bus_json(bus, "Status", NULL, &s);
	else if (down)
		status = mr_pins_status(ctl, &s, &none);
	if (status != MR_EXIT_DONE)
		return status;
	guarded = json_is_true(json_object_get(s, "guarded"));
	if (ctl->json)
		mr_term_json(s);
	else
		status_print(s, guarded);
	if (none) /* nobody could be asked: a daemon may run with another runtime directory */
		return mr_bus_down(ctl);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_status = {
	.name = "status",
	.usage = "[--json]",
	.summary = "is this machine guarded, and by what",
	.help = "The first line says whether the mail ports are guarded and where; then the\n"
		"devices, services, entries and warnings.  Works without the daemon too, as\n"
		"root, from what is pinned in the kernel.  Exit status 3: neither the daemon\n"
		"nor anything pinned was found.",
	.json = true,
	.run = status_run,
};
