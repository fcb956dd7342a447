// SPDX-License-Identifier: BSD-2-Clause
/*
 * detach.c - `mailreeve detach`: the way out.  Takes the filter off every device.
 */
#include "bus.h"
#include "pins.h"

static enum mr_exit detach_said(const struct mr_ctl *ctl, unsigned int n)
{
	if (ctl->json)
		printf("{\"detached\":%u}\n", n);
	else if (n)
		printf("detached from %u device%s: the mail ports are open to everybody\n", n,
		       n == 1 ? "" : "s");
	else
		puts("nothing was attached");
	return MR_EXIT_DONE;
}

static enum mr_exit detach_run(const struct mr_ctl *ctl)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	bool down = false;
	uint32_t n;
	int r;

	status = mr_bus_open(ctl, &bus, &down);
	if (down) {
		status = mr_pins_detach(ctl, &n);
		return status == MR_EXIT_DONE ? detach_said(ctl, n) : status;
	}
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, "Detach", &m);
	if (status == MR_EXIT_DONE)
		status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "u", &n);
	return r < 0 ? mr_bus_bad_reply(r) : detach_said(ctl, n);
}

const struct mr_command mr_ctl_detach = {
	.name = "detach",
	.usage = "[--json]",
	.summary = "take the filter off every device",
	.help = "The mail ports are open to everybody then, until `attach`, `apply` or a\n"
		"restart of the daemon.  Works without the daemon too, as root, from what is\n"
		"pinned in the kernel. Permits, bans and counters are kept.",
	.json = true,
	.run = detach_run,
};
