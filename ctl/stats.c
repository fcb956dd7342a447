// SPDX-License-Identifier: BSD-2-Clause
/*
 * stats.c - `mailreeve stats`: packets by service and outcome, and why others met their fate.
 */
#include "bus.h"
#include "pins.h"

static const char *const shown[] = { "allow",	    "deny",   "reject", "unmatched",
				     "established", "banned", "shadow", "unanswered" };

static void stats_services(const json_t *stats)
{
	_table_ struct mr_table t = { .columns = 9, .right = 0x1fe };
	char n[MR_ARRAY_SIZE(shown)][24];
	const json_t *s;
	size_t i;

	mr_table_row(&t, "SERVICE", "ALLOW", "DENY", "REJECT", "UNMATCHED", "ESTABLISHED", "BANNED",
		     "SHADOW", "UNANSWERED");
	json_array_foreach (json_object_get(stats, "services"), i, s) {
		const json_t *packets = json_object_get(s, "packets");

		for (size_t c = 0; c < MR_ARRAY_SIZE(shown); c++)
			snprintf(n[c], sizeof(n[c]), "%lld",
				 (long long)json_integer_value(json_object_get(packets, shown[c])));
		mr_table_row(&t, mr_term_string(s, "name"), n[0], n[1], n[2], n[3], n[4], n[5],
			     n[6], n[7]);
	}
	mr_table_print(&t, stdout);
}

static void stats_reasons(const json_t *stats)
{
	_table_ struct mr_table t = { .columns = 2, .right = 1 << 1 };
	json_t *reasons = json_object_get(stats, "reasons"), *value;
	const char *name;
	char n[24];

	mr_table_row(&t, "REASON", "PACKETS");
	json_object_foreach (reasons, name, value) {
		if (!json_integer_value(value))
			continue;
		snprintf(n, sizeof(n), "%lld", (long long)json_integer_value(value));
		mr_table_row(&t, name, n);
	}
	if (t.n == t.columns)
		return;
	fputc('\n', stdout);
	mr_table_print(&t, stdout);
}

static enum mr_exit stats_run(const struct mr_ctl *ctl)
{
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *stats = NULL;
	enum mr_exit status;
	bool down = false;

	status = mr_bus_open(ctl, &bus, &down);
	if (status == MR_EXIT_DONE)
		status = mr_bus_json(bus, "Stats", NULL, &stats);
	else if (down)
		status = mr_pins_stats(ctl, &stats);
	if (status != MR_EXIT_DONE)
		return status;
	if (ctl->json) {
		mr_term_json(stats);
		return MR_EXIT_DONE;
	}
	stats_services(stats);
	stats_reasons(stats);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_stats = {
	.name = "stats",
	.usage = "[--json]",
	.summary = "packets by service and outcome, and by reason",
	.help = "Packets of each service by outcome, then the packets that no rule decided,\n"
		"by reason (reasons that never occurred are left out; --json has them all).\n"
		"Works without the daemon too, as root.",
	.json = true,
	.run = stats_run,
};
