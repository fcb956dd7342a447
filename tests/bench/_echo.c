// SPDX-License-Identifier: BSD-2-Clause
/*
 * _echo.c - the floor of every figure about questions: a server that answers without thinking
 * (_load.h).
 *
 * A process that listens on a unix socket, waits with epoll, reads what is there, and writes one
 * fixed answer: the system calls that no server of many connections does without, and nothing else.
 * What the same client gets from it is what this machine gives to a plain server.  Called by
 * _ask.c.
 */
#include "_load.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define EVENTS 64

static void answer_one(int fd)
{
	static const char text[] = BENCH_ECHO_TEXT;
	char in[BENCH_LOAD_BYTES];
	ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

	if (n <= 0)
		close(fd);
	else if (n >= 2 && memcmp(in + n - 2, "\n\n", 2) == 0) /* a question comes in one piece */
		(void)send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static _Noreturn void serve(int listener)
{
	struct epoll_event ev[EVENTS] = { { .events = EPOLLIN, .data.fd = listener } };
	int epoll = epoll_create1(EPOLL_CLOEXEC), n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev[0]) < 0)
		_exit(1);
	while ((n = epoll_wait(epoll, ev, EVENTS, -1)) >= 0 || errno == EINTR)
		for (int i = 0; i < n; i++) {
			struct epoll_event add = { .events = EPOLLIN };

			if (ev[i].data.fd != listener) {
				answer_one(ev[i].data.fd);
				continue;
			}
			add.data.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (add.data.fd >= 0)
				(void)epoll_ctl(epoll, EPOLL_CTL_ADD, add.data.fd, &add);
		}
	_exit(1);
}

int bench_echo_start(const char *path, pid_t *out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	pid_t pid;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		serve(fd);
	if (pid < 0)
		return -errno;
	*out = pid;
	return 0;
}

void bench_echo_stop(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}
