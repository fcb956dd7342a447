// SPDX-License-Identifier: BSD-2-Clause
/*
 * check_names.c - can the kill, accept and groups files of relay { } be read? (config.h)
 *
 * The daemon reads them when they change and goes on with what it has if they are faulty; whoever
 * writes one wants to know before.  Called by the command, never by the daemon; never fails.
 */
#include "parser.h"

#include <mailreeve/relay.h>

void mr_config_check_names(const struct mr_policy *p, struct mr_findings *findings)
{
	const struct mr_place *place = &p->relay.place;
	struct mr_spot spot = { .path = p->files[place->file],
				.line = place->line,
				.column = place->column };

	for (int k = 0; k <= MR_NAMES_GROUPS; k++) {
		const char *path = mr_relay_path(p, (enum mr_names_kind)k);
		_cleanup_(mr_names_freep) struct mr_names *names = NULL;
		struct mr_error e = { "" };
		int r = path ? mr_names_read(path, (enum mr_names_kind)k, &names, &e) : 0;

		if (r == -EACCES)
			mr_findings_add(findings, MR_NOTE, &spot, "run check as root", "%s",
					e.text);
		else if (r < 0)
			mr_findings_add(findings, MR_RISK, &spot,
					"until then the daemon goes on with what it read before, "
					"or with an empty list",
					"%s", e.text);
	}
	mr_findings_sort(findings, 0, p);
}
