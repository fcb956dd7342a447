// SPDX-License-Identifier: BSD-2-Clause
/*
 * mrnet.c - the network helper of the tests in tests/net and of scripts/demo: real TCP clients and
 * servers, and frames made by hand where a real stack would not make them.
 *
 * Called by shell scripts inside network namespaces.  Never changes anything but what its
 * subcommand says; leaves nothing behind but the XDP program of `pass`, which goes with its device.
 * Exit status: 0 the word printed is the good one, 1 another word, 2 usage or a failing system
 * call.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "_net.h"

int endpoint_parse(const char *addr, uint16_t port, struct endpoint *out)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };

	memset(out, 0, sizeof(*out));
	if (addr && inet_pton(AF_INET, addr, &v4.sin_addr) == 1) {
		memcpy(&out->sa, &v4, sizeof(v4));
		out->len = sizeof(v4);
		return 0;
	}
	if (!addr || inet_pton(AF_INET6, addr, &v6.sin6_addr) == 1) {
		memcpy(&out->sa, &v6, sizeof(v6));
		out->len = sizeof(v6);
		return 0;
	}
	fprintf(stderr, "mrnet: '%s' is not an address\n", addr);
	return -1;
}

uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} commands[] = {
	{ "serve", cmd_serve, "PORT...                    listen, greet, echo; until killed" },
	{ "connect", cmd_connect,
	  "SRC DST PORT [MS]        open|reset|timeout|mute, milliseconds" },
	{ "hold", cmd_hold,
	  "SRC DST PORT [MS]           a session: each line of input asks if it lives" },
	{ "load", cmd_load,
	  "SRC DST PORT SECONDS [MS]   connect again and again; counts at the end" },
	{ "spray", cmd_spray, "DEV DSTMAC DST PORT N PAUSE_US SRC...   SYN frames in turn" },
	{ "sniff", cmd_sniff,
	  "DEV PORT                   until SIGTERM: SYNs that arrive, by source" },
	{ "pieces", cmd_pieces, "DEV DSTMAC SRC DST PORT CUT... [last-first] [options]" },
	{ "tun", cmd_tun, "DEV SRC DST PORT               one SYN into a tun device" },
	{ "pass", cmd_pass, "DEV                          an XDP program that passes everything" },
	{ "garbage", cmd_garbage, "SOCKET random|silent|huge|auth|never-read" },
	{ "learn", cmd_learn,
	  "DEV DSTMAC DST PORT LOG LINES_A_SECOND N   from a login's line to its SYN-ACK, us" },
	{ "expires", cmd_expires, "MAP ADDR                 expiry of an entry, boot nanoseconds" },
};

int main(int argc, char **argv)
{
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, "mrnet %s %s\n", commands[i].name, commands[i].usage);
	return 2;
}
