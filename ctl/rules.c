// SPDX-License-Identifier: BSD-2-Clause
/*
 * rules.c - `mailreeve rules`: the rules in force, in order, with how often each has decided.
 */
#include "bus.h"
#include "pins.h"

static void rules_print(const json_t *list)
{
	_table_ struct mr_table t = { .columns = 5, .right = 1 << 1 | 1 << 2 };
	char packets[24], bytes[24], place[MR_TERM_PLACE];
	const json_t *rule;
	size_t i;

	mr_table_row(&t, "SERVICE", "PACKETS", "BYTES", "RULE", "AT");
	json_array_foreach (list, i, rule) {
		const char *service = mr_term_string(rule, "service");

		snprintf(packets, sizeof(packets), "%lld",
			 (long long)json_integer_value(json_object_get(rule, "packets")));
		snprintf(bytes, sizeof(bytes), "%lld",
			 (long long)json_integer_value(json_object_get(rule, "bytes")));
		mr_table_row(&t, *service ? service : "global", packets, bytes,
			     mr_term_string(rule, "text"), mr_term_place(rule, place));
	}
	mr_table_print(&t, stdout);
}

static enum mr_exit rules_run(const struct mr_ctl *ctl)
{
	const char *service = ctl->n_args ? ctl->args[0] : "";
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *list = NULL;
	enum mr_exit status;
	bool down = false;
	const json_t *rule;
	size_t i;

	status = mr_bus_open(ctl, &bus, &down);
	if (status == MR_EXIT_DONE)
		status = mr_bus_json(bus, "Rules", service, &list);
	else if (down)
		status = mr_pins_rules(ctl, service, &list);
	if (status != MR_EXIT_DONE)
		return status;
	if (!ctl->json) {
		rules_print(list);
		return MR_EXIT_DONE;
	}
	json_array_foreach (list, i, rule)
		mr_term_json(rule);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_rules = {
	.name = "rules",
	.usage = "[SERVICE] [--json]",
	.summary = "the rules in force and how often each has decided",
	.help = "One line a rule, in the order in which they are asked, with the packets that\n"
		"it has decided since it was first loaded.  Counters follow a rule's text:\n"
		"they are kept when other rules change.  SERVICE limits the list to one\n"
		"service and `global`. Works without the daemon too, as root.",
	.max_args = 1,
	.json = true,
	.run = rules_run,
};
