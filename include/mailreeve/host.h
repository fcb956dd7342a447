/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - what the kernel says about this machine: the facts behind `local` and `gateways`.
 *
 * A snapshot by rtnetlink (libnl), readable by anybody.  The daemon takes one at start and after
 * every change it hears of; `mailreeve check`, `lan` and `why -c` take their own.
 */
#ifndef MAILREEVE_HOST_H
#define MAILREEVE_HOST_H

#include <mailreeve/set.h>

struct mr_device {
	int ifindex;
	char name[16];
	char driver[16]; /* rtnl link kind ("veth", "tun", …), "" for hardware */
	unsigned short type; /* ARPHRD_ */
	unsigned int mtu;
	bool up, loopback;
	bool default_route; /* a default route leaves through it */
};
struct mr_network { /* one connected network */
	struct mr_prefix prefix;
	int ifindex;
	bool is_public;
};
struct mr_host {
	struct mr_device *devices;
	size_t n_devices;
	struct mr_network *networks;
	size_t n_networks;
	struct mr_addr *gateway;
	size_t n_gateways;
	struct mr_set local; /* own addresses, private connected networks; sealed */
	struct mr_set local_public; /* … and public connected networks */
	struct mr_set gateways;
	struct mr_set loopback;
};

int mr_host_read(struct mr_host **out, struct mr_error *e);
int mr_host_empty(struct mr_host **out); /* loopback only: for tests and where netlink is closed */
void mr_host_free(struct mr_host *h);
MR_DEFINE_CLEANUP(struct mr_host *, mr_host_free)

/* Changes, for an event loop: wait for the descriptor to be readable, then read.  Only what can
 * change a snapshot counts: links, addresses, default routes.  A burst that overran the socket
 * counts as everything changed. */
struct mr_host_watch;
int mr_host_watch_new(struct mr_host_watch **out, struct mr_error *e);
void mr_host_watch_free(struct mr_host_watch *w);
MR_DEFINE_CLEANUP(struct mr_host_watch *, mr_host_watch_free)
int mr_host_watch_fd(const struct mr_host_watch *w);
/* Empties the socket; never blocks.  links: devices came, went, or were renamed; facts: addresses
 * or default routes changed. */
int mr_host_watch_read(struct mr_host_watch *w, bool *links, bool *facts);

#endif
