// SPDX-License-Identifier: BSD-2-Clause
/*
 * attach.c - `mailreeve attach`: guards the configured devices again after `detach`.
 */
#include "bus.h"
#include "term.h"

static enum mr_exit attach_run(const struct mr_ctl *ctl)
{
	_bus_ sd_bus *bus = NULL;
	_json_ json_t *reply = NULL;
	const json_t *list, *device;
	enum mr_exit status;
	size_t i, guarded = 0;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_json(bus, "Attach", NULL, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	list = json_is_array(reply) ? reply : json_object_get(reply, "devices");
	json_array_foreach (list, i, device)
		guarded += strcmp(mr_term_string(device, "mode"), "none") != 0;
	if (ctl->json) {
		mr_term_json(reply);
		return guarded ? MR_EXIT_DONE : MR_EXIT_NO;
	}
	json_array_foreach (list, i, device) {
		mr_term_text(mr_term_string(device, "name"), stdout);
		fputs(": ", stdout);
		mr_term_text(*mr_term_string(device, "error") ? mr_term_string(device, "error")
							      : mr_term_string(device, "mode"),
			     stdout);
		fputc('\n', stdout);
	}
	if (!guarded)
		return mr_ctl_fail(MR_EXIT_NO, "no device is guarded: `mailreeve status` says why");
	return MR_EXIT_DONE;
}

const struct mr_command mr_ctl_attach = {
	.name = "attach",
	.usage = "[--json]",
	.summary = "guard the configured devices again after `detach`",
	.help = "Attaches the filter to every device that `interface` names, and says in\n"
		"which mode. Only needed after `detach`: the daemon attaches when it starts,\n"
		"and to devices that appear later.  The exit status is 1 if no device is\n"
		"guarded then.",
	.json = true,
	.run = attach_run,
};
