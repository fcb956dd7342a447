/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _net.h - what the parts of mrnet share: endpoints, frames, one function for each subcommand.
 *
 * A subcommand gets its own name as argv[0] and returns the exit status.  All of them print what
 * happened as one word at the start of a line, for a shell to compare.
 */
#ifndef MAILREEVE_TESTS_NET_H
#define MAILREEVE_TESTS_NET_H

#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

struct endpoint {
	struct sockaddr_storage sa;
	socklen_t len;
};
/* 0, or -1 with a line on standard error.  `addr` may be NULL: any IPv6 address (and IPv4). */
int endpoint_parse(const char *addr, uint16_t port, struct endpoint *out);
uint64_t now_ns(clockid_t clock);

#define FRAME_MAX 2048 /* bytes; the frames made here are small */
struct syn { /* one TCP segment to be made */
	struct endpoint src, dst;
	uint8_t flags;
	uint32_t seq, ack;
	size_t options; /* bytes of TCP options, NOPs */
};
#define TCP_SYN_FLAG 0x02
#define TCP_RST_FLAG 0x04
#define TCP_ACK_FLAG 0x10
/* The IP packet (no Ethernet header); its length. */
size_t frame_ip(const struct syn *s, uint8_t *out);
/* Offset of the payload in an IP packet made by frame_ip. */
size_t frame_l4(const uint8_t *ip);
/* What an IP packet answers to `s`: "open" (SYN-ACK), "reset", or NULL: something else. */
const char *frame_answers(const uint8_t *ip, size_t len, const struct syn *s);

struct sockaddr_ll;
/* A packet socket on a device, and the address of a peer with this MAC (NULL: none). */
int packet_socket(const char *dev, struct sockaddr_ll *to, const char *mac);
int send_ip(int fd, struct sockaddr_ll *to, const uint8_t *ip, size_t len);

int cmd_serve(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_spray(int argc, char **argv);
int cmd_sniff(int argc, char **argv);
int cmd_pieces(int argc, char **argv);
int cmd_tun(int argc, char **argv);
int cmd_pass(int argc, char **argv);
int cmd_garbage(int argc, char **argv);
int cmd_expires(int argc, char **argv);
int cmd_learn(int argc, char **argv);

#endif
