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

#include <mailreeve/entry.h>

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

/* Does what runs on the device use the map that is pinned so? */
static bool runs_with(const char *device, const char *pins, const char *map)
{
	_free_ char *path = NULL;
	struct bpf_prog_info prog = { 0 };
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info), plen = sizeof(prog), ids[64];
	_close_ int p = bpf_prog_get_fd_by_id(kernel_running(device));
	_close_ int m =
		asprintf(&path, "%s/abi%u/%s", pins, MR_ABI, map) < 0 ? -1 : bpf_obj_get(path);

	prog.map_ids = (uint64_t)(uintptr_t)ids;
	prog.nr_map_ids = MR_ARRAY_SIZE(ids);
	assert_int_equal(bpf_obj_get_info_by_fd(p, &prog, &plen), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(m, &info, &len), 0);
	for (uint32_t i = 0; i < prog.nr_map_ids; i++)
		if (ids[i] == info.id)
			return true;
	return false;
}

/* Begins with larger maps of permits, and copies all but what came and went meanwhile. */
static void grow(struct mr_kernel *k, uint32_t max)
{
	struct mr_kernel *next = NULL;
	struct mr_error e = { "" };
	struct mr_entries_cursor c = { 0 };
	struct mr_entry_key keys[MR_ENTRIES_CHUNK];
	struct mr_entry values[MR_ENTRIES_CHUNK];
	size_t n;

	assert_int_equal(mr_resize_prepare(k, max, 0, &next, &e), 0);
	assert_non_null(next);
	mr_resize_begin(k, next);
	assert_true(mr_resize_wants(k, MR_PERMIT) && !mr_resize_wants(k, MR_BAN));
	assert_int_equal(mr_entries_read(k, MR_PERMIT, &c, keys, values, MR_ENTRIES_CHUNK, &n), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(mr_resize_copy(k, MR_PERMIT, &keys[i], &values[i]), 0);
}

static struct mr_entry_key key4(uint32_t v4)
{
	struct mr_addr a = mr_addr_from4(v4);

	return mr_entry_key(&a, 128);
}

/* Larger maps while a program filters: nothing is forgotten, and what fails changes nothing. */
static void test_grow(void **s)
{
	_free_ char *pins = kernel_pins("grow");
	struct mr_kernel *k = kernel_at(pins, 4), *next = k, *reader;
	struct mr_entry v = { .expires = UINT64_MAX };
	struct mr_entry_key gone[2] = { key4(1), key4(2) }, fifth = key4(99);
	struct mr_error e = { "" };
	struct mr_attachment a;

	(void)s;
	kernel_sh("ip link add k0 type veth peer name k1 && ip link set k0 up");
	kernel_fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	a = kernel_attach(k, "k0", false);
	for (uint32_t i = 1; i <= 4; i++)
		kernel_put(k, MR_PERMIT, i, UINT64_C(3600000000000));
	kernel_put(k, MR_BAN, 5, UINT64_C(3600000000000));
	assert_int_equal(mr_entries_put(k, MR_PERMIT, &fifth, &v), -E2BIG);
	assert_int_equal(mr_resize_prepare(k, 4, 3, &next, &e), 0);
	assert_null(next); /* large enough */

	/* the pin cannot be replaced: the old map and the old program stay */
	kernel_sh("rm %s/abi%u/permits && mkdir %s/abi%u/permits", pins, MR_ABI, pins, MR_ABI);
	grow(k, 8);
	assert_true(mr_resize_commit(k, &e) < 0);
	assert_non_null(strstr(e.text, "permits"));
	assert_int_equal(kernel_running("k0"), a.prog_id);
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 4);
	assert_int_equal(mr_entries_put(k, MR_PERMIT, &fifth, &v), -E2BIG);
	kernel_sh("rmdir %s/abi%u/permits", pins, MR_ABI);

	/* what comes and goes while the larger map is filled is in it, or is not */
	grow(k, 8);
	assert_int_equal(mr_entries_delete(k, MR_PERMIT, &gone[0]), 0);
	assert_int_equal(mr_entries_delete_many(k, MR_PERMIT, &gone[1], 1), 0);
	kernel_put(k, MR_PERMIT, 100, UINT64_C(3600000000000));
	kernel_put(k, MR_BAN, 6, UINT64_C(3600000000000));
	assert_int_equal(kernel_running("k0"), a.prog_id);
	assert_int_equal(mr_resize_commit(k, &e), 0);
	assert_int_not_equal(kernel_running("k0"), a.prog_id);
	assert_true(runs_with("k0", pins, "permits") && runs_with("k0", pins, "bans"));
	assert_true(runs_with("k0", pins, "state") && runs_with("k0", pins, "rule_counters"));
	assert_int_equal(mr_entries_max(k, MR_PERMIT), 8);
	assert_int_equal(kernel_count_entries(k, MR_PERMIT), 3);
	assert_int_equal(kernel_count_entries(k, MR_BAN), 2);
	assert_int_equal(mr_entries_delete(k, MR_PERMIT, &gone[0]), -ENOENT);
	for (uint32_t i = 0; i < 5; i++)
		kernel_put(k, MR_PERMIT, 200 + i, UINT64_C(3600000000000));
	assert_int_equal(mr_entries_put(k, MR_PERMIT, &fifth, &v), -E2BIG);
	reader = kernel_reader_at(pins);
	assert_int_equal(kernel_count_entries(reader, MR_PERMIT), 8);
	mr_kernel_free(reader);
	/* generations go on, over the maps that both programs share */
	assert_int_equal(kernel_verdict(k, OFFICE), XDP_DROP);
	kernel_fill(k, 2, ROAMER "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	assert_int_equal(kernel_verdict(k, ROAMER), XDP_DROP);
	assert_int_equal(mr_detach(k, "k0"), 0);
	mr_kernel_free(k);
	kernel_sh("ip link del k0");
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
		cmocka_unit_test_teardown(test_grow, kernel_no_devices),
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
