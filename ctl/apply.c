// SPDX-License-Identifier: BSD-2-Clause
/*
 * apply.c - `mailreeve apply`: the daemon reads its configuration anew and switches to it.
 *
 * Prints what changed and the risks of the new policy.  A faulty file changes nothing; the daemon's
 * findings are printed whole.
 */
#include "bus.h"
#include "term.h"

struct options {
	uint64_t confirm_us;
};
static const struct mr_option options[] = {
	{ "confirm", 0, MR_OPTION_TIME, offsetof(struct options, confirm_us), "TIME",
	  "roll back unless `mailreeve confirm` comes in time (60s, 5m)" },
	{ NULL, 0, 0, 0, NULL, NULL },
};

static void apply_findings(const json_t *summary, const char *key, const char *grade,
			   enum mr_colour colour)
{
	char place[MR_TERM_PLACE];
	const json_t *f;
	size_t i;

	json_array_foreach (json_object_get(summary, key), i, f) {
		mr_term_text(mr_term_place(f, place), stdout);
		printf("%s%s%s:%s ", *place ? ": " : "", mr_term_on(stdout, colour), grade,
		       mr_term_off(stdout));
		mr_term_text(mr_term_string(f, "message"), stdout);
		fputc('\n', stdout);
		if (*mr_term_string(f, "hint")) {
			fputs("    hint: ", stdout);
			mr_term_text(mr_term_string(f, "hint"), stdout);
			fputc('\n', stdout);
		}
	}
}

static unsigned long long apply_number(const json_t *summary, const char *key)
{
	return (unsigned long long)json_integer_value(json_object_get(summary, key));
}

static void apply_counts(const json_t *summary)
{
	unsigned long long rules = apply_number(summary, "rules");
	unsigned long long classes = apply_number(summary, "classes");

	printf(": %llu rule%s, %llu IPv4 and %llu IPv6 prefixes, %llu class%s, %.2f s", rules,
	       mr_plural(rules), apply_number(summary, "prefixes4"),
	       apply_number(summary, "prefixes6"), classes, classes == 1 ? "" : "es",
	       json_number_value(json_object_get(summary, "seconds")));
}

static void apply_print(uint64_t generation, const json_t *summary, bool asked)
{
	const json_t *confirm = json_object_get(summary, "confirm");
	char left[MR_REPORT_LEFT];

	printf("generation %llu is active", (unsigned long long)generation);
	if (json_object_get(summary, "rules"))
		apply_counts(summary);
	if (json_is_false(json_object_get(summary, "changed")))
		fputs(" (the same policy as before)", stdout);
	fputc('\n', stdout);
	apply_findings(summary, "risks", "risk", MR_YELLOW);
	if (json_is_number(confirm))
		printf("rolls back in %s unless you run: mailreeve confirm\n",
		       mr_report_left(json_number_value(confirm), left));
	else if (asked)
		puts("nothing waits to be confirmed: this policy was in force already");
}

static enum mr_exit apply_run(const struct mr_ctl *ctl)
{
	const struct options *o = ctl->options;
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *summary = NULL;
	enum mr_exit status;
	uint64_t generation;
	const char *text;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Apply", &m);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_append(m, "t", o->confirm_us);
	if (r < 0)
		return mr_bus_bad_reply(r);
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_LONG_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "ts", &generation, &text);
	if (r < 0)
		return mr_bus_bad_reply(r);
	status = mr_bus_decode(text, &summary);
	if (status != MR_EXIT_DONE)
		return status;
	if (ctl->json)
		mr_term_json(summary);
	else
		apply_print(generation, summary, o->confirm_us != 0);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_apply = {
	.name = "apply",
	.usage = "[--confirm TIME] [--json]",
	.summary = "read the configuration anew and enforce it",
	.help = "The daemon reads its configuration file and all lists, compiles them, and\n"
		"switches every device to the new policy between two packets.  Standing\n"
		"sessions go on unless a rule denies them.  A faulty file changes nothing:\n"
		"its errors are shown, exit status 2.\n"
		"\n"
		"With --confirm the previous policy comes back by itself, also over a\n"
		"restart, unless `mailreeve confirm` is run in time: for changes that could\n"
		"lock you out.",
	.options = options,
	.options_size = sizeof(struct options),
	.json = true,
	.run = apply_run,
};
