// SPDX-License-Identifier: BSD-2-Clause
/*
 * kernel.c - the kernel side against the running kernel: pins, generations, devices, take-over.
 *
 * Needs root.  Works in a network and a mount namespace of its own, with a bpffs on a temporary
 * directory, so nothing is left behind however it ends.  Every verdict is the program's own.
 */
#include "_hand.h"
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

static char dir[] = "/tmp/mr-test-kernel-XXXXXX"; /* the one thing set once, in main() */

static void fill(struct mr_kernel *k, uint64_t number, const char *denied, enum mr_index_mode index)
{
	struct mr_error e = { "" };

	if (hand_fill(k, number, denied, index, &e) < 0)
		fail_msg("%s", e.text);
}

static int verdict(struct mr_kernel *k, const char *src)
{
	struct shape s = { .src = src,
			   .dst = OUR_MX,
			   .v6 = strchr(src, ':') != NULL,
			   .sport = 40000,
			   .dport = 25,
			   .flags = TCP_SYN };
	uint8_t frame[SHAPE_BYTES];
	struct mr_decision d;
	size_t n;

	if (s.v6)
		s.dst = "2001:db8:ffff::25";
	n = shape_build(&s, frame);
	assert_int_equal(mr_test_run(k, false, frame, n, &d, NULL, NULL), 0);
	return d.verdict;
}

/* --- helpers -----------------------------------------------------------------------------------
 */

static void sh(const char *fmt, ...) _printf_(1, 2);
static void sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0) /* NOLINT(cert-env33-c): fixed commands of a test */
		fail_msg("failed: %s", cmd);
}

static struct mr_kernel *kernel_at(const char *pins, uint32_t permits)
{
	struct mr_kernel_options o = { .pin_dir = pins, .permits_max = permits };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };

	if (mr_kernel_open(&o, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

static struct mr_kernel *reader_at(const char *pins)
{
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };

	if (mr_kernel_open_pins(pins, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

static char *pins_named(const char *name)
{
	char *p = NULL;

	if (asprintf(&p, "%s/%s", dir, name) < 0)
		abort();
	return p;
}

static struct mr_device device(const char *name)
{
	_cleanup_(mr_host_freep) struct mr_host *h = NULL;
	struct mr_error e;

	assert_int_equal(mr_host_read(&h, &e), 0);
	for (size_t i = 0; i < h->n_devices; i++)
		if (strcmp(h->devices[i].name, name) == 0)
			return h->devices[i];
	fail_msg("no device %s", name);
	return (struct mr_device){ 0 };
}

static struct mr_attachment attach(struct mr_kernel *k, const char *name, bool want_reject)
{
	struct mr_device d = device(name);
	struct mr_attachment a;
	struct mr_error e = { "" };

	if (mr_attach(k, &d, want_reject, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

static uint32_t running(const char *name)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id(device(name).ifindex, 0, &id), 0);
	return id;
}

static bool exists(const char *pins, const char *rest)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pins, rest);
	return access(path, F_OK) == 0;
}

static void put(struct mr_kernel *k, enum mr_entry_kind kind, uint32_t v4, uint64_t lives)
{
	struct mr_addr a = mr_addr_from4(v4);
	struct mr_entry_key key;
	struct mr_entry v = { .granted = 1, .services = UINT64_MAX, .plen = 128 };

	v.expires = mr_boottime_ns() + lives;
	memcpy(&key, &a, sizeof(key));
	assert_int_equal(mr_entries_put(k, kind, &key, &v), 0);
}

static size_t count_entries(struct mr_kernel *k, enum mr_entry_kind kind)
{
	struct mr_entries_cursor c = { 0 };
	struct mr_entry_key keys[MR_ENTRIES_CHUNK];
	struct mr_entry values[MR_ENTRIES_CHUNK];
	size_t n, sum = 0;

	do {
		assert_int_equal(mr_entries_read(k, kind, &c, keys, values, MR_ENTRIES_CHUNK, &n),
				 0);
		sum += n;
	} while (n);
	return sum;
}

static uint64_t rule_hits(struct mr_kernel *k)
{
	static struct mr_count c[MR_COUNTERS_MAX];

	assert_int_equal(mr_counters_rules(k, c), 0);
	return c[HAND_COUNTER].packets;
}

/* A test that failed may have left its devices. */
static int no_devices(void **s)
{
	(void)s;
	/* NOLINTNEXTLINE(cert-env33-c): fixed commands of a test */
	return system("for d in k0 k.0 k1 kt; do ip link del $d 2>/dev/null; done; true");
}

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

		fill(k, g, OFFICE "/32", m);
		assert_true(mr_generation_spare(k, &number) && number == g);
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(verdict(k, OFFICE), XDP_DROP);
		assert_int_equal(verdict(k, ROAMER), XDP_PASS);
		assert_int_equal(verdict(k, "2001:db8::1"), XDP_DROP);
		fill(k, g + 1, "198.51.100.0/24", m);
		assert_int_equal(verdict(k, OFFICE), XDP_DROP); /* filled, not active */
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(verdict(k, OFFICE), XDP_PASS);
		assert_int_equal(verdict(k, ROAMER), XDP_DROP);
		assert_true(mr_generation_spare(k, &number) && number == g); /* undo */
		assert_int_equal(mr_generation_flip(k), 0);
		assert_int_equal(verdict(k, OFFICE), XDP_DROP);
	}
	assert_int_equal(mr_generation_memory(k, bytes), 0);
	assert_true(bytes[0] > 0 && bytes[1] > 0);
	assert_true(rule_hits(k) >= 6);
	assert_int_equal(mr_counters_reset_rule(k, HAND_COUNTER), 0);
	assert_int_equal(rule_hits(k), 0);
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
	fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
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
	assert_int_equal(verdict(k, OFFICE), XDP_DROP);
	/* and what had been entered before the failure is gone */
	h->smtp.n_to = MR_TO_MAX;
	assert_int_equal(mr_generation_fill(k, &h->spec, &e), 0);
	h->smtp.n_to = 0;
}

/* --- take-over ---------------------------------------------------------------------------------
 */

static void test_restart(void **s)
{
	_free_ char *pins = pins_named("restart");
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;
	uint64_t number, hits;
	struct stat st;

	(void)s;
	sh("ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	assert_int_equal(stat(pins, &st), 0);
	fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	fill(k, 2, ROAMER "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	a = attach(k, "k0", false);
	assert_int_equal(a.mode, MR_ATTACH_NATIVE);
	assert_true(a.reject_is_deny && !a.l3);
	assert_int_equal(a.frags, mr_kernel_has_frags(k));
	assert_true(exists(pins, "links/k0"));
	put(k, MR_PERMIT, 0xc6336401, UINT64_C(3600000000000));
	put(k, MR_BAN, 0xc6336402, UINT64_C(3600000000000));
	assert_int_equal(verdict(k, ROAMER), XDP_DROP);
	hits = rule_hits(k);
	mr_kernel_free(k);

	/* the daemon is dead: the program stands, and the pins can be read */
	assert_int_equal(running("k0"), a.prog_id);
	k = reader_at(pins);
	assert_int_equal(mr_kernel_state(k)->gen[mr_kernel_state(k)->active].number, 2);
	assert_int_equal(count_entries(k, MR_PERMIT), 1);
	mr_kernel_free(k);

	k = kernel_at(pins, 0);
	assert_int_equal(running("k0"), a.prog_id); /* loading alone changes nothing */
	assert_int_equal(verdict(k, ROAMER), XDP_DROP);
	assert_int_equal(rule_hits(k), hits + 1);
	assert_int_equal(count_entries(k, MR_PERMIT), 1);
	assert_int_equal(count_entries(k, MR_BAN), 1);
	assert_true(mr_generation_spare(k, &number) && number == 1);
	b = attach(k, "k0", true); /* native stands: kept, and told */
	assert_int_equal(b.link_id, a.link_id);
	assert_int_not_equal(b.prog_id, a.prog_id);
	assert_int_equal(running("k0"), b.prog_id);
	assert_true(b.mode == MR_ATTACH_NATIVE && b.reject_is_deny);

	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_detach(k, "k0"), -ENOENT);
	assert_int_equal(running("k0"), 0);
	b = attach(k, "k0", true);
	assert_true(b.mode == MR_ATTACH_GENERIC && !b.reject_is_deny);
	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_kernel_unpin(k, NULL), 0);
	mr_kernel_free(k);
	assert_false(exists(pins, "abi1"));
	assert_false(exists(pins, "links/k0"));
	assert_int_equal(mr_kernel_open_pins(pins, &k, NULL), -ENOENT);
	sh("ip link del k0");
}

static void test_resize(void **s)
{
	_free_ char *pins = pins_named("resize");
	struct mr_kernel *k = kernel_at(pins, 100);
	struct mr_kernel_options o = { .pin_dir = pins, .permits_max = 10 };
	struct mr_error e = { "" };

	(void)s;
	for (uint32_t i = 0; i < 100; i++)
		put(k, MR_PERMIT, 0xc6336400 + i, UINT64_C(3600000000000));
	mr_kernel_free(k);
	assert_int_equal(mr_kernel_open(&o, &k, &e), -E2BIG);
	assert_non_null(strstr(e.text, "permits"));
	k = kernel_at(pins, 200);
	assert_int_equal(count_entries(k, MR_PERMIT), 100);
	for (uint32_t i = 100; i < 200; i++)
		put(k, MR_PERMIT, 0xc6336400 + i, 1); /* run out at once */
	mr_kernel_free(k);
	k = kernel_at(pins, 0); /* as pinned */
	assert_int_equal(count_entries(k, MR_PERMIT), 200);
	mr_kernel_free(k);
	k = kernel_at(pins, 120); /* what has run out is not carried over */
	assert_int_equal(count_entries(k, MR_PERMIT), 100);
	mr_kernel_free(k);
}

static void test_other_abi(void **s)
{
	_free_ char *pins = pins_named("abi");
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;

	(void)s;
	sh("ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	put(k, MR_PERMIT, 0xc6336401, UINT64_C(3600000000000));
	put(k, MR_BAN, 0xc6336402, UINT64_C(3600000000000));
	assert_int_equal(verdict(k, OFFICE), XDP_DROP);
	a = attach(k, "k0", false);
	mr_kernel_free(k);
	sh("mv %s/abi1 %s/abi999", pins, pins);
	/* links can be seen and taken away whatever the maps are */
	k = reader_at(pins);
	assert_null(mr_kernel_state(k));
	mr_kernel_free(k);

	k = kernel_at(pins, 0);
	assert_int_equal(running("k0"), a.prog_id); /* filters with the old maps meanwhile */
	assert_int_equal(count_entries(k, MR_PERMIT), 1);
	assert_int_equal(count_entries(k, MR_BAN), 1);
	assert_int_equal(rule_hits(k), 1);
	fill(k, 2, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	assert_true(exists(pins, "abi999/state"));
	b = attach(k, "k0", false);
	assert_int_equal(b.link_id, a.link_id);
	assert_int_equal(running("k0"), b.prog_id);
	assert_false(exists(pins, "abi999"));
	assert_int_equal(mr_detach(k, "k0"), 0);
	mr_kernel_free(k);
	sh("ip link del k0");
}

static void test_damaged_pins(void **s)
{
	_free_ char *pins = pins_named("damaged");
	struct mr_kernel_options o = { .pin_dir = pins };
	struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_error e = { "" };

	(void)s;
	mr_kernel_free(k);
	k = NULL;
	/* another map under our name */
	sh("mv %s/abi1/bans %s/abi1/aside && mv %s/abi1/to %s/abi1/bans", pins, pins, pins, pins);
	assert_int_equal(mr_kernel_open(&o, &k, &e), -EPROTO);
	assert_non_null(strstr(e.text, "abi1/bans"));
	assert_null(k);
	sh("mv %s/abi1/bans %s/abi1/to && mv %s/abi1/aside %s/abi1/bans", pins, pins, pins, pins);
	/* a missing map of a generation: the others of it are not believed */
	k = kernel_at(pins, 0);
	fill(k, 5, OFFICE "/32", MR_INDEX_AUTO);
	assert_int_equal(mr_generation_flip(k), 0);
	mr_kernel_free(k);
	sh("rm %s/abi1/trie4", pins);
	k = kernel_at(pins, 0);
	assert_int_equal(mr_kernel_state(k)->gen[0].number, 0);
	assert_int_equal(mr_kernel_state(k)->gen[1].number, 0);
	assert_int_equal(verdict(k, OFFICE), XDP_PASS);
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
	assert_true(exists(plain, "abi1/state"));
	assert_int_equal(umount(plain), 0);
	assert_int_equal(rmdir(plain), 0);
}

/* --- devices -----------------------------------------------------------------------------------
 */

static void test_devices(void **s)
{
	_free_ char *pins = pins_named("devices");
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(pins, 0);
	struct mr_attachment a, b;
	struct mr_attachment *list = NULL;
	struct mr_device d;
	struct mr_error e = { "" };
	size_t n;

	(void)s;
	sh("ip link add k0 type veth peer name k1 && ip link set k0 up && ip link set k1 up");
	a = attach(k, "k0", false);
	/* renamed */
	sh("ip link set k0 down && ip link set k0 name k.0 && ip link set k.0 up");
	b = attach(k, "k.0", false);
	assert_int_equal(a.link_id, b.link_id);
	assert_false(exists(pins, "links/k0"));
	assert_true(exists(pins, "links/k%2e0"));
	/* made anew under the same name, then gone */
	sh("ip link del k.0 && ip link add k.0 type veth peer name k1 && ip link set k.0 up");
	b = attach(k, "k.0", false);
	assert_int_not_equal(a.link_id, b.link_id);
	assert_int_equal(running("k.0"), b.prog_id);
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].name, "k.0");
	assert_int_equal(list[0].mode, MR_ATTACH_NATIVE);
	assert_int_equal(list[0].frags, b.frags);
	free(list);
	sh("ip link del k.0");
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_true(n == 1 && list[0].ifindex == 0 && list[0].mode == MR_ATTACH_NONE);
	free(list);
	assert_int_equal(mr_detach(k, "k.0"), 0);

	/* two devices swap their names */
	sh("ip link add k0 type veth peer name k1");
	a = attach(k, "k0", false);
	b = attach(k, "k1", false);
	sh("ip link set k0 name kx && ip link set k1 name k0 && ip link set kx name k1");
	assert_int_equal(attach(k, "k0", false).link_id, b.link_id);
	assert_int_equal(attach(k, "k1", false).link_id, a.link_id);
	assert_int_equal(mr_attach_list(k, &list, &n), 0);
	assert_int_equal(n, 2);
	free(list);
	assert_int_equal(mr_detach(k, "k0"), 0);
	assert_int_equal(mr_detach(k, "k1"), 0);

	/* jumbo frames: the multi-buffer program, or generic mode */
	sh("ip link set k0 mtu 9000 && ip link set k1 mtu 9000");
	a = attach(k, "k0", false);
	assert_true(a.frags || a.mode == MR_ATTACH_GENERIC);
	assert_int_equal(mr_detach(k, "k0"), 0);
	/* a driver that has no XDP of its own: generic */
	sh("ip link add name k.br type bridge");
	a = attach(k, "k.br", false);
	assert_true(a.mode == MR_ATTACH_GENERIC && !a.l3);
	assert_int_equal(mr_detach(k, "k.br"), 0);
	sh("ip link del k.br && ip link del k0");

	/* without an Ethernet header, and without a kernel device at all */
	sh("ip tuntap add mode tun name kt");
	assert_true(attach(k, "kt", false).l3);
	assert_int_equal(mr_detach(k, "kt"), 0);
	sh("ip tuntap del mode tun name kt");
	d = device("lo");
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
	_free_ char *pins = pins_named("busy");
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = kernel_at(pins, 0);
	_cleanup_(mr_kernel_freep) struct mr_kernel *private = kernel_at(NULL, 0);
	_close_ int fd = other_program();
	struct mr_attachment a;
	struct mr_device d;
	struct mr_error e = { "" };

	(void)s;
	sh("ip link add k0 type veth peer name k1");
	d = device("k0");
	assert_int_equal(bpf_xdp_attach(d.ifindex, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EBUSY);
	assert_non_null(strstr(e.text, "someone_else"));
	assert_non_null(strstr(e.text, "xdp off"));
	assert_int_equal(bpf_xdp_detach(d.ifindex, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_int_equal(mr_attach(private, &d, false, &a, &e), 0);
	assert_int_equal(mr_attach(k, &d, false, &a, &e), -EBUSY);
	assert_non_null(strstr(e.text, "another mailreeved"));
	assert_false(exists(pins, "links/k0"));
	sh("ip link del k0");
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
	fill(k, 1, OFFICE "/32", MR_INDEX_AUTO);
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
		cmocka_unit_test_teardown(test_flip, no_devices),
		cmocka_unit_test_teardown(test_fill_fails, no_devices),
		cmocka_unit_test_teardown(test_restart, no_devices),
		cmocka_unit_test_teardown(test_resize, no_devices),
		cmocka_unit_test_teardown(test_other_abi, no_devices),
		cmocka_unit_test_teardown(test_damaged_pins, no_devices),
		cmocka_unit_test_teardown(test_no_bpffs, no_devices),
		cmocka_unit_test_teardown(test_devices, no_devices),
		cmocka_unit_test_teardown(test_busy, no_devices),
		cmocka_unit_test_teardown(test_runs, no_devices),
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
	if (!mkdtemp(dir) || mount("bpf", dir, "bpf", 0, "mode=0700") < 0) {
		perror(dir);
		return 1;
	}
	r = run();
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return r;
}
