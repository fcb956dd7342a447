// SPDX-License-Identifier: BSD-2-Clause
/*
 * _dev.c - the strangers a daemon meets: another XDP program on its device, a client that does not
 * speak its protocol; and a look at an entry from outside.
 *
 * Part of mrnet.  `pass` stays attached after the program has ended; the other two leave nothing.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <mailreeve/abi.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "_net.h"

#define GARBAGE_BYTES (64 << 20) /* far more than any message the daemon should buffer */
#define GARBAGE_MS    300 /* how long a full socket is waited for */

int cmd_pass(int argc, char **argv)
{
	struct bpf_insn insns[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
				    { .code = BPF_JMP | BPF_EXIT } };
	int ifindex, fd, r;

	if (argc < 2)
		return 2;
	ifindex = (int)if_nametoindex(argv[1]);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "mrnet_pass", "GPL", insns, 2, NULL);
	r = fd < 0 ? fd
		   : bpf_xdp_attach(ifindex, fd, XDP_FLAGS_UPDATE_IF_NOEXIST | XDP_FLAGS_DRV_MODE,
				    NULL);
	if (r < 0) {
		fprintf(stderr, "mrnet pass: %s: %s\n", argv[1], strerror(-r));
		return 2;
	}
	puts("attached");
	return 0;
}

/* Sends until the peer closes, or takes no more for GARBAGE_MS; the word for which. */
static const char *pour(int fd, const char *data, size_t len, size_t total)
{
	size_t sent = 0;

	while (sent < total) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t r;

		if (poll(&p, 1, GARBAGE_MS) == 0)
			return "full";
		r = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			return "full";
		if (r < 0)
			return "closed";
		sent += (size_t)r;
	}
	return "taken";
}

int cmd_garbage(int argc, char **argv)
{
	static const char auth[] = "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char data[65536];
	size_t i;
	int fd;

	if (argc < 3)
		return 2;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror(argv[1]);
		return 2;
	}
	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)rand();
	if (!strcmp(argv[2], "silent")) {
		puts("connected");
		pause();
	} else if (!strcmp(argv[2], "random")) {
		puts(pour(fd, data, 4096, 4096));
	} else if (!strcmp(argv[2], "auth")) { /* a good greeting, then noise */
		puts(pour(fd, auth, sizeof(auth) - 1, sizeof(auth) - 1));
		puts(pour(fd, data, 4096, 1 << 20));
	} else { /* huge, never-read: more than anybody should keep, and no read of the answers */
		memset(data, 'A', sizeof(data));
		data[0] = '\0';
		puts(pour(fd, data, sizeof(data), GARBAGE_BYTES));
	}
	close(fd);
	return 0;
}

int cmd_expires(int argc, char **argv)
{
	struct mr_entry_key key = { { [10] = 0xff, [11] = 0xff } };
	struct mr_entry value;
	int fd;

	if (argc < 3)
		return 2;
	if (inet_pton(AF_INET, argv[2], key.addr + 12) != 1 &&
	    inet_pton(AF_INET6, argv[2], key.addr) != 1)
		return 2;
	fd = bpf_obj_get(argv[1]);
	if (fd < 0 || bpf_map_lookup_elem(fd, &key, &value) < 0) {
		perror(argv[1]);
		return 2;
	}
	printf("%llu\n", (unsigned long long)value.expires);
	return 0;
}
