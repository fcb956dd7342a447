// SPDX-License-Identifier: BSD-2-Clause
/*
 * kernel.c - the kernel side against the running kernel: pins, generations, devices, take-over.
 *
 * Needs root.  Works in a network and a mount namespace of its own, with a bpffs on a temporary
 * directory, so nothing is left behind however it ends.  Every verdict is the program's own.
 */
#include "_hand.h"
#include "_kernel.h"
#include "_shape.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/magic.h>

#define OFFICE "192.0.2.10" /* what generation 1 refuses */
#define ROAMER "198.51.100.10" /* what generation 2 refuses */
#define OUR_MX "203.0.113.25"

/* --- generations -------------------------------------------------------------------------------
 */

static void test_flip(void **s)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(NULL, 0);
	uint64_t number = 0, bytes[MR_SLOTS];

	(void)s;
	assert_false(mr_generation_spare(k, &number));
	assert_int_equal(mr_generation_flip(k), -ENOENT);
	for (enum mr_index_mode m = MR_INDEX_AUTO; m <= MR_INDEX_OFF; m++) {
		uint64_t g = 10 + 2 * (uint64_t)m;

		kernel_fill(k, g, OFFICE "/32", m);
		assert_true(mr_generation_spare(k, &number) && number == g);
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP);
		assert_int_equal(kernel_verdict(k, ROAMER), XDP_PASS);
		assert_int_equal(kernel_verdict(k, "2001:db8::1"), XDP_DROP);
		kernel_fill(k, g + 1, "198.51.100.0/24", m);
		assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP); /* filled, not active */
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(kernel_verdict(k, OFFICE), XDP_PASS);
		assert_int_equal(kernel_verdict(k, ROAMER), XDP_DROP);
		assert_true(mr_generation_spare(k, &number) && number == g); /* undo */
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP);
	}
	assert_int_equal(mr_generation_memory(k, bytes), 0);
	assert_true(bytes[0] > 0 && bytes[1] > 0);
	assert_true(kernel_rule_hits(k) >= 6);
	assert_int_equal(mr_counters_reset_rule(k, HAND_COUNTER), 0);
	assert_int_equal(kernel_rule_hits(k), 0);
}

/* `to`: more destinations than the map holds.  The active generation stays, the spare is empty. */
static void test_fill_fails(void **s)
{
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(NULL, 0);
	_free_ struct hand *h = malloc(sizeof(*h));
	_free_ struct mr_addr *to = calloc(MR_TO_MAX + 1, sizeof(*to));
	struct mr_error e = { "" };
	uint64_t number;

	(void)s;
	kernel_fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	assert_int_equal(hand_make(h, 2, ROAMER "/32", MR_INDEX_AUTO), 0);
	for (uint32_t i = 0; i <= MR_TO_MAX; i++)
		to[i] = mr_addr_from4(0xcb007100 + i);
	h->smtp.to = to;
	h->smtp.n_to = MR_TO_MAX + 1;
	assert_int_equal(mr_generation_fill(k, &h->spec, &e), -E2BIG);
	assert_non_null(strstr(e.text, "smtp"));
	assert_false(mr_generation_spare(k, &number));
	assert_int_equal(mr_generation_flip(k), -ENOENT);
	assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP);
	/* and what had been entered before the failure is gone */
	h->smtp.n_to = MR_TO_MAX;
	assert_int_equal(mr_generation_fill(k, &h->spec, &e), 0);
	h->smtp.n_to = 0;
}

/* --- take-over ---------------------------------------------------------------------------------
 */

static void test_restart(void **s)
{
	_free_ char *pins = kernel_pins("restart");
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;
	uint64_t number, hits;
	struct stat st;

	(void)s;
	kernel_sh(
		"ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	assert_int_equal(stat(pins, &st), 0);
	kernel_fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	kernel_fill(k, 2, ROAMER "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	a = kernel_attach(k, "k0", false);
	assert_int_equal(a.mode, MR_ATTACH_NATIVE);
	assert_true(a.reject_is_deny && !a.l3);
	assert_int_equal(a.frags, mr_kernel_has_frags(k));
	assert_true(kernel_pin_exists(pins, "links/k0"));
	kernel_put(k, MR_PERMIT, 0xc6336401, UINT64_C(3600000000000));
	kernel_put(k, MR_BAN, 0xc6336402, UINT64_C(3600000000000));
	assert_int_equal(kernel_verdict(k, ROAMER), XDP_DROP);
	hits = kernel_rule_hits(k);
	mr_kernel_free(k);

	/* the daemon is dead: the program stands, and the pins can be read */
	assert_int_equal(kernel_running("k0"), a.prog_id);
	k = kernel_reader_at(pins);
	assert_int_equal(mr_kernel_state(k)->gen[mr_kernel_state(k)->active].number, 2);
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 1);
	mr_kernel_free(k);

	k = kernel_at(pins, 0);
	assert_int_equal(kernel_running("k0"), a.prog_id); /* loading alone changes nothing */
	assert_int_equal(kernel_verdict(k, ROAMER), XDP_DROP);
	assert_int_equal(kernel_rule_hits(k), hits + 1);
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 1);
	assert_int_equal(kernel_count_entries(k, MR_BAN), 1);
	assert_true(mr_generation_spare(k, &number) && number == 1);
	b = kernel_attach(k, "k0", true); /* native stands: kept, and told */
	assert_int_equal(b.link_id, a.link_id);
	assert_int_not_equal(b.prog_id, a.prog_id);
	assert_int_equal(kernel_running("k0"), b.prog_id);
	assert_true(b.mode == MR_ATTACH_NATIVE && b.reject_is_deny);

	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_detach(k, "k0"), -ENOENT);
	assert_int_equal(kernel_running("k0"), 0);
	b = kernel_attach(k, "k0", true);
	assert_true(b.mode == MR_ATTACH_GENERIC && !b.reject_is_deny);
	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_kernel_unpin(k, NULL), 0);
	mr_kernel_free(k);
	assert_false(kernel_pin_exists(pins, "abi2"));
	assert_false(kernel_pin_exists(pins, "links/k0"));
	assert_int_equal(mr_kernel_open_pins(pins, &k, NULL), -ENOENT);
	kernel_sh("ip link del k0");
}

static void test_resize(void **s)
{
	_free_ char *pins = kernel_pins("resize");
	struct mr_kernel *k = kernel_at(pins, 100);
	struct mr_kernel_options o = { .pin_dir = pins, .permits_max = 10 };
	struct mr_error e = { "" };

	(void)s;
	for (uint32_t i = 0; i < 100; i++)
		kernel_put(k, MR_PERMIT, 0xc6336400 + i, UINT64_C(3600000000000));
	mr_kernel_free(k);
	assert_int_equal(mr_kernel_open(&o, &k, &e), -E2BIG);
	assert_non_null(strstr(e.text, "permits"));
	k = kernel_at(pins, 200);
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 100);
	for (uint32_t i = 100; i < 200; i++)
		kernel_put(k, MR_PERMIT, 0xc6336400 + i, 1); /* run out at once */
	mr_kernel_free(k);
	k = kernel_at(pins, 0); /* as pinned */
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 200);
	mr_kernel_free(k);
	k = kernel_at(pins, 120); /* what has run out is not carried over */
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 100);
	mr_kernel_free(k);
}

static void test_other_abi(void **s)
{
	_free_ char *pins = kernel_pins("abi");
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;

	(void)s;
	kernel_sh(
		"ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	kernel_fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	kernel_put(k, MR_PERMIT, 0xc6336401, UINT64_C(3600000000000));
	kernel_put(k, MR_BAN, 0xc6336402, UINT64_C(3600000000000));
	assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP);
	a = kernel_attach(k, "k0", false);
	mr_kernel_free(k);
	kernel_sh("mv %s/abi2 %s/abi999", pins, pins);
	/* links can be seen and taken away whatever the maps are */
	k = kernel_reader_at(pins);
	assert_null(mr_kernel_state(k));
	mr_kernel_free(k);

	k = kernel_at(pins, 0);
	assert_int_equal(kernel_running("k0"), a.prog_id); /* filters with the old maps meanwhile */
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 1);
	assert_int_equal(kernel_count_entries(k, MR_BAN), 1);
	assert_int_equal(kernel_rule_hits(k), 1);
	kernel_fill(k, 2, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	assert_true(kernel_pin_exists(pins, "abi999/state"));
	b = kernel_attach(k, "k0", false);
	assert_int_equal(b.link_id, a.link_id);
	assert_int_equal(kernel_running("k0"), b.prog_id);
	assert_false(kernel_pin_exists(pins, "abi999"));
	assert_int_equal(mr_detach(k, "k0"), 0);
	mr_kernel_free(k);
	kernel_sh("ip link del k0");
}

static void test_damaged_pins(void **s)
{
	_free_ char *pins = kernel_pins("damaged");
	struct mr_kernel_options o = { .pin_dir = pins };
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_error e = { "" };

	(void)s;
	mr_kernel_free(k);
	k = NULL;
	/* another map under our name */
	kernel_sh("mv %s/abi2/bans %s/abi2/aside && mv %s/abi2/to %s/abi2/bans", pins, pins, pins,
		  pins);
	assert_int_equal(mr_kernel_open(&o, &k, &e), -EPROTO);
	assert_non_null(strstr(e.text, "abi2/bans"));
	assert_null(k);
	kernel_sh("mv %s/abi2/bans %s/abi2/to && mv %s/abi2/aside %s/abi2/bans", pins, pins, pins,
		  pins);
	/* a missing map of a generation: the others of it are not believed */
	k = kernel_at(pins, 0);
	kernel_fill(k, 5, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	mr_kernel_free(k);
	kernel_sh("rm %s/abi2/trie4", pins);
	k = kernel_at(pins, 0);
	assert_int_equal(mr_kernel_state(k)->gen[0].number, 0);
	assert_int_equal(mr_kernel_state(k)->gen[1].number, 0);
	assert_int_equal(kernel_verdict(k, OFFICE), XDP_PASS);
	mr_kernel_free(k);
}

/* Without a bpffs one is mounted; where that cannot be, the error says where. */
static void test_no_bpffs(void **s)
{
	char plain[] = "/tmp/mr-test-kernel-XXXXXX";
	struct mr_kernel_options o = { .pin_dir = "/dev/null/pins" };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };
	struct statfs fs;

	(void)s;
	assert_true(mr_kernel_open(&o, &k, &e) < 0);
	assert_non_null(strstr(e.text, "/dev/null/pins"));
	assert_null(k);
	assert_non_null(mkdtemp(plain));
	mr_kernel_free(kernel_at(plain, 0));
	assert_int_equal(statfs(plain, &fs), 0);
	assert_int_equal(fs.f_type, BPF_FS_MAGIC);
	assert_true(kernel_pin_exists(plain, "abi2/state"));
	assert_int_equal(umount(plain), 0);
	assert_int_equal(rmdir(plain), 0);
}

/* --- devices -----------------------------------------------------------------------------------
 */

static void test_devices(void **s)
{
	_free_ char *pins = kernel_pins("devices");
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;
	struct mr_attachment *list = NULL;
	size_t n;

	(void)s;
	kernel_sh(
		"ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	a = kernel_attach(k, "k0", false);
	/* renamed */
	kernel_sh("ip link set k0 down && ip link set k0 name k.0 && ip link set k.0 up");
	b = kernel_attach(k, "k.0", false);
	assert_int_equal(a.link_id, b.link_id);
	assert_false(kernel_pin_exists(pins, "links/k0"));
	assert_true(kernel_pin_exists(pins, "links/k%2e0"));
	/* made anew under the same name, then gone */
	kernel_sh(
		"ip link del k.0 && ip link add k.0 type veth peer name k1 && ip link set k.0 up");
	b = kernel_attach(k, "k.0", false);
	assert_int_not_equal(a.link_id, b.link_id);
	assert_int_equal(kernel_running("k.0"), b.prog_id);
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].name, "k.0");
	assert_int_equal(list[0].mode, MR_ATTACH_NATIVE);
	assert_int_equal(list[0].frags, b.frags);
	free(list);
	kernel_sh("ip link del k.0");
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_true(n == 1 && list[0].ifindex == 0 && list[0].mode == MR_ATTACH_NONE);
	free(list);
	assert_int_equal(mr_detach(k, "k.0"), 0);

	/* two devices swap their names */
	kernel_sh("ip link add k0 type veth peer name k1");
	a = kernel_attach(k, "k0", false);
	b = kernel_attach(k, "k1", false);
	kernel_sh("ip link set k0 name kx && ip link set k1 name k0 && ip link set kx name k1");
	assert_int_equal(kernel_attach(k, "k0", false).link_id, b.link_id);
	assert_int_equal(kernel_attach(k, "k1", false).link_id, a.link_id);
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_int_equal(n, 2);
	free(list);
	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_detach(k, "k1"), 0);
}

static void test_device_kinds(void **s)
{
	_free_ char *pins = kernel_pins("kinds");
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a;
	struct mr_device d;
	struct mr_error e = { "" };

	(void)s;
	kernel_sh(
		"ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	/* jumbo frames: the multi-buffer program, or generic mode */
	kernel_sh("ip link set k0 mtu 9000 && ip link set k1 mtu 9000");
	a = kernel_attach(k, "k0", false);
	assert_true(a.frags || a.mode == MR_ATTACH_GENERIC);
	assert_int_equal(mr_detach(k, "k0"), 0);
	/* a driver that has no XDP of its own: generic */
	kernel_sh("ip link add name k.br type bridge");
	a = kernel_attach(k, "k.br", false);
	assert_true(a.mode == MR_ATTACH_GENERIC && !a.l3);
	assert_int_equal(mr_detach(k, "k.br"), 0);
	kernel_sh("ip link del k.br && ip link del k0");

	/* without an Ethernet header, and without a kernel device at all */
	kernel_sh("ip tuntap add mode tun name kt");
	assert_true(kernel_attach(k, "kt", false).l3);
	assert_int_equal(mr_detach(k, "kt"), 0);
	kernel_sh("ip tuntap del mode tun name kt");
	d = kernel_device("lo");
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EINVAL);
	assert_non_null(strstr(e.text, "lo is loopback"));
	d.loopback = false;
	d.type = ARPHRD_INFINIBAND;
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EOPNOTSUPP);
}

static int other_program(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "someone_else", "GPL", insns, 2, NULL);
}

static void test_busy(void **s)
{
	_free_ char *pins = kernel_pins("busy");
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(pins, 0);
	_cleanup_(mr_kernel_freep) struct mr_kernel *private = kernel_at(NULL, 0);
	_close_ int fd = other_program();
	struct mr_attachment a;
	struct mr_device d;
	struct mr_error e = { "" };

	(void)s;
	kernel_sh("ip link add k0 type veth peer name k1");
	d = kernel_device("k0");
	assert_int_equal(bpf_xdp_attach(d.ifindex, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EBUSY);
	assert_non_null(strstr(e.text, "someone_else"));
	assert_non_null(strstr(e.text, "xdp off"));
	assert_int_equal(bpf_xdp_detach(d.ifindex, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(mr_attach(private, &d, false, &a, &e), 0);
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EBUSY);
	assert_non_null(strstr(e.text, "another mailreeved"));
	assert_false(kernel_pin_exists(pins, "links/k0"));
	kernel_sh("ip link del k0");
}

/* --- test runs ---------------------------------------------------------------------------------
 */

static void test_runs(void **s)
{
	struct mr_kernel_options o = { .replay = MR_REPLAY_NONE };
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = NULL;
	uint8_t frame[SHAPE_BYTES * 4] = { 0 };
	struct shape p = { .src = OFFICE, .dst = OUR_MX, .dport = 25, .flags = TCP_SYN };
	struct mr_decision d;
	size_t n;

	(void)s;
	assert_int_equal(mr_kernel_open(&o, &k, NULL), 0);
	kernel_fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	n = shape_build(&p, frame);
	/* cut off at every length; beyond a page too */
	for (size_t len = 0; len <= n; len++) {
		assert_int_equal(mr_test_run(k, false, frame, len, &d, NULL, NULL), 0);
		assert_int_equal(d.verdict, len < 14 ? XDP_PASS : XDP_DROP);
		assert_int_equal(d.why, len < 14	? MR_WHY_NOT_IP
					: len < 14 + 24 ? MR_WHY_MALFORMED
							: MR_WHY_DENY);
	}
	assert_int_equal(mr_test_run(k, false, frame, sizeof(frame), &d, NULL, NULL), 0);
	assert_int_equal(d.why, MR_WHY_DENY);
	assert_int_equal(d.service, HAND_SERVICE);
	assert_int_equal(d.rule, 1);
	/* the same without its Ethernet header */
	for (size_t len = 0; len <= n - 14; len++) {
		assert_int_equal(mr_test_run(k, true, frame + 14, len, &d, NULL, NULL), 0);
		assert_int_equal(d.verdict, len == 0 ? XDP_PASS : XDP_DROP);
	}
}

/* --- main --------------------------------------------------------------------------------------
 */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_flip, kernel_no_devices),
		cmocka_unit_test_teardown(test_fill_fails, kernel_no_devices),
		cmocka_unit_test_teardown(test_restart, kernel_no_devices),
		cmocka_unit_test_teardown(test_resize, kernel_no_devices),
		cmocka_unit_test_teardown(test_other_abi, kernel_no_devices),
		cmocka_unit_test_teardown(test_damaged_pins, kernel_no_devices),
		cmocka_unit_test_teardown(test_no_bpffs, kernel_no_devices),
		cmocka_unit_test_teardown(test_devices, kernel_no_devices),
		cmocka_unit_test_teardown(test_device_kinds, kernel_no_devices),
		cmocka_unit_test_teardown(test_busy, kernel_no_devices),
		cmocka_unit_test_teardown(test_runs, kernel_no_devices),
	};

	libbpf_set_print(quiet);
	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}

int main(void)
{
	int r;

	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		puts("1..0 # SKIP needs root: namespaces and BPF");
		return 0;
	}
	if (!mkdtemp(kernel_dir) || mount("bpf", kernel_dir, "bpf", 0, "mode=0700") < 0) {
		perror(kernel_dir);
		return 1;
	}
	r = run();
	umount2(kernel_dir, MNT_DETACH);
	rmdir(kernel_dir);
	return r;
}
