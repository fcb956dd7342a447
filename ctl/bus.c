// SPDX-License-Identifier: BSD-2-Clause
/*
 * bus.c - talks to mailreeved over its control socket: sd-bus, peer to peer, no broker.
 *
 * Called by every subcommand that needs the daemon.  Every failure is told here, once, with the way
 * out, and returned as an exit status: the callers only pass it on.  Never retries.
 */
#include "bus.h"

#include "term.h"

#include <sys/socket.h>
#include <sys/un.h>

enum mr_exit mr_bus_down(const struct mr_ctl *ctl)
{
	return mr_ctl_fail(MR_EXIT_UNREACHABLE,
			   "cannot reach mailreeved at %s/" MR_BUS_SOCKET
			   ": not running? start it with systemctl start mailreeve",
			   ctl->runtime_dir);
}

static enum mr_exit bus_denied(const struct mr_ctl *ctl)
{
	return mr_ctl_fail(MR_EXIT_UNREACHABLE,
			   "%s/" MR_BUS_SOCKET
			   ": permission denied: run as root or join the group mailreeve",
			   ctl->runtime_dir);
}

static enum mr_exit bus_unreachable(const struct mr_ctl *ctl, int r, bool *down)
{
	switch (-r) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
		if (down) {
			*down = true;
			return MR_EXIT_UNREACHABLE;
		}
		return mr_bus_down(ctl);
	case EACCES:
	case EPERM:
		return bus_denied(ctl);
	case EAGAIN:
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "mailreeved at %s/" MR_BUS_SOCKET
				   " takes no more clients: does it hang? see journalctl -u "
				   "mailreeve",
				   ctl->runtime_dir);
	default:
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "cannot reach mailreeved at %s/" MR_BUS_SOCKET ": %s",
				   ctl->runtime_dir, strerror(-r));
	}
}

/* Connects by hand: sd-bus tells a missing socket and a closed one apart no better than this. */
static int bus_connect(const char *runtime_dir)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_close_ int fd = -EBADF;
	int n;

	n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/" MR_BUS_SOCKET, runtime_dir);
	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	/* not to wait where the daemon's queue is full: it would be for ever */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return MR_TAKE_FD(fd);
}

enum mr_exit mr_bus_open(const struct mr_ctl *ctl, sd_bus **out, bool *down)
{
	_bus_ sd_bus *bus = NULL;
	int fd, r;

	fd = bus_connect(ctl->runtime_dir);
	if (fd < 0)
		return bus_unreachable(ctl, fd, down);
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = sd_bus_set_fd(bus, fd, fd);
	if (r < 0)
		close(fd);
	else
		r = sd_bus_start(bus);
	if (r < 0)
		return bus_unreachable(ctl, r, NULL);
	*out = MR_TAKE_PTR(bus);
	return MR_EXIT_DONE;
}

enum mr_exit mr_bus_message(sd_bus *bus, const char *method, sd_bus_message **out)
{
	int r = sd_bus_message_new_method_call(bus, out, NULL, MR_BUS_PATH, MR_BUS_INTERFACE,
					       method);

	return r < 0 ? mr_ctl_fail(MR_EXIT_UNREACHABLE, "cannot make the request: %s", strerror(-r))
		     : MR_EXIT_DONE;
}

static enum mr_exit bus_exit(const sd_bus_error *e, int r)
{
	static const struct {
		const char *name;
		enum mr_exit status;
	} known[] = {
		{ MR_BUS_ERROR_CONFIG, MR_EXIT_USAGE },
		{ MR_BUS_ERROR_ARGUMENT, MR_EXIT_USAGE },
		{ MR_BUS_ERROR_BUSY, MR_EXIT_NO },
		{ MR_BUS_ERROR_NOTHING, MR_EXIT_NO },
		{ MR_BUS_ERROR_FULL, MR_EXIT_NO },
		{ MR_BUS_ERROR_REFUSED, MR_EXIT_NO },
		{ MR_BUS_ERROR_KERNEL, MR_EXIT_NO },
		{ SD_BUS_ERROR_INVALID_ARGS, MR_EXIT_USAGE },
		{ SD_BUS_ERROR_FAILED, MR_EXIT_NO },
	};

	for (size_t i = 0; i < MR_ARRAY_SIZE(known); i++)
		if (sd_bus_error_has_name(e, known[i].name))
			return known[i].status;
	(void)r;
	return MR_EXIT_UNREACHABLE;
}

/* What the daemon said comes whole; the findings of a faulty file stand as `check` prints them. */
static enum mr_exit bus_error(const sd_bus_error *e, int r)
{
	enum mr_exit status = bus_exit(e, r);

	switch (sd_bus_error_is_set(e) ? sd_bus_error_get_errno(e) : -r) {
	case EACCES:
	case EPERM:
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "permission denied: run as root or join the group mailreeve");
	case ETIMEDOUT:
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "mailreeved does not answer: see journalctl -u mailreeve");
	case ECONNRESET:
	case ENOTCONN:
	case EPIPE:
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "mailreeved closed the connection without an answer: stopped? "
				   "not permitted? see journalctl -u mailreeve");
	default:
		break;
	}
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_METHOD) ||
	    sd_bus_error_has_name(e, SD_BUS_ERROR_UNKNOWN_INTERFACE))
		return mr_ctl_fail(MR_EXIT_UNREACHABLE,
				   "mailreeved is of another version: restart it (%s)",
				   e->message ?: e->name);
	if (!e->message || !*e->message)
		return mr_ctl_fail(status, "%s", e->name ?: strerror(-r));
	fflush(stdout);
	if (!sd_bus_error_has_name(e, MR_BUS_ERROR_CONFIG))
		fputs("mailreeve: ", stderr);
	mr_term_text(e->message, stderr);
	if (e->message[strlen(e->message) - 1] != '\n')
		fputc('\n', stderr);
	return status;
}

enum mr_exit mr_bus_send(sd_bus *bus, sd_bus_message *m, uint64_t timeout_us,
			 sd_bus_message **reply)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	int r;

	r = sd_bus_call(bus, m, timeout_us, &error, reply);
	return r < 0 ? bus_error(&error, r) : MR_EXIT_DONE;
}

enum mr_exit mr_bus_bad_reply(int r)
{
	return mr_ctl_fail(MR_EXIT_UNREACHABLE,
			   "cannot read mailreeved's answer (%s): is it of another version? "
			   "restart it",
			   strerror(-r));
}

enum mr_exit mr_bus_decode(const char *text, json_t **out)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	if (!j)
		return mr_bus_bad_reply(-EBADMSG);
	*out = j;
	return MR_EXIT_DONE;
}

enum mr_exit mr_bus_json(sd_bus *bus, const char *method, const char *argument, json_t **out)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum mr_exit status;
	const char *text;
	int r;

	status = mr_bus_message(bus, method, &m);
	if (status != MR_EXIT_DONE)
		return status;
	if (argument) {
		r = sd_bus_message_append(m, "s", argument);
		if (r < 0)
			return mr_bus_bad_reply(r);
	}
	status = mr_bus_send(bus, m, MR_BUS_TIMEOUT_US, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "s", &text);
	return r < 0 ? mr_bus_bad_reply(r) : mr_bus_decode(text, out);
}

enum mr_exit mr_bus_generation(const struct mr_ctl *ctl, const char *method, uint64_t timeout_us,
			       uint64_t *out)
{
	_message_ sd_bus_message *m = NULL, *reply = NULL;
	_bus_ sd_bus *bus = NULL;
	enum mr_exit status;
	int r;

	status = mr_bus_open(ctl, &bus, NULL);
	if (status == MR_EXIT_DONE)
		status = mr_bus_message(bus, method, &m);
	if (status == MR_EXIT_DONE)
		status = mr_bus_send(bus, m, timeout_us, &reply);
	if (status != MR_EXIT_DONE)
		return status;
	r = sd_bus_message_read(reply, "t", out);
	return r < 0 ? mr_bus_bad_reply(r) : MR_EXIT_DONE;
}
