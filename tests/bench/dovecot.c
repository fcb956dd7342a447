// SPDX-License-Identifier: BSD-2-Clause
/*
 * dovecot.c - asks mailreeved as Dovecot does, so many times a second over so many connections.
 *
 *   dovecot [PORT [RATE [CONNECTIONS [SECONDS [ACCOUNTS]]]]]     4001 2000 100 10 1000000
 *
 * Questions are due at fixed times, whatever the answers do, and each is timed from when it was
 * due: a server that stalls is seen to stall.  RATE 0: one question after the other, as fast as
 * one connection goes.  Logins are drawn from user0 … at example.com.  Prints one line of JSON.
 */
#include <mailreeve/util.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECTIONS_MAX 1000
#define ANSWER_MAX	4096

struct connection {
	uint64_t due; /* of the question in flight; 0: idle */
	size_t len;
	char answer[ANSWER_MAX];
};
struct run {
	struct pollfd fd[CONNECTIONS_MAX];
	struct connection c[CONNECTIONS_MAX];
	size_t connections;
	unsigned int accounts, seed;
	uint64_t *took;
	size_t n, max, refused;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("connect");
		exit(1);
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void ask(struct run *r, size_t i, uint64_t due)
{
	char body[256], text[640];
	unsigned int user = (unsigned int)rand_r(&r->seed) % r->accounts;
	int n;

	n = snprintf(body, sizeof(body),
		     "{\"device_id\":\"\",\"login\":\"user%u@example.com\",\"protocol\":\"imap\","
		     "\"pwhash\":\"09af\",\"remote\":\"10.%u.%u.%u\","
		     "\"session_id\":\"WaH9gM9gdrfAAAIK\",\"tls\":false}",
		     user, user >> 16 & 255, user >> 8 & 255, user & 255);
	n = snprintf(text, sizeof(text),
		     "POST /?command=allow HTTP/1.1\r\nHost: 127.0.0.1:4001\r\n"
		     "User-Agent: dovecot/auth-policy-client\r\nContent-Length: %d\r\n"
		     "Connection: Keep-Alive\r\nContent-Type: application/json\r\n\r\n%s",
		     n, body);
	if (write(r->fd[i].fd, text, (size_t)n) != n) {
		perror("write");
		exit(1);
	}
	r->c[i].due = due;
	r->c[i].len = 0;
}

static void take(struct run *r, size_t i)
{
	struct connection *c = &r->c[i];
	ssize_t n = read(r->fd[i].fd, c->answer + c->len, sizeof(c->answer) - c->len - 1);

	if (n <= 0) {
		fprintf(stderr, "the connection ended\n");
		exit(1);
	}
	c->len += (size_t)n;
	c->answer[c->len] = '\0';
	if (c->answer[c->len - 1] != '}')
		return;
	if (r->n < r->max)
		r->took[r->n++] = now_ns() - c->due;
	r->refused += strstr(c->answer, "\"status\": 0") == NULL;
	c->due = 0;
}

static size_t idle(const struct run *r)
{
	size_t i = 0;

	while (i < r->connections && r->c[i].due)
		i++;
	return i;
}

/* The time to the next question; a tenth of a second if it waits for a free connection. */
static struct timespec *until(uint64_t due, uint64_t now)
{
	static struct timespec t;

	t = (struct timespec){ .tv_nsec = due > now && due < now + 100000000 ? (long)(due - now)
									     : 100000000 };
	return &t;
}

static void load(struct run *r, unsigned int rate, double seconds)
{
	uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), asked = 0;

	for (uint64_t now = start; now < end || idle(r) == 0; now = now_ns()) {
		uint64_t due = rate ? start + asked * 1000000000ull / rate : now;
		size_t i = due <= now && now < end ? idle(r) : r->connections;

		if (i < r->connections) {
			ask(r, i, due);
			asked++;
			continue;
		}
		ppoll(r->fd, r->connections, until(due, now), NULL);
		for (i = 0; i < r->connections; i++)
			if (r->fd[i].revents)
				take(r, i);
		if (now > end + 5000000000ull)
			break;
	}
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	static struct run r = { .seed = 1 };
	uint16_t port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 4001);
	unsigned int rate = argc > 2 ? (unsigned int)atoi(argv[2]) : 2000;
	double seconds = argc > 4 ? atof(argv[4]) : 10;

	r.connections = rate == 0 ? 1 : argc > 3 ? (size_t)atoi(argv[3]) : 100;
	r.accounts = argc > 5 ? (unsigned int)atoi(argv[5]) : 1000000;
	r.max = (size_t)(seconds * (rate ? rate : 200000)) + 1000;
	r.took = calloc(r.max, sizeof(*r.took));
	if (!r.took || r.connections > CONNECTIONS_MAX || r.accounts == 0)
		return 2;
	for (size_t i = 0; i < r.connections; i++)
		r.fd[i] = (struct pollfd){ .fd = connect_to(port), .events = POLLIN };
	load(&r, rate, seconds);
	if (!r.n)
		return 1;
	qsort(r.took, r.n, sizeof(*r.took), by_value);
	printf("{\"answers\":%zu,\"per_second\":%.0f,\"refused\":%zu,\"p50_us\":%.0f,\"p99_us\":%."
	       "0f,"
	       "\"max_us\":%.0f}\n",
	       r.n, (double)r.n / seconds, r.refused, (double)r.took[r.n / 2] / 1e3,
	       (double)r.took[r.n * 99 / 100] / 1e3, (double)r.took[r.n - 1] / 1e3);
	free(r.took);
	return 0;
}
