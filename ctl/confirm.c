// SPDX-License-Identifier: BSD-2-Clause
/*
 * confirm.c - `mailreeve confirm`: keeps what `apply --confirm` has put in force.
 */
#include "bus.h"
#include "term.h"

static enum mr_exit confirm_run(const struct mr_ctl *ctl)
{
	uint64_t generation;
	enum mr_exit status = mr_bus_generation(ctl, "Confirm", MR_BUS_TIMEOUT_US, &generation);

	if (status != MR_EXIT_DONE)
		return status;
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
