// SPDX-License-Identifier: BSD-2-Clause
/*
 * listeners.c - asks the kernel for listening TCP sockets, both families (listeners.h).
 *
 * sock_diag filters by state in the kernel, so a host with a hundred thousand connections answers
 * as fast as one with none; /proc/net/tcp would not.  Called by status.  Fails with -errno.
 */
#include "listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_BYTES 32768 /* one datagram of the kernel's dump */

static int ask(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_states = 1u << TCP_LISTEN },
	};

	return send(fd, &q, sizeof(q), 0) < 0 ? -errno : 0;
}

/* 1: there is more, 0: the end. */
static int take(const void *buf, size_t len, uint8_t *port)
{
	const struct nlmsghdr *h = buf;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		const struct inet_diag_msg *d = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
		    h->nlmsg_len >= NLMSG_LENGTH(sizeof(*d)))
			port[ntohs(d->id.idiag_sport)] = 1;
	}
	return 1;
}

int mr_listeners(uint8_t port[static 65536])
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_free_ char *buf = malloc(ANSWER_BYTES);

	if (fd < 0)
		return -errno;
	if (!buf)
		return -ENOMEM;
	memset(port, 0, 65536);
	for (size_t i = 0; i < MR_ARRAY_SIZE(families); i++) {
		int r = ask(fd, families[i]);

		while (r == 0 || r == 1) {
			ssize_t n = recv(fd, buf, ANSWER_BYTES, 0);

			if (n < 0)
				return -errno;
			r = take(buf, (size_t)n, port);
			if (r == 0)
				break;
		}
		if (r < 0)
			return r;
	}
	return 0;
}
