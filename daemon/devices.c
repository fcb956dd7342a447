// SPDX-License-Identifier: BSD-2-Clause
/*
 * devices.c - which devices should be guarded, which are, and why not.
 *
 * Compares what the policy names with what the host has, and attaches the difference; a device
 * that cannot be guarded is named with its reason and tried again, the others go on.  With
 * `interface default`, a device stays guarded when its default route goes, until the next apply.
 * Called by the main thread after a flip, after a change of links or routes, and by Attach and
 * Detach.
 */
#include "manager.h"

#include <string.h>

#define RETRY_US 5000000 /* a device that refused is asked again after so long */

static void guard_clear(struct mr_guard *g)
{
	free(g->error);
	memset(g, 0, sizeof(*g));
}

static void guard_error(struct mr_guard *g, const char *text)
{
	free(g->error);
	g->error = text && *text ? strdup(text) : NULL;
}

static struct mr_guard *guard_find(struct mr_manager *m, const char *name)
{
	for (size_t i = 0; i < m->guards; i++)
		if (strcmp(m->guard[i].name, name) == 0)
			return &m->guard[i];
	return NULL;
}

static struct mr_guard *guard_get(struct mr_manager *m, const char *name)
{
	struct mr_guard *g = guard_find(m, name);

	if (g)
		return g;
	if (mr_grow(&m->guard, &m->allocated_guards, m->guards, sizeof(*m->guard)) < 0)
		return NULL;
	g = &m->guard[m->guards++];
	memset(g, 0, sizeof(*g));
	snprintf(g->name, sizeof(g->name), "%s", name);
	return g;
}

static void guard_remove(struct mr_manager *m, struct mr_guard *g)
{
	guard_clear(g);
	*g = m->guard[--m->guards];
}

static const struct mr_device *device_find(const struct mr_manager *m, const char *name)
{
	for (size_t i = 0; m->host && i < m->host->n_devices; i++)
		if (strcmp(m->host->devices[i].name, name) == 0)
			return &m->host->devices[i];
	return NULL;
}

static const struct mr_device *device_number(const struct mr_manager *m, int ifindex)
{
	for (size_t i = 0; m->host && i < m->host->n_devices; i++)
		if (m->host->devices[i].ifindex == ifindex)
			return &m->host->devices[i];
	return NULL;
}

/* --- what is wanted --------------------------------------------------------------------------- */

static void want(struct mr_manager *m, const char *name)
{
	struct mr_guard *g = guard_get(m, name);

	if (g)
		g->wanted = true;
}

static void want_all(struct mr_manager *m)
{
	const struct mr_policy *p = m->active ? m->active->policy : NULL;

	for (size_t i = 0; i < m->guards; i++)
		m->guard[i].wanted = false;
	for (size_t i = 0; p && i < p->n_interfaces; i++)
		want(m, p->interfaces[i]);
	for (size_t i = 0; p && p->interface_default && m->host && i < m->host->n_devices; i++)
		if (m->host->devices[i].default_route && !m->host->devices[i].loopback)
			want(m, m->host->devices[i].name);
}

/* --- attach ----------------------------------------------------------------------------------- */

static void attached(struct mr_manager *m, struct mr_guard *g, bool again)
{
	char number[16];

	snprintf(number, sizeof(number), "%i", g->ifindex);
	if (again)
		return;
	mr_log_with(&m->log, LOG_NOTICE,
		    MR_FIELDS({ "MESSAGE_ID", MR_MSG_ATTACHED }, { "MAILREEVE_DEVICE", g->name },
			      { "MAILREEVE_IFINDEX", number }),
		    "guarding %s (%s%s%s)", g->name, mr_report_attach_name(g->at.mode),
		    g->at.l3 ? ", no Ethernet header" : "", g->at.frags ? ", frags" : "");
	if (g->at.reject_is_deny && m->active && m->active->rejects)
		mr_log_with(
			&m->log, LOG_WARNING,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_DEVICE }, { "MAILREEVE_DEVICE", g->name }),
			"%s: no reset may get out of it in this mode: `reject` may act as "
			"`deny` there",
			g->name);
}

static void attach(struct mr_manager *m, struct mr_guard *g, const struct mr_device *d)
{
	struct mr_error e = { "" };
	struct mr_attachment at;
	bool again = g->attached && !g->found && g->ifindex == d->ifindex;
	int r = mr_attach(m->kernel, d, m->active->rejects, &at, &e);

	g->ifindex = d->ifindex;
	if (r < 0) {
		g->attached = false;
		if (!*e.text)
			mr_error(&e, r, "%s: %s", d->name, strerror(-r));
		if (!g->error || strcmp(g->error, e.text) != 0)
			mr_log_with(&m->log, LOG_ERR,
				    MR_FIELDS({ "MESSAGE_ID", MR_MSG_DEVICE },
					      { "MAILREEVE_DEVICE", g->name }),
				    "%s is NOT guarded: %s", g->name, e.text);
		guard_error(g, e.text);
		return;
	}
	again = again && g->at.mode == at.mode;
	g->attached = true;
	g->found = false;
	g->at = at;
	guard_error(g, NULL);
	attached(m, g, again);
}

static void missing(struct mr_manager *m, struct mr_guard *g)
{
	if (g->attached || !g->error)
		mr_log_with(
			&m->log, LOG_WARNING,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_DEVICE }, { "MAILREEVE_DEVICE", g->name }),
			"%s is not there; it will be guarded when it appears", g->name);
	g->attached = false;
	g->ifindex = 0;
	guard_error(g, "not there; will be guarded when it appears");
}

static void detach(struct mr_manager *m, struct mr_guard *g)
{
	int r = mr_detach(m->kernel, g->name);

	if (r == 0)
		mr_log_with(&m->log, LOG_NOTICE,
			    MR_FIELDS({ "MESSAGE_ID", MR_MSG_DETACHED },
				      { "MAILREEVE_DEVICE", g->name }),
			    "let go of %s", g->name);
	else if (r != -ENOENT)
		mr_log(&m->log, LOG_ERR, "%s cannot be let go of: %s", g->name, strerror(-r));
	g->attached = false;
}

/* --- reconcile -------------------------------------------------------------------------------- */

static int on_retry(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	mr_devices_reconcile(userdata, false);
	mr_manager_notify(userdata);
	return 0;
}

static void retry_arm(struct mr_manager *m)
{
	bool failing = false;

	for (size_t i = 0; i < m->guards; i++)
		failing |= m->guard[i].wanted && !m->guard[i].attached && m->guard[i].ifindex;
	m->retry_timer = sd_event_source_disable_unref(m->retry_timer);
	if (failing && !m->stopping)
		sd_event_add_time_relative(m->event, &m->retry_timer, CLOCK_BOOTTIME, RETRY_US,
					   RETRY_US / 10, on_retry, m);
}

static const struct mr_attachment *link_on(const struct mr_attachment *list, size_t n, int ifindex)
{
	for (size_t i = 0; i < n; i++)
		if (ifindex && list[i].ifindex == ifindex && list[i].mode != MR_ATTACH_NONE)
			return &list[i];
	return NULL;
}

/* What the pins say counts: links of an earlier run or policy become known, so that they can be let
 * go of, and one that somebody took away is no longer thought to stand. */
static void read_links(struct mr_manager *m)
{
	struct mr_attachment *list = NULL;
	size_t n = 0;

	if (mr_attach_list(m->kernel, &list, &n) < 0)
		return;
	for (size_t i = 0; i < m->guards; i++)
		if (m->guard[i].attached && !link_on(list, n, m->guard[i].ifindex))
			m->guard[i].attached = false;
	for (size_t i = 0; i < n; i++) {
		struct mr_guard *g = guard_find(m, list[i].name);

		if (!link_on(list, n, list[i].ifindex)) {
			if (!g || !g->attached)
				mr_detach(m->kernel, list[i].name); /* a dead pin */
			continue;
		}
		g = g ? g : guard_get(m, list[i].name);
		if (!g || g->ifindex == list[i].ifindex)
			continue;
		g->at = list[i];
		g->ifindex = list[i].ifindex;
		g->attached = g->found = true;
	}
	free(list);
}

/* A name that another device has now, or none: the old device's link stands under its new name. */
static void follow_renames(struct mr_manager *m)
{
	for (size_t i = 0; i < m->guards; i++) {
		struct mr_guard *g = &m->guard[i];
		const struct mr_device *d = g->attached ? device_number(m, g->ifindex) : NULL;

		if (!d || strcmp(d->name, g->name) == 0)
			continue;
		mr_log_with(
			&m->log, LOG_NOTICE,
			MR_FIELDS({ "MESSAGE_ID", MR_MSG_DEVICE }, { "MAILREEVE_DEVICE", g->name }),
			"%s is called %s now", g->name, d->name);
		g->attached = false;
		g->ifindex = 0;
	}
}

static void attach_wanted(struct mr_manager *m)
{
	for (size_t i = 0; i < m->guards; i++) {
		struct mr_guard *g = &m->guard[i];
		const struct mr_device *d = g->wanted ? device_find(m, g->name) : NULL;

		if (d && g->attached && !g->found && g->ifindex == d->ifindex)
			continue;
		if (d)
			attach(m, g, d);
		else if (g->wanted)
			missing(m, g);
	}
}

static void drop_unwanted(struct mr_manager *m, bool drop)
{
	for (size_t i = m->guards; i-- > 0;) {
		struct mr_guard *g = &m->guard[i];
		const struct mr_device *d = device_number(m, g->ifindex);

		if (g->wanted)
			continue;
		if (g->attached && (drop || !d))
			detach(m, g);
		if (!g->attached)
			guard_remove(m, g);
	}
}

void mr_devices_reconcile(struct mr_manager *m, bool drop)
{
	if (m->detached || m->stopping)
		return;
	if (!m->active && !drop)
		return; /* what an earlier run left filters on */
	follow_renames(m);
	read_links(m);
	want_all(m);
	attach_wanted(m);
	drop_unwanted(m, drop);
	retry_arm(m);
}

unsigned int mr_devices_detach(struct mr_manager *m)
{
	unsigned int n = 0;

	read_links(m);
	for (size_t i = m->guards; i-- > 0;) {
		bool was = m->guard[i].attached;

		detach(m, &m->guard[i]);
		n += was;
		guard_remove(m, &m->guard[i]);
	}
	retry_arm(m);
	return n;
}

void mr_devices_clear(struct mr_manager *m)
{
	m->retry_timer = sd_event_source_disable_unref(m->retry_timer);
	for (size_t i = 0; i < m->guards; i++)
		guard_clear(&m->guard[i]);
	free(MR_TAKE_PTR(m->guard));
	m->guards = 0;
}

/* --- for status ------------------------------------------------------------------------------- */

json_t *mr_devices_json(const struct mr_manager *m)
{
	struct mr_attachment *list = NULL;
	json_t *out = json_array();
	size_t n = 0;

	for (size_t i = 0; i < m->guards; i++) {
		const struct mr_guard *g = &m->guard[i];
		const struct mr_device *d = device_number(m, g->ifindex);
		struct mr_attachment none = { .ifindex = g->ifindex };
		json_t *o;

		memcpy(none.name, g->name, sizeof(none.name));
		o = mr_report_device(g->attached ? &g->at : &none);
		json_object_set_new(o, "mtu", json_integer(d ? (json_int_t)d->mtu : 0));
		if (g->error)
			json_object_set_new(o, "error", mr_report_text(g->error));
		json_array_append_new(out, o);
	}
	if (m->guards || m->detached || mr_attach_list(m->kernel, &list, &n) < 0)
		return out;
	for (size_t i = 0; i < n; i++) /* of an earlier run */
		json_array_append_new(out, mr_report_device(&list[i]));
	free(list);
	return out;
}

json_t *mr_devices_unguarded(const struct mr_manager *m)
{
	json_t *out = json_array();

	for (size_t i = 0; m->host && i < m->host->n_devices; i++) {
		const struct mr_device *d = &m->host->devices[i];
		bool guarded = false;

		for (size_t j = 0; j < m->guards; j++)
			guarded |= m->guard[j].attached && m->guard[j].ifindex == d->ifindex;
		if (!guarded && d->up && !d->loopback)
			json_array_append_new(out, mr_report_text(d->name));
	}
	return out;
}
