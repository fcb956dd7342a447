// SPDX-License-Identifier: BSD-2-Clause
/*
 * confirm.c - `mailreeve confirm`: keeps what `apply --confirm` has put in force.
 */
#include "bus.h"
#include "term.h"

static enum mr_exit confirm_run(const struct mr_ctl *ctl)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	uint64_t generation;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Confirm", &m);
	if (status == MR_EXIT_DONE)
		status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "t", &generation);
	if (r < 0)
		return mr_bus_bad_reply(r);
	if (ctl->json)
		printf("{\"generation\":%llu}\n", (unsigned long long)generation);
	else
		printf("generation %llu stays\n", (unsigned long long)generation);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_confirm = {
	.name = "confirm",
	.usage = "[--json]",
	.summary = "keep what `apply --confirm` has put in force",
	.help = "Ends the waiting that `apply --confirm` began; the policy stays.  With\n"
		"nothing to confirm (too late, or never asked for) the exit status is 1.",
	.json = true,
	.run = confirm_run,
};
