// SPDX-License-Identifier: BSD-2-Clause
/*
 * status.c - the object of `status --json` (report.h has its shape), and the text of
 * `systemctl status`.
 *
 * Only reads.  What is not as it should be becomes a warning with the way out.  Called by the
 * Status method and after every change.
 */
#include "accounts.h"
#include "authpolicy.h"
#include "learn.h"
#include "listeners.h"
#include "manager.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define WARNINGS_MAX \
	64 /* lines; a service with many ports without listeners must not hide others */

const json_t *mr_status_generation(const struct mr_manager *m)
{
	return m->active ? m->active->json : m->adopted;
}

static void warn(json_t *list, const char *fmt, ...) _printf_(2, 3);
static void warn(json_t *list, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	if (json_array_size(list) >= WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) >= 0) {
		json_array_append_new(list, mr_report_text(text));
		free(text);
	}
	va_end(ap);
}

/* --- warnings --------------------------------------------------------------------------------- */

static void warn_listeners(const struct mr_manager *m, json_t *list)
{
	_free_ uint8_t *port = malloc(65536);
	const struct mr_policy *p = m->active->policy;

	if (!port || mr_listeners(port) < 0)
		return;
	for (size_t i = 0; i < p->n_services; i++) {
		const struct mr_service *s = &p->services[i];

		for (size_t j = 0; j < s->n_ports; j++)
			if (s->mode == MR_MODE_ENFORCE && !s->established_any && !port[s->ports[j]])
				warn(list,
				     "%s: nothing listens on port %u in this network namespace; if "
				     "it is forwarded or served elsewhere, the service needs "
				     "`established any`, or standing sessions are cut",
				     s->name, s->ports[j]);
	}
}

static void warn_devices(const struct mr_manager *m, json_t *list)
{
	for (size_t i = 0; i < m->guards; i++) {
		const struct mr_guard *g = &m->guard[i];

		if (g->wanted && !g->attached)
			warn(list, "%s is NOT guarded: %s", g->name,
			     g->error ? g->error : "unknown");
		if (g->attached && g->at.reject_is_deny && m->active && m->active->rejects)
			warn(list,
			     "%s: no reset may get out of it: `reject` acts as `deny` there until "
			     "mailreeve detach and attach put it into generic mode",
			     g->name);
		if (g->attached && !g->wanted)
			warn(list,
			     "%s is guarded, though the policy does not name it now; the next "
			     "apply lets go of it",
			     g->name);
	}
	if (m->active && m->active->policy->interface_default && !m->guards && !m->detached)
		warn(list, "there is no default route, so `interface default` names no device");
}

static void warn_sizes(const struct mr_manager *m, json_t *list)
{
	const struct mr_policy *p = m->active->policy;

	static const char text[] = "there was no room for `%s { max %u }` (the log says why), "
				   "the map holds %u; mailreeve apply tries again";

	if (p->permit.max > m->map_max[MR_PERMIT])
		warn(list, text, "permit", p->permit.max, m->map_max[MR_PERMIT]);
	if (p->ban.max > m->map_max[MR_BAN])
		warn(list, text, "ban", p->ban.max, m->map_max[MR_BAN]);
}

static json_t *warnings(struct mr_manager *m, const struct mr_book_stats *s)
{
	json_t *list = json_array();

	if (m->start_reason)
		warn(list, "started with the policy that was applied last, not with the file: %s",
		     m->start_reason);
	else if (m->config_error)
		warn(list, "the file as it is now will not load: %s", m->config_error);
	if (m->rolled_back)
		warn(list,
		     "the policy applied last was not confirmed in time and was taken back: the "
		     "one before it is in force; to try again: mailreeve apply --confirm 60s");
	if (m->state_error)
		warn(list,
		     "a restart may not know of the policy in force, for it could not be kept "
		     "(%s): mend this, then apply again",
		     m->state_error);
	if (m->entries_error)
		warn(list,
		     "permits and bans would not survive a reboot, for they could not be kept: %s",
		     strerror(-m->entries_error));
	if (!m->active && m->adopted)
		warn(list, "an earlier run's generation still filters; no policy is loaded here");
	if (m->detached)
		warn(list, "detached by hand: until attach, apply or a restart");
	warn_devices(m, list);
	if (m->active) {
		warn_sizes(m, list);
		warn_listeners(m, list);
	}
	mr_policyd_warn(m, list);
	if (s->permits_refused)
		warn(list, "%" PRIu64 " permits were refused because the map is full (%u)",
		     s->permits_refused, m->limits.permits_max);
	if (s->bans_evicted)
		warn(list, "%" PRIu64 " bans were given up early because the map is full (%u)",
		     s->bans_evicted, m->limits.bans_max);
	mr_learn_warnings(m, warn, list);
	mr_authpolicy_warnings(m, warn, list);
	mr_accounts_warnings(m, warn, list);
	return list;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* "VmHWM:  12345 kB" and the like, in bytes. */
static json_int_t proc_status(const char *key)
{
	_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long long kb;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), ": %lld", &kb) == 1)
			return (json_int_t)(kb * 1024);
	return 0;
}

/* While the worker fills a slot, the maps are its own: then what was read last. */
static json_t *memory(struct mr_manager *m)
{
	uint64_t *slot = m->slot_bytes;
	uint32_t active = mr_kernel_state(m->kernel)->active % MR_SLOTS;

	if (!m->job)
		(void)mr_generation_memory(m->kernel, slot);
	return json_pack("{s:I,s:I,s:I,s:I}", "active", (json_int_t)slot[active], "spare",
			 (json_int_t)slot[1 - active], "daemon", proc_status("VmRSS"), "peak",
			 proc_status("VmHWM"));
}

static json_t *loop(struct mr_manager *m)
{
	double recent = (double)m->linger.recent_ns / 1e9;

	m->linger.recent_ns = 0;
	return json_pack("{s:I,s:f,s:f}", "turns", (json_int_t)m->linger.turns, "longest",
			 (double)m->linger.longest_ns / 1e9, "recent", recent);
}

static json_t *services(const struct mr_manager *m)
{
	json_t *list = json_array(), *s;
	size_t i;

	json_array_foreach (json_object_get(mr_status_generation(m), "services"), i, s)
		json_array_append_new(list,
				      json_pack("{s:O,s:O,s:O}", "name", json_object_get(s, "name"),
						"ports", json_object_get(s, "ports"), "mode",
						json_object_get(s, "mode")));
	return list;
}

static const char *state_name(const struct mr_manager *m, bool guarded)
{
	const json_t *generation = mr_status_generation(m);
	bool enforced = false;
	json_t *s;
	size_t i;

	if (!guarded)
		return "unguarded";
	json_array_foreach (json_object_get(generation, "services"), i, s)
		enforced |=
			strcmp(json_string_value(json_object_get(s, "mode")) ?: "", "enforce") == 0;
	return enforced ? "guarding" : "shadow";
}

static json_t *confirm(const struct mr_manager *m)
{
	uint64_t now = mr_boottime_ns();

	if (!m->trial)
		return json_null();
	return json_pack("{s:f}", "expires_in",
			 m->trial_deadline > now ? (double)(m->trial_deadline - now) / 1e9 : 0.0);
}

static json_t *undo(const struct mr_manager *m)
{
	return json_boolean(m->previous || m->trial || *m->current.previous);
}

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value ? value : json_null());
}

json_t *mr_status(struct mr_manager *m)
{
	const json_t *generation = mr_status_generation(m);
	json_t *o = json_object(), *devices = mr_devices_json(m);
	struct mr_book_stats s;
	bool guarded = false;
	json_t *summary = mr_report_summary(devices, generation, &guarded);

	mr_book_stats(m->book, &s);
	set(o, "guarded", json_boolean(guarded));
	set(o, "summary", summary);
	set(o, "state", json_string(state_name(m, guarded)));
	set(o, "generation", json_incref(json_object_get(generation, "generation")));
	set(o, "applied", json_incref(json_object_get(generation, "applied")));
	set(o, "abi", json_integer(MR_ABI));
	set(o, "daemon",
	    json_pack("{s:i,s:s,s:i}", "pid", (int)getpid(), "version", MR_VERSION, "uid",
		      (int)geteuid()));
	set(o, "config", mr_report_text(m->options.config));
	set(o, "config_error", mr_report_text(m->config_error));
	set(o, "confirm", confirm(m));
	set(o, "undo", undo(m));
	set(o, "devices", devices);
	set(o, "unguarded", mr_devices_unguarded(m));
	set(o, "services", services(m));
	set(o, "permits",
	    json_pack("{s:I,s:I,s:I,s:I}", "live", (json_int_t)s.permits, "max",
		      (json_int_t)m->limits.permits_max, "refused", (json_int_t)s.permits_refused,
		      "expired", (json_int_t)s.expired[MR_PERMIT]));
	set(o, "bans",
	    json_pack("{s:I,s:I,s:I,s:I}", "live", (json_int_t)s.bans, "max",
		      (json_int_t)m->limits.bans_max, "evicted", (json_int_t)s.bans_evicted,
		      "expired", (json_int_t)s.expired[MR_BAN]));
	set(o, "learn", mr_learn_json(m));
	set(o, "dovecot", mr_authpolicy_json(m));
	set(o, "accounts", mr_accounts_json(m));
	set(o, "memory", memory(m));
	set(o, "loop", loop(m));
	set(o, "answers", mr_policyd_json(m));
	set(o, "warnings", warnings(m, &s));
	return o;
}

/* --- systemctl status ------------------------------------------------------------------------- */

void mr_manager_notify(struct mr_manager *m)
{
	const json_t *generation = mr_status_generation(m);
	struct mr_book_stats s = { 0 };
	bool guarded = false;
	json_t *devices, *summary;

	if (m->stopping || !m->kernel)
		return;
	devices = mr_devices_json(m);
	summary = mr_report_summary(devices, generation, &guarded);
	if (m->book)
		mr_book_stats(m->book, &s);
	sd_notifyf(0, "STATUS=%s; generation %lld%s; %zu permit%s, %zu ban%s%s",
		   json_string_value(summary) ?: "",
		   (long long)json_integer_value(json_object_get(generation, "generation")),
		   m->trial ? ", NOT CONFIRMED" : "", s.permits, mr_plural(s.permits), s.bans,
		   mr_plural(s.bans),
		   m->start_reason ? "; started with the policy applied last" : "");
	json_decref(summary);
	json_decref(devices);
}
