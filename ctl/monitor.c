// SPDX-License-Identifier: BSD-2-Clause
/*
 * monitor.c - `mailreeve monitor`: decisions as they are made, one a line.
 *
 * A sample: the program sends so many events a second and CPU, the rest is only counted.  Ends with
 * SIGINT or SIGTERM (status 0), with the daemon (status 3), or when nobody reads (status 1).
 */
#include "bus.h"
#include "term.h"

#include <signal.h>
#include <systemd/sd-event.h>

#define MONITOR_RATE 100u /* events a second and CPU: more than a person reads */

struct options {
	uint32_t rate;
};
static const struct mr_option options[] = {
	{ "rate", 'r', MR_OPTION_COUNT, offsetof(struct options, rate), "N",
	  "sample so many decisions a second and CPU (default 100)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

struct monitor {
	sd_event *event;
	bool json;
};

static const char *monitor_number(const json_t *e, const char *key, char buf[static 24])
{
	snprintf(buf, 24, "%lld", (long long)json_integer_value(json_object_get(e, key)));
	return buf;
}

/* 22:17:57.123 drop 192.0.2.7:4711 -> 198.51.100.1:25 smtp: deny @spamhaus (…conf:12) */
static void monitor_print(const json_t *e)
{
	const json_t *rule = json_object_get(e, "rule");
	const char *time = mr_term_string(e, "time"), *verdict = mr_term_string(e, "verdict");
	char from[24], to[24], place[MR_TERM_PLACE];
	bool pass = strcmp(verdict, "pass") == 0;

	time = strchr(time, 'T') ? strchr(time, 'T') + 1 : time;
	printf("%.12s  %s%-6s%s  ", time, mr_term_on(stdout, pass ? MR_GREEN : MR_RED), verdict,
	       mr_term_off(stdout));
	printf("%s %s -> %s %s  ", mr_term_string(e, "source"),
	       monitor_number(e, "source_port", from), mr_term_string(e, "destination"),
	       monitor_number(e, "port", to));
	mr_term_text(*mr_term_string(e, "service") ? mr_term_string(e, "service") : "-", stdout);
	fputs(": ", stdout);
	mr_term_text(mr_term_string(e, "why"), stdout);
	if (json_is_true(json_object_get(e, "shadow")))
		fputs(" (shadow: would be refused)", stdout);
	if (json_is_object(rule)) {
		fputs(", ", stdout);
		mr_term_text(mr_term_string(rule, "text"), stdout);
		fputs(" at ", stdout);
		mr_term_text(mr_term_place(rule, place), stdout);
	}
	fputc('\n', stdout);
}

static int monitor_decision(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error)
{
	struct monitor *mon = userdata;
	_json_ json_t *e = NULL;
	const char *text;

	if (sd_bus_message_is_signal(m, NULL, "Disconnected"))
		return sd_event_exit(mon->event, MR_EXIT_UNREACHABLE);
	if (!sd_bus_message_is_signal(m, MR_BUS_INTERFACE, "Decision") ||
	    sd_bus_message_read(m, "s", &text) < 0)
		return 0;
	e = json_loads(text, 0, NULL);
	if (!e)
		return 0;
	if (mon->json)
		mr_term_json(e);
	else
		monitor_print(e);
	if (fflush(stdout) != 0)
		return sd_event_exit(mon->event, MR_EXIT_NO);
	return 0;
}

static int monitor_prepare(struct monitor *mon, sd_bus *bus, sd_event **event)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = sd_event_new(event);
	if (r < 0)
		return r;
	mon->event = *event;
	/* without a handler these end the loop with the userdata as its status */
	r = sd_event_add_signal(*event, NULL, SIGINT, NULL, NULL);
	if (r >= 0)
		r = sd_event_add_signal(*event, NULL, SIGTERM, NULL, NULL);
	if (r >= 0)
		r = sd_bus_add_filter(bus, NULL, monitor_decision, mon);
	if (r >= 0)
		r = sd_bus_attach_event(bus, *event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

static enum mr_exit monitor_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	struct monitor mon = { .json = ctl->json };
	_cleanup_(sd_event_unrefp) sd_event *event = NULL;
	_message_ sd_bus_message *m = NULL;
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Subscribe", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_append(m, "u", o->rate ?: MONITOR_RATE);
	if (r < 0)
		return mr_bus_bad_reply(r);
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, NULL);
	if (status != MR_EXIT_DONE)
		return status;
	r = monitor_prepare(&mon, bus, &event);
	if (r >= 0)
		r = sd_event_loop(event);
	sd_bus_detach_event(bus);
	if (r < 0)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot wait for events: %s", strerror(-r));
	if (r == MR_EXIT_UNREACHABLE)
		return mr_ctl_fail(MR_EXIT_UNREACHABLE, "mailreeved closed the connection");
	return (enum mr_exit)r;
}

const struct mr_command mr_ctl_monitor = {
	.name = "monitor",
	.usage = "[--rate N] [--json]",
	.summary = "decisions as they are made, one a line",
	.help = "Prints a sample of the filter's decisions until interrupted: time, verdict,\n"
		"who to whom, service, reason and rule.  `stats` and `rules` count every\n"
		"packet; this does not.",
	.options = options,
	.options_size = sizeof(struct options),
	.json = true,
	.run = monitor_run,
};
