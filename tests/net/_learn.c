// SPDX-License-Identifier: BSD-2-Clause
/*
 * _learn.c - measures from a login's line in a log to the first packet that passes.
 *
 * Part of mrnet.  A second thread appends the usual mix of a mail log at a steady rate; the first
 * writes one login after another, each from a fresh address, and sends SYNs from that address until
 * one is answered.  What is printed holds the way there and back, and up to RESEND_NS of waiting.
 * With "-" for a file, lines go to standard output as the journal has them, without time and
 * program, and figures to standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "_net.h"

#define RESEND_NS  30000 /* between two SYNs */
#define GIVE_UP_NS 1000000000ull
#define TICK_NS	   1000000 /* the background writes so often */
#define ADDRESSES  700 /* of the three documentation networks */
#define LINE_MAX_  300

struct writer {
	int fd;
	bool bare; /* messages alone */
	long rate;
	atomic_bool stop;
	atomic_ulong lines;
};

static void stamp(char *out, size_t n)
{
	time_t t = time(NULL);
	struct tm tm;

	strftime(out, n, "%b %e %H:%M:%S", localtime_r(&t, &tm));
}

/* Takes time, host and program off the front. */
static size_t bare(char *line, size_t n)
{
	const char *message = strstr(line, ": ");
	size_t head = message ? (size_t)(message - line) + 2 : 0;

	memmove(line, line + head, n - head);
	return n - head;
}

/* One line in eleven is a login or a failure, as on a busy server. */
static int mixed(char *out, unsigned long i)
{
	char when[32];
	unsigned int a = (unsigned int)(i * 2654435761u) & 0xffff;

	stamp(when, sizeof(when));
	if (i % 22 == 0)
		return sprintf(out,
			       "%s mx dovecot: imap-login: Login: user=<user%lu>, method=PLAIN, "
			       "rip=2001:db8:%x::%x, lip=2001:db8::1, mpid=%lu, TLS, session=<>\n",
			       when, i % 5000, a, a, i % 60000);
	if (i % 22 == 11)
		return sprintf(out,
			       "%s mx postfix/smtpd[%lu]: warning: unknown[2001:db8:%x::%x]: SASL "
			       "LOGIN authentication failed: UGFzc3dvcmQ6\n",
			       when, i % 60000, a, a);
	return sprintf(out,
		       "%s mx postfix/lmtp[%lu]: %010lX: to=<user%lu@example.com>, relay=mx1, "
		       "delay=0.4, delays=0.2/0/0/0.2, dsn=2.0.0, status=sent (250 2.0.0 Saved)\n",
		       when, i % 60000, i, i % 5000);
}

static void *write_mix(void *arg)
{
	struct writer *w = arg;
	uint64_t begin = now_ns(CLOCK_MONOTONIC);
	unsigned long done = 0;
	char *buf = malloc(1 << 20);

	while (buf && !w->stop) {
		uint64_t due = (now_ns(CLOCK_MONOTONIC) - begin) * (uint64_t)w->rate / 1000000000u;
		struct timespec tick = { .tv_nsec = TICK_NS };
		size_t n = 0;

		for (; done < due && n < (1 << 20) - LINE_MAX_; done++) {
			size_t len = (size_t)mixed(buf + n, done);

			n += w->bare ? bare(buf + n, len) : len;
		}
		if (n && write(w->fd, buf, n) != (ssize_t)n)
			perror("write");
		w->lines = done;
		nanosleep(&tick, NULL);
	}
	free(buf);
	return NULL;
}

static bool answered(int fd, const struct syn *s, uint64_t ns)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + ns;
	uint8_t ip[FRAME_MAX];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = now_ns(CLOCK_MONOTONIC);
		struct timespec left = { .tv_nsec = now < end ? (long)(end - now) : 0 };
		const char *word;
		ssize_t got;

		if (ppoll(&p, 1, &left, NULL) <= 0)
			return false;
		got = recv(fd, ip, sizeof(ip), MSG_DONTWAIT);
		word = got > 0 ? frame_answers(ip, (size_t)got, s) : NULL;
		if (word)
			return strcmp(word, "open") == 0;
	}
}

/* Nanoseconds; 0: never. */
static uint64_t measure(int fd, struct sockaddr_ll *to, const struct writer *w, const char *dst,
			uint16_t port, unsigned int i)
{
	static const char *const nets[] = { "192.0.2", "198.51.100", "203.0.113" };
	char line[LINE_MAX_], when[32], addr[32];
	struct syn s = { .flags = TCP_SYN_FLAG, .seq = i };
	uint8_t frame[FRAME_MAX];
	uint64_t begin, now;
	size_t len, n;

	snprintf(addr, sizeof(addr), "%s.%u", nets[i / 250 % 3], 1 + i % 250);
	if (endpoint_parse(addr, (uint16_t)(30000 + i), &s.src) < 0 ||
	    endpoint_parse(dst, port, &s.dst) < 0)
		exit(2);
	len = frame_ip(&s, frame);
	stamp(when, sizeof(when));
	n = (size_t)snprintf(
		line, sizeof(line),
		"%s mx dovecot: imap-login: Login: user=<measured%u>, method=PLAIN, rip=%s, "
		"lip=10.77.0.1, mpid=1, TLS, session=<>\n",
		when, i, addr);
	if (w->bare)
		n = bare(line, n);
	begin = now_ns(CLOCK_MONOTONIC);
	if (write(w->fd, line, n) != (ssize_t)n)
		return 0;
	do {
		if (send_ip(fd, to, frame, len) < 0)
			exit(2);
		if (answered(fd, &s, RESEND_NS))
			return now_ns(CLOCK_MONOTONIC) - begin;
		now = now_ns(CLOCK_MONOTONIC);
	} while (now - begin < GIVE_UP_NS);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int cmd_learn(int argc, char **argv)
{
	struct writer w = { 0 };
	struct sockaddr_ll to;
	uint64_t took[ADDRESSES];
	unsigned int n, missed = 0;
	pthread_t thread;
	int fd;

	if (argc < 8)
		return 2;
	n = (unsigned int)atoi(argv[7]);
	if (n == 0 || n > ADDRESSES)
		return 2;
	fd = packet_socket(argv[1], &to, argv[2]);
	w.bare = strcmp(argv[5], "-") == 0;
	w.fd = w.bare ? 1 : open(argv[5], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	w.rate = atol(argv[6]);
	if (w.fd < 0 || pthread_create(&thread, NULL, write_mix, &w) != 0) {
		perror(argv[5]);
		return 2;
	}
	for (unsigned int i = 0; i < n; i++) {
		usleep(1000 + i * 37 % 1500);
		took[i] = measure(fd, &to, &w, argv[3], (uint16_t)atoi(argv[4]), i);
		missed += took[i] == 0;
	}
	w.stop = true;
	pthread_join(thread, NULL);
	qsort(took, n, sizeof(took[0]), by_value);
	fprintf(w.bare ? stderr : stdout,
		"%u logins, %u missed, %lu lines beside; us: least %llu median %llu p90 %llu p99 "
		"%llu "
		"most %llu\n",
		n, missed, (unsigned long)w.lines,
		(unsigned long long)took[missed < n ? missed : 0] / 1000,
		(unsigned long long)took[n / 2] / 1000, (unsigned long long)took[n * 9 / 10] / 1000,
		(unsigned long long)took[n * 99 / 100] / 1000,
		(unsigned long long)took[n - 1] / 1000);
	return missed ? 1 : 0;
}
