// SPDX-License-Identifier: BSD-2-Clause
/*
 * undo.c - `mailreeve undo`: returns to the policy before the last apply.
 */
#include "bus.h"
#include "term.h"

static enum mr_exit undo_run(const struct mr_ctl *ctl)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	uint64_t generation;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Undo", &m);
	if (status == MR_EXIT_DONE)
		status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_LONG_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "t", &generation);
	if (r < 0)
		return mr_bus_bad_reply(r);
	if (ctl->json)
		printf("{\"generation\":%llu}\n", (unsigned long long)generation);
	else
		printf("generation %llu is active: the policy before the last apply\n"
		       "the file is as it was: the next apply reads it again, a restart does not\n",
		       (unsigned long long)generation);
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_undo = {
	.name = "undo",
	.usage = "[--json]",
	.summary = "return to the policy before the last apply",
	.help = "The previous policy comes back as it was, with its lists, whatever the files\n"
		"say now. The configuration file is not touched: mend it before the next\n"
		"apply. With nothing to return to the exit status is 1.",
	.json = true,
	.run = undo_run,
};
