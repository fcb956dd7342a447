// SPDX-License-Identifier: BSD-2-Clause
/*
 * host_watch.c - hears of changes to links, addresses and default routes (rtnetlink groups).
 *
 * Says only *that* something changed; the caller reads a new snapshot (host.c) when its debounce
 * has passed.  Messages that cannot change one are dropped here: a router that learns a thousand
 * routes a second wakes nobody up for a compile.  Never blocks.  Called by the daemon's loop.
 * A socket that overran reports everything as changed, so nothing is missed.
 */
#include <mailreeve/host.h>

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

/* Receive buffer, bytes: some thousand messages, the burst of a container host starting up. */
#define WATCH_BUFFER (1 << 20)
/* Messages taken in one call at most, so that a flood of them cannot hold the event loop. */
#define WATCH_ROUNDS 64

struct mr_host_watch {
	struct nl_sock *sk;
	bool links, facts;
};

static int watch_message(struct nl_msg *msg, void *arg)
{
	struct mr_host_watch *w = arg;
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	const struct rtmsg *rtm;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		w->links = true;
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		w->facts = true;
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (!nlmsg_valid_hdr(nlh, sizeof(*rtm)))
			break;
		rtm = nlmsg_data(nlh);
		if (rtm->rtm_dst_len == 0 && rtm->rtm_table != RT_TABLE_LOCAL)
			w->facts = true;
		break;
	default:
		break;
	}
	return NL_OK;
}

static int watch_setup(struct mr_host_watch *w)
{
	int r;

	nl_socket_disable_seq_check(w->sk);
	r = nl_socket_modify_cb(w->sk, NL_CB_VALID, NL_CB_CUSTOM, watch_message, w);
	if (r == 0)
		r = nl_connect(w->sk, NETLINK_ROUTE);
	if (r == 0)
		r = nl_socket_set_nonblocking(w->sk);
	if (r == 0)
		r = nl_socket_set_buffer_size(w->sk, WATCH_BUFFER, 0);
	if (r == 0)
		r = nl_socket_add_memberships(w->sk, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
					      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
					      RTNLGRP_IPV6_ROUTE, 0);
	return r;
}

int mr_host_watch_new(struct mr_host_watch **out, struct mr_error *e)
{
	_cleanup_(mr_host_watch_freep) struct mr_host_watch *w = calloc(1, sizeof(*w));
	int r;

	if (w)
		w->sk = nl_socket_alloc();
	if (!w || !w->sk)
		return mr_error(e, -ENOMEM, "no memory for the rtnetlink socket");
	r = watch_setup(w);
	if (r < 0)
		return mr_error(e, -EIO, "cannot watch devices and addresses by rtnetlink: %s",
				nl_geterror(r));
	*out = MR_TAKE_PTR(w);
	return 0;
}

void mr_host_watch_free(struct mr_host_watch *w)
{
	if (!w)
		return;
	if (w->sk)
		nl_socket_free(w->sk);
	free(w);
}

int mr_host_watch_fd(const struct mr_host_watch *w)
{
	return nl_socket_get_fd(w->sk);
}

int mr_host_watch_read(struct mr_host_watch *w, bool *links, bool *facts)
{
	int r = 0;

	w->links = w->facts = false;
	for (int i = 0; i < WATCH_ROUNDS && r >= 0; i++)
		r = nl_recvmsgs_default(w->sk);
	/* libnl turns ENOBUFS, messages lost to a full buffer, into NLE_NOMEM */
	if (r == -NLE_NOMEM)
		w->links = w->facts = true;
	else if (r < 0 && r != -NLE_AGAIN)
		return -EIO;
	*links = w->links;
	*facts = w->facts;
	return 0;
}
