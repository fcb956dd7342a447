// SPDX-License-Identifier: BSD-2-Clause
/*
 * rights.c - the whole kernel side as the daemon's own user: no root, no CAP_SYS_ADMIN, only
 * CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, on a bpffs that was handed to that user.
 *
 * Needs root to make that.  Works in network and mount namespaces of its own; leaves nothing.
 */
#include "_hand.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>

#define USER 65534 /* nobody */

static char dir[] = "/tmp/mr-test-rights-XXXXXX"; /* set once, in main() */

static int drop_rights(uint64_t caps)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	/* as the unit does: before Linux 5.11 maps count as locked memory */
	(void)setrlimit(RLIMIT_MEMLOCK, &all);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(USER, USER, USER) < 0 ||
	    setresuid(USER, USER, USER) < 0 || syscall(SYS_capset, &h, d) < 0)
		return -errno;
	return 0;
}

#define DAEMON_CAPS \
	(UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_PERFMON)

/* Runs fn in a child with these capabilities only; its exit status. */
static int as_user(uint64_t caps, int (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(drop_rights(caps) < 0 ? 99 : fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int complain(int step, int r, const char *what)
{
	fprintf(stderr, "step %d: %d: %s\n", step, r, what);
	return step;
}

static int find_device(const char *name, struct mr_device *out)
{
	_cleanup_(mr_host_freep) struct mr_host *h = NULL;
	int r = mr_host_read(&h, NULL);

	for (size_t i = 0; r == 0 && i < h->n_devices; i++)
		if (strcmp(h->devices[i].name, name) == 0) {
			*out = h->devices[i];
			return 0;
		}
	return r < 0 ? r : -ENODEV;
}

static int daemon_life(void)
{
	struct mr_kernel_options o = { .pin_dir = dir };
	struct mr_kernel *k = NULL;
	struct mr_attachment a, *list = NULL;
	struct mr_entry_key key = { { 0 } };
	struct mr_entry value = { .expires = UINT64_MAX };
	uint64_t bytes[MR_SLOTS];
	struct mr_device d;
	struct mr_error e = { "" };
	size_t n = 0;
	int r;

	for (int run = 0; run < 2; run++) { /* start, and restart over the pins */
		if ((r = mr_kernel_open(&o, &k, &e)) < 0)
			return complain(1, r, e.text);
		if ((r = hand_fill(k, 1, "192.0.2.0/24", MR_INDEX_ON, &e)) < 0)
			return complain(2, r, e.text);
		if ((r = mr_generation_flip(k)) < 0)
			return complain(3, r, "flip");
		if ((r = find_device("r0", &d)) < 0)
			return complain(4, r, "r0");
		if ((r = mr_attach(k, &d, false, &a, &e)) < 0)
			return complain(5, r, e.text);
		if ((r = mr_entries_put(k, MR_BAN, &key, &value)) < 0)
			return complain(6, r, "ban");
		if ((r = mr_generation_memory(k, bytes)) < 0)
			return complain(7, r, "memory");
		if ((r = mr_attach_list(k, &list, &n)) < 0 || n != 1 ||
		    list[0].prog_id != a.prog_id)
			return complain(8, r, "list");
		free(list);
		mr_kernel_free(k);
	}
	if ((r = mr_kernel_open_pins(dir, &k, &e)) < 0)
		return complain(9, r, e.text);
	if ((r = mr_detach(k, "r0")) < 0)
		return complain(10, r, "detach");
	/* somebody else's program: its number if not its name */
	r = mr_kernel_unpin(k, &e);
	mr_kernel_free(k);
	return r < 0 ? complain(11, r, e.text) : 0;
}

static void test_daemon_rights(void **s)
{
	(void)s;
	assert_int_equal(as_user(DAEMON_CAPS, daemon_life), 0);
}

static int meets_another(void)
{
	struct mr_kernel_options o = { .pin_dir = dir };
	struct mr_kernel *k = NULL;
	struct mr_attachment a;
	struct mr_device d;
	struct mr_error e = { "" };
	int r;

	if ((r = mr_kernel_open(&o, &k, &e)) < 0)
		return complain(1, r, e.text);
	if ((r = find_device("r0", &d)) < 0)
		return complain(2, r, "r0");
	r = mr_attach(k, &d, false, &a, &e);
	mr_kernel_free(k);
	return r == -EBUSY && strstr(e.text, "r0") && strstr(e.text, "id ")
		       ? 0
		       : complain(3, r, e.text);
}

static void test_another_program(void **s)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "someone_else", "GPL", insns, 2, NULL);
	struct mr_device d;

	(void)s;
	assert_int_equal(find_device("r0", &d), 0);
	assert_int_equal(bpf_xdp_attach(d.ifindex, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(as_user(DAEMON_CAPS, meets_another), 0);
	assert_int_equal(bpf_xdp_detach(d.ifindex, XDP_FLAGS_SKB_MODE, NULL), 0);
}

/* Too few rights are an error that names what is needed. */
static int refused(void)
{
	struct mr_kernel_options o = { .pin_dir = NULL };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };
	int r = mr_kernel_open(&o, &k, &e);

	return r == -EPERM && strstr(e.text, "CAP_BPF") ? 0 : complain(1, r, e.text);
}

static int no_bpffs(void)
{
	struct mr_kernel_options o = { .pin_dir = "/tmp" };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };
	int r = mr_kernel_open(&o, &k, &e);

	return r == -EPERM && strstr(e.text, "mount -t bpf") ? 0 : complain(1, r, e.text);
}

static void test_too_few(void **s)
{
	(void)s;
	assert_int_equal(as_user(0, refused), 0);
	assert_int_equal(as_user(DAEMON_CAPS, no_bpffs), 0);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daemon_rights),
		cmocka_unit_test(test_another_program),
		cmocka_unit_test(test_too_few),
	};
	int r;

	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		puts("1..0 # SKIP needs root: namespaces and BPF");
		return 0;
	}
	/* NOLINTNEXTLINE(cert-env33-c): a fixed command of a test */
	if (!mkdtemp(dir) || mount("bpf", dir, "bpf", 0, "mode=0700") < 0 ||
	    chown(dir, USER, USER) < 0 || system("ip link add r0 type veth peer name r1") != 0) {
		perror(dir);
		return 1;
	}
	libbpf_set_print(quiet);
	r = cmocka_run_group_tests_name("rights", tests, NULL, NULL);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return r;
}
