// SPDX-License-Identifier: BSD-2-Clause
/*
 * authpolicy_room.c - always room for one more who asks over HTTP (authpolicy_room.h).
 *
 * Everybody on this host reaches the port.  Who opens connections and holds them would keep Dovecot
 * from asking, and a Dovecot that cannot ask lets in: so the connection that has not asked for
 * the longest time goes before the last place is taken.  Only shuts sockets down; libmicrohttpd
 * notices, closes them and says so.  Without memory a connection is not listed, and never let go
 * by us.  Called by authpolicy.c, partly through libmicrohttpd, on the main thread.
 */
#include "authpolicy_room.h"

#include <sys/socket.h>

#define SPARE 64 /* places kept free: what was let go is closed a little later */

struct mr_authpolicy_guest {
	struct MHD_Connection *c;
	struct mr_authpolicy_guest *newer, *older;
	bool listed;
};

static void unlist(struct mr_authpolicy_room *room, struct mr_authpolicy_guest *g)
{
	if (!g->listed)
		return;
	*(g->newer ? &g->newer->older : &room->newest) = g->older;
	*(g->older ? &g->older->newer : &room->oldest) = g->newer;
	g->listed = false;
	room->n--;
}

static void list(struct mr_authpolicy_room *room, struct mr_authpolicy_guest *g)
{
	g->newer = NULL;
	g->older = room->newest;
	*(g->older ? &g->older->newer : &room->oldest) = g;
	room->newest = g;
	g->listed = true;
	room->n++;
}

static void let_go(struct mr_authpolicy_room *room, struct mr_authpolicy_guest *g)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(g->c, MHD_CONNECTION_INFO_CONNECTION_FD);

	unlist(room, g);
	if (info && shutdown(info->connect_fd, SHUT_RDWR) == 0)
		room->let_go++;
}

void mr_authpolicy_room_notify(void *cls, struct MHD_Connection *c, void **context,
			       enum MHD_ConnectionNotificationCode code)
{
	struct mr_authpolicy_room *room = cls;
	struct mr_authpolicy_guest *g = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (g)
			unlist(room, g);
		free(g);
		*context = NULL;
		return;
	}
	if (room->n >= MR_AUTHPOLICY_CONNECTIONS - SPARE)
		let_go(room, room->oldest);
	g = calloc(1, sizeof(*g));
	if (!g)
		return;
	g->c = c;
	list(room, g);
	*context = g;
}

void mr_authpolicy_room_seen(struct mr_authpolicy_room *room, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct mr_authpolicy_guest *g = info ? info->socket_context : NULL;

	if (!g || !g->listed) /* who was let go stays so */
		return;
	unlist(room, g);
	list(room, g);
}
