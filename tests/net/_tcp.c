// SPDX-License-Identifier: BSD-2-Clause
/*
 * _tcp.c - real TCP: a server that greets and echoes, clients that say what became of them.
 *
 * Part of mrnet.  One thread, poll(); a limit on everything; a failing system call ends the program
 * with a line and status 2.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "_net.h"

#define SERVE_MAX  1024 /* listeners and clients of one server */
#define CONNECT_MS 700 /* below the first retransmission of a SYN (1 s): one packet decides */

static int fail(const char *what)
{
	perror(what);
	return 2;
}

static int listen_on(const char *port)
{
	struct endpoint e;
	int one = 1, off = 0, fd;

	if (endpoint_parse(NULL, (uint16_t)strtoul(port, NULL, 10), &e) < 0)
		return -1;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&e.sa, e.len) < 0 || listen(fd, 512) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Greets a new client and takes it into the set. */
static void serve_accept(int listener, struct pollfd *set, nfds_t *n)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (*n == SERVE_MAX || write(fd, "220 hello\n", 10) != 10) {
		close(fd);
		return;
	}
	set[(*n)++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

int cmd_serve(int argc, char **argv)
{
	static struct pollfd set[SERVE_MAX];
	char buffer[65536];
	nfds_t n = 0, listeners, i;
	ssize_t got;

	for (; argc > 1; argc--, argv++) {
		int fd = listen_on(argv[1]);

		if (fd < 0)
			return fail(argv[1]);
		set[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	listeners = n;
	puts("ready");
	while (poll(set, n, -1) >= 0 || errno == EINTR) {
		for (i = n; i-- > 0;) {
			if (!set[i].revents)
				continue;
			if (i < listeners) {
				serve_accept(set[i].fd, set, &n);
				continue;
			}
			got = read(set[i].fd, buffer, sizeof(buffer));
			if (got > 0 && write(set[i].fd, buffer, (size_t)got) == got)
				continue;
			if (got < 0 && errno == EAGAIN)
				continue;
			close(set[i].fd);
			set[i] = set[--n];
		}
	}
	return fail("poll");
}

/* What waiting for one event of a socket came to: NULL, or the word for what went wrong. */
static const char *await(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	socklen_t len = sizeof(int);
	int e = 0;

	if (poll(&p, 1, ms) == 0)
		return "timeout";
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	if (e == ECONNREFUSED || e == ECONNRESET)
		return "reset";
	return e == 0 ? NULL : e == ETIMEDOUT ? "timeout" : strerror(e);
}

/* Connects and reads the greeting; the word for the outcome.  *out is a socket only on "open". */
static const char *client(char **argv, int ms, int *out)
{
	struct endpoint src, dst;
	char greeting[16];
	const char *word;
	int fd, one = 1;

	if (endpoint_parse(argv[1], 0, &src) < 0 ||
	    endpoint_parse(argv[2], (uint16_t)strtoul(argv[3], NULL, 10), &dst) < 0)
		return "usage";
	fd = socket(dst.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&src.sa, src.len) < 0) {
		perror(argv[1]);
		return "usage";
	}
	if (connect(fd, (struct sockaddr *)&dst.sa, dst.len) < 0 && errno != EINPROGRESS)
		word = errno == ECONNREFUSED ? "reset" : strerror(errno);
	else
		word = await(fd, POLLOUT, ms);
	if (!word) {
		word = await(fd, POLLIN, ms);
		if (word && !strcmp(word, "timeout"))
			word = "mute";
		if (!word && read(fd, greeting, sizeof(greeting)) < 4)
			word = "closed";
	}
	if (word) {
		close(fd);
		return word;
	}
	*out = fd;
	return "open";
}

int cmd_connect(int argc, char **argv)
{
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	const char *word;
	int fd = -1;

	if (argc < 4)
		return 2;
	word = client(argv, argc > 4 ? atoi(argv[4]) : CONNECT_MS, &fd);
	printf("%s %llu\n", word,
	       (unsigned long long)((now_ns(CLOCK_MONOTONIC) - start) / 1000000));
	return strcmp(word, "open") ? 1 : 0;
}

/* Sends a line that was never sent before and waits for its echo. */
static const char *session_lives(int fd, unsigned int n, int ms)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000;
	char sent[32], got[4096] = "";
	size_t have = 0;

	snprintf(sent, sizeof(sent), "<%u>", n);
	if (write(fd, sent, strlen(sent)) < 0)
		return errno == ECONNRESET || errno == EPIPE ? "reset" : "silent";
	for (;;) {
		uint64_t now = now_ns(CLOCK_MONOTONIC);
		const char *word;
		ssize_t r;

		if (now >= end)
			return "silent";
		word = await(fd, POLLIN, (int)((end - now) / 1000000) + 1);
		if (word)
			return strcmp(word, "timeout") ? word : "silent";
		r = read(fd, got + have, sizeof(got) - 1 - have);
		if (r == 0)
			return "closed";
		if (r < 0)
			return errno == ECONNRESET ? "reset" : "silent";
		have += (size_t)r;
		got[have] = '\0';
		if (strstr(got, sent))
			return "alive";
	}
}

int cmd_hold(int argc, char **argv)
{
	char line[256];
	unsigned int n = 0;
	const char *word;
	int fd = -1, ms = argc > 4 ? atoi(argv[4]) : CONNECT_MS;

	if (argc < 4)
		return 2;
	word = client(argv, ms, &fd);
	puts(word);
	if (fd < 0)
		return 1;
	while (fgets(line, sizeof(line), stdin))
		puts(session_lives(fd, ++n, ms));
	close(fd);
	return 0;
}

int cmd_load(int argc, char **argv)
{
	unsigned int open = 0, reset = 0, timeout = 0, other = 0;
	struct linger hard = { .l_onoff = 1 }; /* no TIME_WAIT: ports must not run out */
	uint64_t end;

	if (argc < 5)
		return 2;
	end = now_ns(CLOCK_MONOTONIC) + (uint64_t)(atof(argv[4]) * 1e9);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		int fd = -1;
		const char *word = client(argv, argc > 5 ? atoi(argv[5]) : CONNECT_MS, &fd);

		if (fd >= 0) {
			open++;
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
			close(fd);
		} else if (!strcmp(word, "reset")) {
			reset++;
		} else if (!strcmp(word, "timeout")) {
			timeout++;
		} else {
			fprintf(stderr, "mrnet load: %s\n", word);
			other++;
		}
	}
	printf("open %u reset %u timeout %u other %u\n", open, reset, timeout, other);
	return 0;
}
