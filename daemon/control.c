// SPDX-License-Identifier: BSD-2-Clause
/*
 * control.c - the control socket: sd-bus, peer to peer, many clients (control.h).
 *
 * Accepts root, the daemon's own user and members of the group mailreeve, and keeps each client
 * from costing more than it may: so many connections, so long for the handshake, so many bytes
 * without a whole message, so many answers that nobody reads.  Who goes beyond is disconnected and
 * the log says why.  Never blocks.  Called by the manager and by methods.c.
 */
#include "control.h"
#include "rest.h"

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CLIENTS_MAX   64 /* connections; beyond, the one idle for longest makes room */
#define IDLE_NS	      10000000000ull /* who said nothing for so long may have to make room */
#define MUTE_NS	      200000000ull /* the same, for who never said anything: a command asks at once */
#define HANDSHAKE_US  10000000 /* from connect to authenticated */
#define MESSAGE_BYTES (512u << 10) /* received without a whole message; ours are far smaller */
#define SOCKET_BYTES  (256 << 10) /* kernel buffer of a client, each way; sd-bus asks for 8 MiB */
#define ANSWERS_MAX   32 /* answers nobody has read: no more questions, good-bye */
#define DECISIONS_MAX 256 /* events in a subscriber's queue; further ones are dropped */
#define LOGS	      10 /* lines a second about clients; a script gone wild does not fill the log */
#define GROUP	      "mailreeve"
#define GROUPS_MAX    1024 /* supplementary groups of a client that are looked at */

struct mr_control {
	struct mr_manager *m;
	int fd;
	char *path;
	sd_event_source *listen, *reap, *post;
	struct mr_rest rest;
	struct mr_client *client;
	size_t clients;
	uint64_t log_second; /* since boot */
	unsigned int log_lines, log_lost; /* told, and left out, in that second */
	sd_id128_t id;
};

static bool may_log(struct mr_control *c)
{
	uint64_t second = mr_boottime_ns() / 1000000000ull;

	if (second != c->log_second) {
		if (c->log_lost)
			mr_log(&c->m->log, LOG_WARNING,
			       "%u more lines about control clients left out", c->log_lost);
		c->log_second = second;
		c->log_lines = c->log_lost = 0;
	}
	if (c->log_lines++ < LOGS)
		return true;
	c->log_lost++;
	return false;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void client_free(struct mr_client *c)
{
	sd_event_source_disable_unref(c->handshake);
	sd_event_source_disable_unref(c->input);
	sd_event_source_disable_unref(c->kick);
	if (c->input_fd >= 0)
		close(c->input_fd);
	sd_bus_close_unref(c->bus);
	free(c);
}

static int on_reap(sd_event_source *s _unused_, void *userdata)
{
	struct mr_control *control = userdata;
	struct mr_manager *m = control->m;

	for (struct mr_client **c = &control->client; *c;) {
		struct mr_client *gone = *c;

		if (!gone->dead) {
			c = &gone->next;
			continue;
		}
		*c = gone->next;
		control->clients--;
		client_free(gone);
	}
	mr_monitor_rate(m, mr_control_rate(m));
	return 0;
}

/* Not at once: the caller may stand in one of the bus's own callbacks. */
static void client_drop(struct mr_client *c, const char *why)
{
	struct mr_control *control = c->control;

	if (c->dead)
		return;
	c->dead = true;
	c->rate = 0;
	if (why && may_log(control))
		mr_log(&c->m->log, LOG_WARNING, "control client (pid %i, uid %u) disconnected: %s",
		       c->pid, c->uid, why);
	sd_event_source_set_enabled(c->input, SD_EVENT_OFF);
	sd_event_source_set_enabled(control->reap, SD_EVENT_ONESHOT);
}

static int on_handshake(sd_event_source *s _unused_, uint64_t usec _unused_, void *userdata)
{
	struct mr_client *c = userdata;

	if (sd_bus_is_ready(c->bus) <= 0)
		client_drop(c, "no handshake in time");
	return 0;
}

/*
 * A question that came in one read with the end of the handshake lies in sd-bus's buffer, and
 * nothing in the socket says so: dbus-send would wait for its answer until it gives up.
 */
static int on_kick(sd_event_source *s _unused_, void *userdata)
{
	struct mr_client *c = userdata;

	for (int n = 0; n < ANSWERS_MAX && !c->dead && sd_bus_process(c->bus, NULL) > 0; n++)
		;
	return 0;
}

/* Runs before sd-bus reads: counts what came since the last whole message. */
static int on_input(sd_event_source *s _unused_, int fd, uint32_t revents _unused_, void *userdata)
{
	struct mr_client *c = userdata;
	int n = 0;

	if (ioctl(fd, FIONREAD, &n) == 0 && n > 0)
		c->received += (size_t)n;
	if (c->received > MESSAGE_BYTES)
		client_drop(c, "a message of more than 512 KiB");
	else if (sd_bus_is_ready(c->bus) <= 0)
		sd_event_source_set_enabled(c->kick, SD_EVENT_ONESHOT);
	return 0;
}

/* A first message that came together with the end of the handshake is in sd-bus's buffer already,
 * and no event will tell of it: so ask, until a client has spoken. */
static int on_post(sd_event_source *s _unused_, void *userdata)
{
	struct mr_control *control = userdata;

	for (struct mr_client *c = control->client; c; c = c->next) {
		int r = 1;

		/* a step of the handshake, the end of it, the message: a few turns at most */
		for (int i = 0; i < 8 && r > 0 && !c->dead && !c->spoke; i++)
			r = sd_bus_process(c->bus, NULL);
		if (r < 0)
			client_drop(c, "no D-Bus in its handshake");
	}
	return 0;
}

/* Every message passes here first. */
static int on_message(sd_bus_message *msg, void *userdata, sd_bus_error *error _unused_)
{
	struct mr_client *c = userdata;
	uint64_t queued = 0;

	c->received = 0;
	c->spoke = true;
	c->active_ns = mr_boottime_ns();
	if (sd_bus_message_is_signal(msg, "org.freedesktop.DBus.Local", "Disconnected")) {
		client_drop(c, NULL);
		return 1;
	}
	if (sd_bus_get_n_queued_write(c->bus, &queued) >= 0 && queued > ANSWERS_MAX && !c->rate) {
		client_drop(c, "it asks and does not read the answers");
		return 1;
	}
	return c->dead;
}

/* --- who may ---------------------------------------------------------------------------------- */

static bool group_id(gid_t *out)
{
	struct group buf, *g = NULL;
	char text[4096];

	if (getgrnam_r(GROUP, &buf, text, sizeof(text), &g) != 0 || !g)
		return false;
	*out = g->gr_gid;
	return true;
}

static bool may_connect(int fd, const struct ucred *who)
{
	_free_ gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	socklen_t len = GROUPS_MAX * sizeof(*groups);
	gid_t want;

	if (who->uid == 0 || who->uid == geteuid())
		return true;
	if (!groups || !group_id(&want))
		return false;
	if (who->gid == want)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == want)
			return true;
	return false;
}

/* --- new ones --------------------------------------------------------------------------------- */

static int client_bus(struct mr_client *c, int fd)
{
	const int bytes = SOCKET_BYTES;
	int r = sd_bus_new(&c->bus);

	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_fd(c->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_bus_set_server(c->bus, 1, c->control->id);
	if (r >= 0)
		r = sd_bus_set_trusted(c->bus, 1); /* we looked at the credentials ourselves */
	if (r >= 0)
		r = sd_bus_add_filter(c->bus, NULL, on_message, c);
	if (r >= 0)
		r = sd_bus_add_object_vtable(c->bus, NULL, MR_BUS_PATH, MR_BUS_INTERFACE,
					     mr_methods, c);
	if (r >= 0)
		r = sd_bus_start(c->bus);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (r >= 0)
		r = sd_bus_attach_event(c->bus, c->m->event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

static int client_watch(struct mr_client *c, int fd)
{
	sd_event *event = c->m->event;
	int r;

	c->input_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->input_fd < 0)
		return -errno;
	/* edge: called when bytes come, not as long as some are there; sd-bus must have its turn */
	r = sd_event_add_io(event, &c->input, c->input_fd, EPOLLIN | EPOLLET, on_input, c);
	if (r >= 0)
		r = sd_event_source_set_priority(c->input, SD_EVENT_PRIORITY_NORMAL - 1);
	if (r >= 0)
		r = sd_event_add_defer(event, &c->kick, on_kick, c);
	if (r >= 0) /* behind sd-bus */
		r = sd_event_source_set_priority(c->kick, SD_EVENT_PRIORITY_NORMAL + 1);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->kick, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &c->handshake, CLOCK_MONOTONIC, HANDSHAKE_US,
					       0, on_handshake, c);
	return r;
}

/* Makes room by the client that has been silent for longest; false: all are at work. */
static bool make_room(struct mr_control *control)
{
	struct mr_client *idlest = NULL;
	uint64_t now = mr_boottime_ns();

	for (struct mr_client *c = control->client; c; c = c->next) {
		uint64_t patience = c->spoke ? IDLE_NS : MUTE_NS;

		if (!c->dead && !c->rate && c->active_ns + patience < now &&
		    (!idlest || c->active_ns < idlest->active_ns))
			idlest = c;
	}
	if (idlest)
		client_drop(idlest, "idle, and others want to connect");
	return idlest;
}

static int client_new(struct mr_control *control, int fd, const struct ucred *who)
{
	struct mr_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	*c = (struct mr_client){ .control = control,
				 .m = control->m,
				 .uid = who->uid,
				 .pid = who->pid,
				 .active_ns = mr_boottime_ns(),
				 .input_fd = -EBADF };
	r = client_watch(c, fd);
	if (r >= 0)
		r = client_bus(c, fd);
	else
		close(fd);
	if (r < 0) {
		client_free(c);
		return r;
	}
	c->next = control->client;
	control->client = c;
	control->clients++;
	return 0;
}

static int on_connect(sd_event_source *s _unused_, int listening, uint32_t revents _unused_,
		      void *userdata)
{
	struct mr_control *control = userdata;
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd, r;

	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && mr_rest_due(errno))
		mr_rest_begin(&control->rest, control->m, control->listen, control->path);
	if (fd < 0)
		return 0; /* gone again, or the next time */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || !may_connect(fd, &who)) {
		close(fd);
		return 0;
	}
	if (control->clients >= CLIENTS_MAX && !make_room(control)) {
		if (may_log(control))
			mr_log(&control->m->log, LOG_WARNING,
			       "control client (pid %i, uid %u) refused: %u are connected, all at "
			       "work",
			       who.pid, who.uid, CLIENTS_MAX);
		close(fd);
		return 0;
	}
	r = client_new(control, fd, &who);
	if (r < 0 && may_log(control))
		mr_log(&control->m->log, LOG_ERR, "a control client could not be served: %s",
		       strerror(-r));
	return 0;
}

/* --- subscribers ------------------------------------------------------------------------------ */

bool mr_control_listeners(const struct mr_manager *m)
{
	return mr_control_rate(m) > 0;
}

uint32_t mr_control_rate(const struct mr_manager *m)
{
	uint32_t rate = 0;

	for (const struct mr_client *c = m->control ? m->control->client : NULL; c; c = c->next)
		if (!c->dead && c->rate > rate)
			rate = c->rate;
	return rate;
}

void mr_control_decision(struct mr_manager *m, const char *json)
{
	for (struct mr_client *c = m->control->client; c; c = c->next) {
		uint64_t queued = 0;

		if (c->dead || !c->rate)
			continue;
		if (sd_bus_get_n_queued_write(c->bus, &queued) >= 0 && queued > DECISIONS_MAX) {
			c->lost++;
			continue;
		}
		if (sd_bus_emit_signal(c->bus, MR_BUS_PATH, MR_BUS_INTERFACE, "Decision", "s",
				       json) < 0)
			client_drop(c, NULL);
	}
}

/* --- start and stop --------------------------------------------------------------------------- */

static int control_listen(struct mr_control *control)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct mr_manager *m = control->m;
	gid_t group;
	int r;

	if (strlen(control->path) >= sizeof(sa.sun_path)) {
		mr_log(&m->log, LOG_ERR,
		       "%s: longer than a socket's name may be (%zu bytes): give a shorter "
		       "--runtime-dir",
		       control->path, sizeof(sa.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(sa.sun_path, control->path, strlen(control->path));
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* before bind, so that it never stands there with other permissions */
	if (control->fd < 0 || fchmod(control->fd, 0660) < 0)
		return -errno;
	unlink(control->path); /* the lock of the directory is ours, so nobody listens on it */
	if (bind(control->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		mr_log(&m->log, LOG_ERR, "%s: cannot bind: %s", control->path, strerror(-r));
		return r;
	}
	/* as a service we are of that group, and the sandbox knows no chown */
	if (group_id(&group) && group != getegid() && chown(control->path, (uid_t)-1, group) < 0)
		mr_log(&m->log, LOG_WARNING, "%s: cannot give it to the group " GROUP ": %m",
		       control->path);
	if (chmod(control->path, 0660) < 0 || listen(control->fd, CLIENTS_MAX) < 0)
		return -errno;
	return 0;
}

int mr_control_start(struct mr_manager *m)
{
	struct mr_control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	m->control = control;
	control->m = m;
	control->fd = -EBADF;
	control->path = mr_state_path(m->options.runtime_dir, MR_BUS_SOCKET);
	if (!control->path)
		return -ENOMEM;
	r = sd_id128_randomize(&control->id);
	if (r >= 0)
		r = control_listen(control);
	if (r >= 0)
		r = sd_event_add_io(m->event, &control->listen, control->fd, EPOLLIN, on_connect,
				    control);
	if (r >= 0)
		r = sd_event_add_defer(m->event, &control->reap, on_reap, control);
	if (r >= 0)
		r = sd_event_source_set_enabled(control->reap, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_post(m->event, &control->post, on_post, control);
	return r < 0 ? r : 0;
}

void mr_control_stop(struct mr_manager *m)
{
	struct mr_control *control = MR_TAKE_PTR(m->control);

	if (!control)
		return;
	while (control->client) {
		struct mr_client *c = control->client;

		control->client = c->next;
		client_free(c);
	}
	mr_rest_end(&control->rest);
	sd_event_source_disable_unref(control->listen);
	sd_event_source_disable_unref(control->reap);
	sd_event_source_disable_unref(control->post);
	if (control->fd >= 0) {
		close(control->fd);
		unlink(control->path);
	}
	free(control->path);
	free(control);
}
