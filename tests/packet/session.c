// SPDX-License-Identifier: BSD-2-Clause
/*
 * session.c - the socket lookup against real sockets: what is a session that stands, and what not.
 *
 * In a network namespace of its own, over loopback.  An unmatched source's later packet must pass
 * if there is a connection for it in any state, a TIME_WAIT or half-open one too, and must not
 * because somebody listens.
 */
#include "_shape.h"
#include "_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <net/route.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

/* Every address of 127/8 and ::1 is the namespace's own.  The world rejects them; setup takes its
 * tries away. */
#define SERVER	"127.0.0.25"
#define CLIENT	"127.0.0.99"
#define NOBODY	"127.0.0.77"
#define SERVER6 "::1"

static struct world w;

struct pair {
	int listener, client, served;
	uint16_t port; /* the client's */
};

static socklen_t address(const char *text, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (strchr(text, ':')) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		inet_pton(AF_INET6, text, &six->sin6_addr);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	inet_pton(AF_INET, text, &four->sin_addr);
	return sizeof(*four);
}

static int bound(const char *addr, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t n = address(addr, port, &a);
	int fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	return fd;
}

static int listening(const char *addr)
{
	int fd = bound(addr, WORLD_PORT_PLAIN);

	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static struct pair connected(const char *server, const char *client)
{
	struct pair p = { .listener = listening(server), .client = bound(client, 0) };
	struct sockaddr_storage a;
	socklen_t n = address(server, WORLD_PORT_PLAIN, &a);

	assert_int_equal(connect(p.client, (struct sockaddr *)&a, n), 0);
	p.served = accept4(p.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p.served >= 0);
	n = sizeof(a);
	assert_int_equal(getsockname(p.client, (struct sockaddr *)&a, &n), 0);
	p.port = ntohs(((struct sockaddr_in *)&a)->sin_port);
	return p;
}

/* The verdict on one packet to the server's port 25. */
static int verdict(const char *from, uint16_t sport, const char *to, uint8_t flags, bool piece)
{
	struct shape s = { .v6 = strchr(to, ':'),
			   .src = from,
			   .dst = to,
			   .sport = sport,
			   .dport = WORLD_PORT_PLAIN,
			   .flags = flags,
			   .frag = piece ? FRAG_MORE4 : 0,
			   .l4 = piece ? 8 : 0 };
	uint8_t frame[SHAPE_BYTES];

	return world_run(&w, false, false, frame, shape_build(&s, frame), NULL, NULL);
}

static void test_established(void **st)
{
	struct pair p = connected(SERVER, CLIENT);

	(void)st;
	assert_int_equal(verdict(CLIENT, p.port, SERVER, TCP_ACK, false), XDP_PASS);
	assert_int_equal(verdict(CLIENT, p.port, SERVER, TCP_RST, false), XDP_PASS);
	assert_int_equal(verdict(CLIENT, p.port, SERVER, 0, true), XDP_PASS);
	/* a new connection is new, whatever stands */
	assert_int_equal(verdict(CLIENT, p.port, SERVER, TCP_SYN, false), XDP_DROP);
	/* each of the four must be right */
	assert_int_equal(verdict(CLIENT, p.port ^ 1, SERVER, TCP_ACK, false), XDP_DROP);
	assert_int_equal(verdict(NOBODY, p.port, SERVER, TCP_ACK, false), XDP_DROP);
	assert_int_equal(verdict(CLIENT, p.port, NOBODY, TCP_ACK, false), XDP_DROP);
	assert_int_equal(verdict(CLIENT, p.port, NOBODY, 0, true), XDP_DROP);
	close(p.listener);
	assert_int_equal(verdict(CLIENT, p.port, SERVER, TCP_ACK, false), XDP_PASS);
	close(p.client);
	close(p.served);
}

static void test_established6(void **st)
{
	struct pair p = connected(SERVER6, SERVER6);

	(void)st;
	assert_int_equal(verdict(SERVER6, p.port, SERVER6, TCP_ACK, false), XDP_PASS);
	assert_int_equal(verdict(SERVER6, p.port ^ 1, SERVER6, TCP_ACK, false), XDP_DROP);
	assert_int_equal(verdict(SERVER6, p.port, SERVER6, TCP_SYN, false), XDP_DROP);
	close(p.listener);
	close(p.client);
	close(p.served);
}

static void test_listener(void **st)
{
	int fd = listening(SERVER);

	(void)st;
	assert_int_equal(verdict(CLIENT, 40000, SERVER, TCP_ACK, false), XDP_DROP);
	assert_int_equal(verdict(CLIENT, 40000, SERVER, 0, true), XDP_DROP);
	close(fd);
}

/* The server closes first: its side goes to TIME_WAIT. */
static void test_time_wait(void **st)
{
	struct pair p = connected(SERVER, CLIENT);

	(void)st;
	close(p.served);
	close(p.client);
	assert_int_equal(verdict(CLIENT, p.port, SERVER, TCP_ACK, false), XDP_PASS);
	close(p.listener);
}

/* A SYN by hand from an address whose owner will not answer: a request socket stands. */
static void test_half_open(void **st)
{
	struct shape s = { .l3 = true,
			   .src = "198.51.100.77",
			   .dst = SERVER,
			   .sport = 41000,
			   .dport = WORLD_PORT_PLAIN,
			   .flags = TCP_SYN };
	int fd = listening(SERVER), raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	uint8_t packet[SHAPE_BYTES], pseudo[12 + 20] = { 0 };
	size_t n = shape_build(&s, packet);
	struct sockaddr_storage a;
	socklen_t len = address(SERVER, 0, &a);
	uint16_t sum;

	(void)st;
	assert_true(raw >= 0);
	memcpy(pseudo, packet + 12, 8);
	pseudo[9] = 6;
	pseudo[11] = 20;
	memcpy(pseudo + 12, packet + 20, 20);
	sum = shape_sum(0, pseudo, sizeof(pseudo));
	packet[36] = (uint8_t)(sum >> 8);
	packet[37] = (uint8_t)sum;
	assert_int_equal(verdict(s.src, s.sport, SERVER, TCP_ACK, false), XDP_DROP);
	assert_int_equal(sendto(raw, packet, n, 0, (struct sockaddr *)&a, len), n);
	assert_int_equal(verdict(s.src, s.sport, SERVER, TCP_ACK, false), XDP_PASS);
	close(raw);
	close(fd);
}

static void write_knob(const char *path, const char *text)
{
	_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		print_message("cannot write %s: %s\n", path, strerror(errno));
}

/* A namespace with loopback up, where 198.51.100.0/24 is reached through it as well. */
static int enter_namespace(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = up.ifr_name };
	struct sockaddr_storage net, mask;
	_close_ int fd = -EBADF;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0)
		return -errno;
	write_knob("/proc/sys/net/ipv4/conf/lo/rp_filter", "0");
	write_knob("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	address("198.51.100.0", 0, &net);
	address("255.255.255.0", 0, &mask);
	memcpy(&route.rt_dst, &net, sizeof(route.rt_dst));
	memcpy(&route.rt_genmask, &mask, sizeof(route.rt_genmask));
	return ioctl(fd, SIOCADDRT, &route) < 0 ? -errno : 0;
}

static int setup(void **st)
{
	struct mr_gen *g;

	(void)st;
	if (enter_namespace() < 0 || world_open(&w, MR_REPLAY_OFF) < 0)
		return -1;
	/* everybody is unmatched here */
	g = &w.state->gen[0];
	g->flags = 0;
	g->root4 = g->root6 = WORLD_UNMATCHED;
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	world_close(&w);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_established), cmocka_unit_test(test_established6),
		cmocka_unit_test(test_listener),    cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_half_open),
	};

	if (world_skip())
		return 77;
	return cmocka_run_group_tests_name("session", tests, setup, teardown);
}
