// SPDX-License-Identifier: BSD-2-Clause
/*
 * _raw.c - segments made by hand: SYNs at a rate, SYNs in pieces, SYNs into a tun device, and what
 * arrives behind the filter.
 *
 * Part of mrnet.  Packet sockets see what XDP let through (native and generic alike), so the count
 * of `sniff` is the count of packets that passed.  Needs CAP_NET_RAW in its namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "_net.h"

#define ANSWER_MS   400 /* a SYN-ACK comes at once or not at all */
#define SPRAY_PORT  20000 /* first source port; each frame has another */
#define SOURCES_MAX 64

static uint32_t sum16(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return len & 1 ? sum + ((uint32_t)p[len - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static uint16_t port_of(const struct endpoint *e)
{
	return e->sa.ss_family == AF_INET ? ((const struct sockaddr_in *)&e->sa)->sin_port
					  : ((const struct sockaddr_in6 *)&e->sa)->sin6_port;
}

static const void *address_of(const struct endpoint *e, size_t *len)
{
	bool v4 = e->sa.ss_family == AF_INET;

	*len = v4 ? 4 : 16;
	return v4 ? (const void *)&((const struct sockaddr_in *)&e->sa)->sin_addr
		  : (const void *)&((const struct sockaddr_in6 *)&e->sa)->sin6_addr;
}

size_t frame_l4(const uint8_t *ip)
{
	return ip[0] >> 4 == 4 ? (size_t)(ip[0] & 15) * 4 : sizeof(struct ip6_hdr);
}

size_t frame_ip(const struct syn *s, uint8_t *out)
{
	size_t tcp_len = sizeof(struct tcphdr) + s->options, alen, l3;
	const void *src = address_of(&s->src, &alen), *dst = address_of(&s->dst, &alen);
	struct tcphdr tcp = { .source = port_of(&s->src),
			      .dest = port_of(&s->dst),
			      .seq = htonl(s->seq),
			      .ack_seq = htonl(s->ack),
			      .window = htons(64240) };
	uint32_t sum;

	if (alen == 4) {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP };

		l3 = sizeof(ip);
		ip.tot_len = htons((uint16_t)(l3 + tcp_len));
		memcpy(&ip.saddr, src, 4);
		memcpy(&ip.daddr, dst, 4);
		ip.check = fold(sum16(&ip, l3, 0));
		memcpy(out, &ip, l3);
	} else {
		struct ip6_hdr ip = { .ip6_flow = htonl(6U << 28),
				      .ip6_nxt = IPPROTO_TCP,
				      .ip6_hlim = 64 };

		l3 = sizeof(ip);
		ip.ip6_plen = htons((uint16_t)tcp_len);
		memcpy(&ip.ip6_src, src, 16);
		memcpy(&ip.ip6_dst, dst, 16);
		memcpy(out, &ip, l3);
	}
	tcp.doff = (uint16_t)(tcp_len / 4) & 15;
	memcpy(out + l3, &tcp, sizeof(tcp));
	out[l3 + 13] = s->flags;
	memset(out + l3 + sizeof(tcp), 1, s->options); /* NOP */
	sum = sum16(src, alen, sum16(dst, alen, IPPROTO_TCP + (uint32_t)tcp_len));
	tcp.check = fold(sum16(out + l3, tcp_len, sum));
	memcpy(out + l3 + offsetof(struct tcphdr, check), &tcp.check, 2);
	return l3 + tcp_len;
}

const char *frame_answers(const uint8_t *ip, size_t len, const struct syn *s)
{
	const uint8_t *tcp, *ports;
	uint16_t a = port_of(&s->dst), b = port_of(&s->src);
	size_t l4;

	if (len < sizeof(struct iphdr) || (ip[0] >> 4 == 6 && len < sizeof(struct ip6_hdr)))
		return NULL;
	l4 = frame_l4(ip);
	if ((ip[0] >> 4 == 4 ? ip[9] : ip[6]) != IPPROTO_TCP || len < l4 + sizeof(struct tcphdr))
		return NULL;
	tcp = ports = ip + l4;
	if (memcmp(ports, &a, 2) || memcmp(ports + 2, &b, 2))
		return NULL;
	if (tcp[13] & TCP_RST_FLAG)
		return "reset";
	return (tcp[13] & (TCP_SYN_FLAG | TCP_ACK_FLAG)) == (TCP_SYN_FLAG | TCP_ACK_FLAG) ? "open"
											  : NULL;
}

int packet_socket(const char *dev, struct sockaddr_ll *to, const char *mac)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)), big = 64 << 20;
	unsigned int m[6] = { 0 };
	int i;

	*to = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = (int)if_nametoindex(dev),
				    .sll_halen = 6 };
	if (fd < 0 || !to->sll_ifindex || bind(fd, (struct sockaddr *)to, sizeof(*to)) < 0) {
		perror(dev);
		exit(2);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	if (mac && sscanf(mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) {
		fprintf(stderr, "mrnet: '%s' is not a MAC address\n", mac);
		exit(2);
	}
	for (i = 0; i < 6; i++)
		to->sll_addr[i] = (unsigned char)m[i];
	return fd;
}

int send_ip(int fd, struct sockaddr_ll *to, const uint8_t *ip, size_t len)
{
	to->sll_protocol = htons(ip[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
	while (sendto(fd, ip, len, 0, (struct sockaddr *)to, sizeof(*to)) < 0) {
		if (errno != ENOBUFS && errno != EINTR) {
			perror("sendto");
			return -1;
		}
		usleep(100);
	}
	return 0;
}

int cmd_spray(int argc, char **argv)
{
	struct sockaddr_ll to;
	uint8_t frame[FRAME_MAX];
	long i, n, pause;
	int fd;

	if (argc < 8)
		return 2;
	fd = packet_socket(argv[1], &to, argv[2]);
	n = atol(argv[5]);
	pause = atol(argv[6]);
	for (i = 0; i < n; i++) {
		struct syn s = { .flags = TCP_SYN_FLAG, .seq = (uint32_t)i };
		uint16_t port = (uint16_t)(SPRAY_PORT + i % 40000);

		if (endpoint_parse(argv[7 + i % (argc - 7)], port, &s.src) < 0 ||
		    endpoint_parse(argv[3], (uint16_t)atoi(argv[4]), &s.dst) < 0 ||
		    send_ip(fd, &to, frame, frame_ip(&s, frame)) < 0)
			return 2;
		if (pause)
			usleep((useconds_t)pause);
	}
	printf("sent %ld\n", n);
	return 0;
}

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

struct seen {
	char source[INET6_ADDRSTRLEN];
	unsigned long n;
	uint64_t first, last; /* boot nanoseconds, from the kernel's receive stamps */
};

/* Counts one SYN to the port by its source. */
static void sniff_one(const uint8_t *ip, size_t len, uint16_t port, uint64_t when,
		      struct seen *seen, size_t *n)
{
	char source[INET6_ADDRSTRLEN];
	bool v4 = ip[0] >> 4 == 4;
	size_t l4, i;

	if (len < sizeof(struct ip6_hdr) || (v4 ? ip[9] : ip[6]) != IPPROTO_TCP)
		return;
	l4 = frame_l4(ip);
	if (len < l4 + 14 || ip[l4 + 13] != TCP_SYN_FLAG || (ip[l4 + 2] << 8 | ip[l4 + 3]) != port)
		return;
	inet_ntop(v4 ? AF_INET : AF_INET6, ip + (v4 ? 12 : 8), source, sizeof(source));
	for (i = 0; i < *n && strcmp(seen[i].source, source); i++)
		;
	if (i == SOURCES_MAX)
		return;
	if (i == *n) {
		*n += 1;
		memcpy(seen[i].source, source, sizeof(source));
		seen[i].first = when;
	}
	seen[i].n++;
	seen[i].last = when;
}

static uint64_t stamp_of(struct msghdr *m)
{
	int64_t offset = (int64_t)(now_ns(CLOCK_BOOTTIME) - now_ns(CLOCK_REALTIME));
	struct cmsghdr *c;
	struct timespec t;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return (uint64_t)((int64_t)t.tv_sec * 1000000000 + t.tv_nsec + offset);
	}
	return now_ns(CLOCK_BOOTTIME);
}

int cmd_sniff(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = stop };
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);
	struct seen seen[SOURCES_MAX] = { 0 };
	struct sockaddr_ll to;
	size_t n = 0, i;
	int fd, one = 1;

	if (argc < 3)
		return 2;
	fd = packet_socket(argv[1], &to, NULL);
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
	sigaction(SIGTERM, &sa, NULL);
	puts("ready");
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint8_t ip[FRAME_MAX];
		char control[128];
		struct iovec v = { ip, sizeof(ip) };
		struct sockaddr_ll from;
		struct msghdr m = { .msg_iov = &v,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control),
				    .msg_name = &from,
				    .msg_namelen = sizeof(from) };
		ssize_t got;

		/* what is queued when the signal comes is still counted */
		if (poll(&p, 1, stopped ? 0 : 100) <= 0) {
			if (stopped)
				break;
			continue;
		}
		got = recvmsg(fd, &m, MSG_DONTWAIT);
		if (got > 0 && from.sll_pkttype != PACKET_OUTGOING)
			sniff_one(ip, (size_t)got, (uint16_t)atoi(argv[2]), stamp_of(&m), seen, &n);
	}
	getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &st, &len);
	for (i = 0; i < n; i++)
		printf("%s %lu %llu %llu\n", seen[i].source, seen[i].n,
		       (unsigned long long)seen[i].first, (unsigned long long)seen[i].last);
	printf("lost %u\n", st.tp_drops);
	return st.tp_drops ? 1 : 0;
}

/* Waits for the answer to `s` on a packet socket or a tun descriptor. */
static const char *answer(int fd, const struct syn *s)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + ANSWER_MS * 1000000ULL;
	uint8_t ip[FRAME_MAX];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = now_ns(CLOCK_MONOTONIC);
		const char *word;
		ssize_t got;

		if (now >= end || poll(&p, 1, (int)((end - now) / 1000000) + 1) <= 0)
			return "silent";
		got = read(fd, ip, sizeof(ip));
		word = got > 0 ? frame_answers(ip, (size_t)got, s) : NULL;
		if (word)
			return word;
	}
}

/* One fragment of an IP packet: payload bytes [from, to).  Its length. */
static size_t piece(const uint8_t *ip, size_t from, size_t to, size_t end, uint16_t id,
		    uint8_t *out)
{
	size_t l4 = frame_l4(ip);
	bool more = to < end;

	memcpy(out, ip, l4);
	if (ip[0] >> 4 == 4) {
		struct iphdr h;

		memcpy(&h, ip, sizeof(h));
		h.id = htons(id);
		h.tot_len = htons((uint16_t)(l4 + to - from));
		h.frag_off = htons((uint16_t)(from / 8 | (more ? IP_MF : 0)));
		h.check = 0;
		h.check = fold(sum16(&h, sizeof(h), 0));
		memcpy(out, &h, sizeof(h));
	} else {
		struct ip6_hdr h;
		struct ip6_frag f = { .ip6f_nxt = IPPROTO_TCP,
				      .ip6f_reserved = 0xff, /* reserved: read by nobody */
				      .ip6f_offlg = htons((uint16_t)(from | (more ? 1 : 0))),
				      .ip6f_ident = htonl(id) };

		memcpy(&h, ip, sizeof(h));
		h.ip6_nxt = IPPROTO_FRAGMENT;
		h.ip6_plen = htons((uint16_t)(sizeof(f) + to - from));
		memcpy(out, &h, sizeof(h));
		memcpy(out + l4, &f, sizeof(f));
		l4 += sizeof(f);
	}
	memcpy(out + l4, ip + frame_l4(ip) + from, to - from);
	return l4 + to - from;
}

/* mrnet pieces DEV DSTMAC SRC DST PORT CUT...: a SYN cut at these payload offsets (of eight). */
int cmd_pieces(int argc, char **argv)
{
	struct syn s = { .flags = TCP_SYN_FLAG, .seq = (uint32_t)getpid() };
	uint8_t ip[FRAME_MAX], out[FRAME_MAX];
	uint16_t port = (uint16_t)(30000 + now_ns(CLOCK_MONOTONIC) / 1000 % 20000);
	size_t cut[16] = { 0 }, n = 1, end, i;
	bool last_first = false;
	struct sockaddr_ll to;
	const char *word;
	int fd, a;

	if (argc < 6)
		return 2;
	fd = packet_socket(argv[1], &to, argv[2]);
	for (a = 6; a < argc && n < 15; a++) {
		if (!strcmp(argv[a], "last-first"))
			last_first = true;
		else if (!strcmp(argv[a], "options"))
			s.options = 20;
		else
			cut[n++] = strtoul(argv[a], NULL, 10);
	}
	if (endpoint_parse(argv[3], port, &s.src) < 0 ||
	    endpoint_parse(argv[4], (uint16_t)atoi(argv[5]), &s.dst) < 0)
		return 2;
	end = frame_ip(&s, ip) - frame_l4(ip);
	cut[n] = end;
	for (i = 0; i < n; i++) {
		size_t k = last_first ? n - 1 - i : i;
		size_t len = piece(ip, cut[k], cut[k + 1], end, port, out);

		if (send_ip(fd, &to, n == 1 ? ip : out, n == 1 ? end + frame_l4(ip) : len) < 0)
			return 2;
	}
	word = answer(fd, &s);
	puts(word);
	return strcmp(word, "open") ? 1 : 0;
}

int cmd_tun(int argc, char **argv)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct syn s = { .flags = TCP_SYN_FLAG, .seq = 1 };
	uint16_t port = (uint16_t)(30000 + now_ns(CLOCK_MONOTONIC) / 1000 % 20000);
	uint8_t ip[FRAME_MAX];
	const char *word;
	size_t len;
	int fd;

	if (argc < 5 || endpoint_parse(argv[2], port, &s.src) < 0 ||
	    endpoint_parse(argv[3], (uint16_t)atoi(argv[4]), &s.dst) < 0)
		return 2;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", argv[1]);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0) {
		perror("/dev/net/tun");
		return 2;
	}
	usleep(50000); /* the device has its carrier only now */
	len = frame_ip(&s, ip);
	if (write(fd, ip, len) != (ssize_t)len) {
		perror("tun");
		return 2;
	}
	word = answer(fd, &s);
	puts(word);
	close(fd);
	return strcmp(word, "open") ? 1 : 0;
}
