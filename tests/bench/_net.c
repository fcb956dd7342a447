// SPDX-License-Identifier: BSD-2-Clause
/*
 * _net.c - network namespaces without names, veth pairs between them, programs run in them.
 *
 * Namespaces are held by descriptors alone, so they go with the process however it ends.  Uses ip
 * of iproute2 for the devices.  Never touches the namespace the benchmark was started in.  Fails
 * with -errno, and with the program's own words where one was run.
 */
#include "_bench.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#define OUTPUT_BYTES 4096 /* of a program, kept for messages and counters */

int bench_ns_enter(int fd)
{
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int bench_ns_new(int *fd)
{
	_close_ int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there = -EBADF;
	int r;

	if (here < 0 || unshare(CLONE_NEWNET) < 0)
		return -errno;
	there = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	r = there < 0 ? -errno : 0;
	if (bench_ns_enter(here) < 0)
		abort(); /* no way back: nothing may run in the wrong namespace */
	if (r == 0)
		*fd = MR_TAKE_FD(there);
	return r;
}

static _Noreturn void exec_there(int ns, int output, const char *const argv[])
{
	if ((ns < 0 || bench_ns_enter(ns) == 0) && dup2(output, 1) == 1 && dup2(output, 2) == 2)
		execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Reads to the end of the pipe; keeps what fits. */
static void drain(int fd, char *out, size_t size)
{
	char waste[512];
	size_t n = 0;
	ssize_t r;

	do {
		bool room = n + 1 < size;

		r = read(fd, room ? out + n : waste, room ? size - 1 - n : sizeof(waste));
		if (r > 0 && room)
			n += (size_t)r;
	} while (r > 0 || (r < 0 && errno == EINTR));
	out[n] = '\0';
}

int bench_run(int ns, char *out, size_t size, struct mr_error *e, const char *const argv[])
{
	char said[OUTPUT_BYTES];
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return mr_error(e, -errno, "%s: %s", argv[0], strerror(errno));
	pid = fork();
	if (pid == 0)
		exec_there(ns, fds[1], argv);
	close(fds[1]);
	if (pid > 0)
		drain(fds[0], out ? out : said, out ? size : sizeof(said));
	close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return mr_error(e, -ECHILD, "%s: cannot be run", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return mr_error(e, -ENOENT, "%s is not installed", argv[0]);
	return mr_error(e, -EIO, "%s %s failed: %.500s", argv[0], argv[1] ? argv[1] : "",
			out ? out : said);
}

/*
 * The receiver is always called r0 with the same address, so that one list file and one frame fit
 * all.  GRO on: a veth has NAPI then, and takes redirected frames even without an XDP program.
 */
static int configure_receiver(int ns, struct mr_error *e)
{
	int r;

	r = BENCH_RUN(ns, NULL, 0, e, "ip", "link", "set", "r0", "address", "02:00:00:00:00:02",
		      "up");
	if (r == 0)
		r = BENCH_RUN(ns, NULL, 0, e, "ip", "address", "add", "192.0.2.1/24", "dev", "r0");
	if (r == 0)
		r = BENCH_RUN(ns, NULL, 0, e, "ip", "address", "add", "2001:db8::1/64", "dev", "r0",
			      "nodad");
	if (r == 0)
		r = BENCH_RUN(ns, NULL, 0, e, "ethtool", "-K", "r0", "gro", "on");
	return r;
}

static int index_of(int ns, int home, const char *name)
{
	unsigned int i;

	if (bench_ns_enter(ns) < 0)
		return -errno;
	i = if_nametoindex(name);
	if (bench_ns_enter(home) < 0)
		abort();
	return i ? (int)i : -ENODEV;
}

int bench_wire_new(struct bench *b, unsigned int number, struct bench_wire *out, struct mr_error *e)
{
	struct bench_wire w = { .ns = -EBADF };
	_close_ int ns = -EBADF;
	char name[16], path[64];
	int r;

	r = bench_ns_new(&ns);
	if (r < 0)
		return mr_error(e, r, "a network namespace cannot be made: %s", strerror(-r));
	snprintf(name, sizeof(name), "g%u", number);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), ns);
	r = BENCH_RUN(b->gen_ns, NULL, 0, e, "ip", "link", "add", name, "type", "veth", "peer",
		      "name", "r0", "netns", path);
	if (r == 0)
		r = configure_receiver(ns, e);
	if (r == 0)
		r = BENCH_RUN(b->gen_ns, NULL, 0, e, "ip", "link", "set", name, "up");
	if (r < 0)
		return r;
	w.gen_ifindex = index_of(b->gen_ns, b->home_ns, name);
	w.rx_ifindex = index_of(ns, b->home_ns, "r0");
	if (w.gen_ifindex < 0 || w.rx_ifindex < 0)
		return mr_error(e, -ENODEV, "the veth pair %s vanished", name);
	w.ns = MR_TAKE_FD(ns);
	*out = w;
	return 0;
}

void bench_wire_clear(struct bench *b, struct bench_wire *w, unsigned int number)
{
	char name[16];

	snprintf(name, sizeof(name), "g%u", number);
	BENCH_RUN(b->gen_ns, NULL, 0, NULL, "ip", "link", "delete", name);
	mr_closep(&w->ns);
	w->ns = -EBADF;
}

/* Tcp: InSegs is the tenth figure of the second "Tcp:" line; it counts both families. */
int bench_wire_arrived(const struct bench_wire *w, uint64_t *n)
{
	unsigned long long in;
	const char *p;
	char out[OUTPUT_BYTES];
	int r;

	r = BENCH_RUN(w->ns, out, sizeof(out), NULL, "cat", "/proc/thread-self/net/snmp");
	if (r < 0)
		return r;
	p = strstr(out, "\nTcp: ");
	p = p ? strstr(p + 1, "\nTcp: ") : NULL;
	if (!p || sscanf(p, "\nTcp: %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &in) != 1)
		return -EPROTO;
	*n = in;
	return 0;
}
