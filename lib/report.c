// SPDX-License-Identifier: BSD-2-Clause
/*
 * report.c - builds the JSON of status, rules, stats and monitor (report.h has the shapes).
 *
 * Called by the daemon, and by the command when it works from the pins.  Never prints, never opens
 * anything.  json_t builders return NULL for want of memory; those that read counters return
 * -errno.
 */
#include <mailreeve/report.h>

#include <linux/bpf.h>
#include <net/if.h>
#include <time.h>

static const char *const why_names[MR_WHY_N] = {
	[MR_WHY_NOT_IP] = "not-ip",
	[MR_WHY_NOT_TCP] = "not-tcp",
	[MR_WHY_NO_SERVICE] = "no-service",
	[MR_WHY_OTHER_DESTINATION] = "other-destination",
	[MR_WHY_LATER_FRAGMENT] = "later-fragment",
	[MR_WHY_ALLOW] = "allow",
	[MR_WHY_ESTABLISHED] = "established",
	[MR_WHY_SHADOW] = "shadow",
	[MR_WHY_DEEP_TAGS] = "deep-tags",
	[MR_WHY_DENY] = "deny",
	[MR_WHY_REJECT] = "reject",
	[MR_WHY_UNMATCHED] = "unmatched",
	[MR_WHY_BANNED] = "banned",
	[MR_WHY_MALFORMED] = "malformed",
	[MR_WHY_SHORT_FRAGMENT] = "short-fragment",
	[MR_WHY_DEEP_HEADERS] = "deep-headers",
	[MR_WHY_MAPPED_SOURCE] = "mapped-source",
	[MR_WHY_EVENT_LOST] = "event-lost",
	[MR_WHY_NO_GENERATION] = "no-generation",
};

static const char *const counted_names[MR_COUNTED_N] = {
	[MR_COUNTED_ALLOW] = "allow",
	[MR_COUNTED_DENY] = "deny",
	[MR_COUNTED_REJECT] = "reject",
	[MR_COUNTED_UNMATCHED] = "unmatched",
	[MR_COUNTED_ESTABLISHED] = "established",
	[MR_COUNTED_BANNED] = "banned",
	[MR_COUNTED_SHADOW] = "shadow",
	[MR_COUNTED_UNANSWERED] = "unanswered",
};

const char *mr_report_why_name(unsigned int why)
{
	return why < MR_WHY_N && why_names[why] ? why_names[why] : "unknown";
}

const char *mr_report_counted_name(unsigned int counted)
{
	return counted < MR_COUNTED_N && counted_names[counted] ? counted_names[counted]
								: "unknown";
}

const char *mr_report_attach_name(enum mr_attach_mode mode)
{
	return mode == MR_ATTACH_NATIVE ? "native" : mode == MR_ATTACH_GENERIC ? "generic" : "none";
}

const char *mr_report_mode_name(enum mr_mode mode)
{
	return mode == MR_MODE_OFF ? "off" : mode == MR_MODE_SHADOW ? "shadow" : "enforce";
}

size_t mr_report_utf8(const unsigned char *s, size_t n)
{
	static const struct {
		unsigned char first, last, low, high;
		unsigned char length;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(forms); i++) {
		if (n == 0 || *s < forms[i].first || *s > forms[i].last)
			continue;
		if (forms[i].length > n)
			return 0;
		if (forms[i].length > 1 && (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((s[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

json_t *mr_report_text(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	_free_ char *clean = NULL;
	size_t n = 0, length, left;

	if (!text)
		return json_null();
	left = strlen(text);
	clean = malloc(3 * left + 1); /* a bad byte becomes the three of U+FFFD */
	if (!clean)
		return NULL;
	while (*s) {
		length = mr_report_utf8(s, left);
		if (length) {
			memcpy(clean + n, s, length);
			n += length;
		} else {
			memcpy(clean + n, "\xef\xbf\xbd", 3);
			n += 3;
			length = 1;
		}
		s += length;
		left -= length;
	}
	return json_stringn_nocheck(clean, n);
}

const char *mr_report_time(uint64_t realtime_us, bool ms, char buf[static MR_REPORT_TIME])
{
	time_t seconds = (time_t)(realtime_us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, MR_REPORT_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
	if (ms)
		snprintf(buf + n, MR_REPORT_TIME - n, ".%03uZ",
			 (unsigned int)(realtime_us / 1000 % 1000));
	else
		snprintf(buf + n, MR_REPORT_TIME - n, "Z");
	return buf;
}

const char *mr_report_left(double seconds, char buf[static MR_REPORT_LEFT])
{
	unsigned long long s = seconds > 0 ? (unsigned long long)(seconds + 0.5) : 0;

	if (seconds < 10)
		snprintf(buf, MR_REPORT_LEFT, "%.1fs", seconds > 0 ? seconds : 0.0);
	else if (s < 60)
		snprintf(buf, MR_REPORT_LEFT, "%llus", s);
	else if (s < 3600)
		snprintf(buf, MR_REPORT_LEFT, "%llum %llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, MR_REPORT_LEFT, "%lluh %llum", s / 3600, s / 60 % 60);
	else
		snprintf(buf, MR_REPORT_LEFT, "%llud %lluh", s / 86400, s / 3600 % 24);
	return buf;
}

/* --- generation ------------------------------------------------------------------------------- */

static json_t *report_ports(const struct mr_service *s)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < s->n_ports; i++)
		json_array_append_new(ports, json_integer(s->ports[i]));
	return ports;
}

static json_t *report_rule(const struct mr_policy *p, const struct mr_rule *r,
			   const struct mr_service *s, const uint16_t *counter)
{
	return json_pack("{s:i,s:i,s:o,s:o,s:i,s:o}", "number", r->number, "counter",
			 counter ? counter[r->number] : 0, "service",
			 mr_report_text(s ? s->name : NULL), "file",
			 mr_report_text(r->place.line ? p->files[r->place.file] : NULL), "line",
			 (int)r->place.line, "text", mr_report_text(r->text));
}

/* In the order of their numbers, which is file order: `global` may stand between services. */
static void report_all_rules(const struct mr_generation_spec *spec, json_t *list)
{
	const struct mr_policy *p = spec->policy;
	_free_ json_t **rule = calloc(p->n_numbered + 1, sizeof(json_t *));

	if (!rule)
		return;
	for (size_t i = 0; i <= p->n_services; i++) {
		const struct mr_service *s = i < p->n_services ? &p->services[i] : NULL;
		const struct mr_rule *r = s ? s->rules : p->global;

		for (size_t n = s ? s->n_rules : p->n_global; n; n--, r++)
			if (r->number && r->number <= p->n_numbered)
				rule[r->number] = report_rule(p, r, s, spec->rule_counter);
	}
	for (size_t n = 1; n <= p->n_numbered; n++)
		if (rule[n])
			json_array_append_new(list, rule[n]);
}

json_t *mr_report_generation(const struct mr_generation_spec *spec, uint64_t applied_us)
{
	const struct mr_policy *p = spec->policy;
	json_t *services = json_array(), *rules = json_array(), *interfaces = json_array();
	char when[MR_REPORT_TIME];

	for (size_t c = 0; c < spec->image->columns; c++) {
		const struct mr_service *s = spec->image->service[c];

		json_array_append_new(services,
				      json_pack("{s:o,s:i,s:i,s:o,s:s}", "name",
						mr_report_text(s->name), "id", spec->service_id[c],
						"column", (int)c, "ports", report_ports(s), "mode",
						mr_report_mode_name(s->mode)));
	}
	report_all_rules(spec, rules);
	for (size_t i = 0; i < p->n_interfaces; i++)
		json_array_append_new(interfaces, mr_report_text(p->interfaces[i]));
	if (p->interface_default)
		json_array_append_new(interfaces, json_string("default"));
	return json_pack("{s:I,s:s,s:i,s:o,s:o,s:o}", "generation", (json_int_t)spec->number,
			 "applied", mr_report_time(applied_us, false, when), "abi", MR_ABI,
			 "services", services, "rules", rules, "interfaces", interfaces);
}

/* --- findings --------------------------------------------------------------------------------- */

json_t *mr_report_finding(const struct mr_finding *f)
{
	return json_pack("{s:o,s:o,s:o,s:o,s:o}", "file", mr_report_text(f->file), "line",
			 f->line ? json_integer(f->line) : json_null(), "column",
			 f->column ? json_integer(f->column) : json_null(), "message",
			 mr_report_text(f->message), "hint", mr_report_text(f->hint));
}

json_t *mr_report_findings(const struct mr_findings *f)
{
	json_t *grade[3] = { json_array(), json_array(), json_array() };

	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(grade[f->list[i].grade], mr_report_finding(&f->list[i]));
	return json_pack("{s:o,s:o,s:o}", "errors", grade[MR_ERROR], "risks", grade[MR_RISK],
			 "notes", grade[MR_NOTE]);
}

/* --- devices ---------------------------------------------------------------------------------- */

json_t *mr_report_device(const struct mr_attachment *a)
{
	return json_pack("{s:o,s:i,s:s,s:b,s:b,s:b}", "name", mr_report_text(a->name), "ifindex",
			 a->ifindex, "mode",
			 mr_report_attach_name(a->ifindex ? a->mode : MR_ATTACH_NONE), "l3", a->l3,
			 "frags", a->frags, "reject_is_deny", a->reject_is_deny);
}

json_t *mr_report_summary(const json_t *devices, const json_t *generation, bool *guarded)
{
	char text[512] = "guarding ";
	size_t n = strlen(text), used = 0, i;
	json_t *d;

	*guarded = false;
	if (!json_is_object(generation))
		return json_string("UNGUARDED: no policy is loaded");
	json_array_foreach (devices, i, d) {
		const char *mode = json_string_value(json_object_get(d, "mode"));
		const char *name = json_string_value(json_object_get(d, "name"));

		if (!mode || !name || strcmp(mode, "none") == 0 || n >= sizeof(text))
			continue;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s (%s)", used ? ", " : "",
				      name, mode);
		used++;
	}
	if (!used)
		return json_string("UNGUARDED: attached to no device");
	*guarded = true;
	return mr_report_text(text);
}

/* --- decisions -------------------------------------------------------------------------------- */

static json_t *decision_service(const json_t *generation, unsigned int id)
{
	json_t *s;
	size_t i;

	json_array_foreach (json_object_get(generation, "services"), i, s)
		if (json_integer_value(json_object_get(s, "id")) == (json_int_t)id)
			return json_incref(json_object_get(s, "name"));
	return json_null();
}

/* The rules stand in the order of their numbers; an event of another generation names none. */
static json_t *decision_rule(const json_t *generation, const struct mr_event_packet *ev)
{
	json_t *rule;

	if (!ev->rule || json_integer_value(json_object_get(generation, "generation")) !=
				 (json_int_t)ev->generation)
		return json_null();
	rule = json_array_get(json_object_get(generation, "rules"), ev->rule - 1u);
	if (json_integer_value(json_object_get(rule, "number")) != ev->rule)
		return json_null();
	return json_pack("{s:O,s:O,s:O}", "file", json_object_get(rule, "file"), "line",
			 json_object_get(rule, "line"), "text", json_object_get(rule, "text"));
}

json_t *mr_report_decision(const json_t *generation, const struct mr_event_packet *ev,
			   int64_t boot_to_real_us)
{
	const char *verdict = ev->verdict == XDP_PASS ? "pass"
			      : ev->verdict == XDP_TX ? "reject"
						      : "drop";
	char when[MR_REPORT_TIME], source[MR_ADDR_TEXT], destination[MR_ADDR_TEXT];
	char device[IF_NAMESIZE];
	struct mr_addr from, to;

	memcpy(from.b, ev->source, sizeof(from.b));
	memcpy(to.b, ev->destination, sizeof(to.b));
	mr_report_time((uint64_t)((int64_t)(ev->time / 1000) + boot_to_real_us), true, when);
	return json_pack(
		"{s:s,s:s,s:s,s:s,s:i,s:s,s:i,s:o,s:o,s:o,s:I,s:b,s:b,s:b,s:b}", "time", when,
		"verdict", verdict, "why", mr_report_why_name(ev->why), "source",
		mr_addr_text(&from, source), "source_port", ev->sport, "destination",
		mr_addr_text(&to, destination), "port", ev->dport, "service",
		decision_service(generation, ev->service), "rule", decision_rule(generation, ev),
		"interface", mr_report_text(if_indextoname(ev->ifindex, device)), "generation",
		(json_int_t)ev->generation, "new", !!(ev->flags & MR_EVENT_SYN), "permitted",
		!!(ev->flags & MR_EVENT_PERMITTED), "banned", !!(ev->flags & MR_EVENT_BANNED),
		"shadow", !!(ev->flags & MR_EVENT_SHADOW));
}
