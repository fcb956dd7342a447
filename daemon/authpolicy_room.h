/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * authpolicy_room.h - the connections of one address where Dovecot asks, by when they last asked.
 */
#ifndef MAILREEVE_DAEMON_AUTHPOLICY_ROOM_H
#define MAILREEVE_DAEMON_AUTHPOLICY_ROOM_H

#include <mailreeve/util.h>
#include <microhttpd.h>

#define MR_AUTHPOLICY_CONNECTIONS 512 /* of one address; Dovecot opens at most 100 */

struct mr_authpolicy_guest;
struct mr_authpolicy_room {
	struct mr_authpolicy_guest *newest, *oldest;
	size_t n;
	uint64_t let_go; /* to make room */
};

/* MHD_NotifyConnectionCallback; cls is the room */
void mr_authpolicy_room_notify(void *cls, struct MHD_Connection *c, void **context,
			       enum MHD_ConnectionNotificationCode code);
/* A request has begun here. */
void mr_authpolicy_room_seen(struct mr_authpolicy_room *room, struct MHD_Connection *c);

#endif
