// SPDX-License-Identifier: BSD-2-Clause
/*
 * netlink.c - follows the host: devices that come and go, addresses and default routes.
 *
 * A changed link is looked at at once (a few milliseconds gather a burst): a device that appears
 * is open until it is attached.  Addresses and routes wait 250 ms, and only if a rule uses them
 * and the prefixes differ is the policy compiled again, which is no change of policy.  Called by
 * the event loop.
 */
#include "apply.h"

#include <mailreeve/host.h>
#include <string.h>
#include <sys/epoll.h>

#define LINKS_US 5000
#define FACTS_US 250000

static bool same_set(const struct mr_set *a, const struct mr_set *b)
{
	return mr_set_equal(a, b);
}

static bool same_facts(const struct mr_host *a, const struct mr_host *b)
{
	return same_set(&a->local, &b->local) && same_set(&a->local_public, &b->local_public) &&
	       same_set(&a->gateways, &b->gateways);
}

static int read_host(struct mr_manager *m)
{
	struct mr_host *fresh = NULL;
	struct mr_error e = { "" };
	int r = mr_host_read(&fresh, &e);

	if (r < 0) {
		mr_log(&m->log, LOG_ERR, "the host's devices and addresses cannot be read: %s",
		       *e.text ? e.text : strerror(-r));
		return r;
	}
	mr_host_free(m->host);
	m->host = fresh;
	return 0;
}

static void look(struct mr_manager *m)
{
	if (read_host(m) < 0)
		return;
	mr_devices_reconcile(m, false);
	mr_manager_notify(m);
	if (m->active && m->active->facts && !same_facts(m->active->host, m->host))
		mr_job_submit(m, MR_JOB_FACTS, 0, NULL, NULL);
}

static int on_links(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	m->watch_links = sd_event_source_disable_unref(m->watch_links);
	if (read_host(m) == 0) {
		mr_devices_reconcile(m, false);
		mr_manager_notify(m);
	}
	return 0;
}

static int on_facts(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_manager *m = userdata;

	m->watch_facts = sd_event_source_disable_unref(m->watch_facts);
	look(m);
	return 0;
}

static int on_netlink(sd_event_source *s _unused_, int fd _unused_, uint32_t revents _unused_,
		      void *userdata)
{
	struct mr_manager *m = userdata;
	bool links = false, facts = false;
	int r = mr_host_watch_read(m->watch, &links, &facts);

	if (r < 0)
		mr_log(&m->log, LOG_WARNING, "rtnetlink: %s; reading everything anew",
		       strerror(-r));
	if ((links || r < 0) && !m->watch_links)
		sd_event_add_time_relative(m->event, &m->watch_links, CLOCK_MONOTONIC, LINKS_US, 1,
					   on_links, m);
	/* a link that goes takes its addresses and routes along without a word */
	if ((facts || links || r < 0) && !m->watch_facts)
		sd_event_add_time_relative(m->event, &m->watch_facts, CLOCK_MONOTONIC, FACTS_US, 1,
					   on_facts, m);
	return 0;
}

int mr_netlink_start(struct mr_manager *m)
{
	struct mr_error e = { "" };
	int r = mr_host_watch_new(&m->watch, &e);

	if (r == 0)
		r = sd_event_add_io(m->event, &m->watch_io, mr_host_watch_fd(m->watch), EPOLLIN,
				    on_netlink, m);
	if (r < 0) {
		mr_log(&m->log, LOG_ERR, "cannot follow devices and addresses: %s",
		       *e.text ? e.text : strerror(-r));
		return r;
	}
	return read_host(m);
}

void mr_netlink_stop(struct mr_manager *m)
{
	m->watch_io = sd_event_source_disable_unref(m->watch_io);
	m->watch_links = sd_event_source_disable_unref(m->watch_links);
	m->watch_facts = sd_event_source_disable_unref(m->watch_facts);
	mr_host_watch_free(MR_TAKE_PTR(m->watch));
	mr_host_free(MR_TAKE_PTR(m->host));
}
