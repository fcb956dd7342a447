// SPDX-License-Identifier: BSD-2-Clause
/*
 * undo.c - `mailreeve undo`: returns to the policy before the last apply.
 */
#include "bus.h"
#include "term.h"

static enum mr_exit undo_run(const struct mr_ctl *ctl)
{
	uint64_t generation;
	enum mr_exit status = mr_bus_generation(ctl, "Undo", MR_BUS_TIMEOUT_LONG_US, &generation);

	if (status != MR_EXIT_DONE)
		return status;
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
