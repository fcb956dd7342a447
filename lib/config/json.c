// SPDX-License-Identifier: BSD-2-Clause
/*
 * json.c - findings as JSON (config_json.h).  Called by the command and the daemon; NULL for want
 * of memory is its only failure.
 */
#include <mailreeve/config_json.h>

static int add(json_t *to, const struct mr_finding *f)
{
	json_t *line = f->line ? json_integer(f->line) : json_null();
	json_t *column = f->column ? json_integer(f->column) : json_null();

	return json_array_append_new(to, json_pack("{s:s, s:o, s:o, s:s, s:s?}", "file", f->file,
						   "line", line, "column", column, "message",
						   f->message, "hint", f->hint));
}

json_t *mr_findings_json(const struct mr_findings *f)
{
	static const char *const names[] = { "errors", "risks", "notes" };
	json_t *lists[] = { json_array(), json_array(), json_array() };
	json_t *o = json_object();
	int r = o ? 0 : -1;

	for (size_t i = 0; i < f->n && r == 0; i++)
		r = add(lists[f->list[i].grade], &f->list[i]);
	for (size_t i = 0; i < MR_ARRAY_SIZE(lists); i++)
		r |= json_object_set_new(o, names[i], lists[i]);
	if (r) {
		json_decref(o);
		return NULL;
	}
	return o;
}
