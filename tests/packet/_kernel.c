// SPDX-License-Identifier: BSD-2-Clause
/*
 * _kernel.c - the words that kernel.c is written in.
 *
 * Whatever goes wrong here fails the test that called.
 */
#include "_kernel.h"

#include "_hand.h"
#include "_shape.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <bpf/libbpf.h>

#define OUR_MX "203.0.113.25"

char kernel_dir[] = "/tmp/mr-test-kernel-XXXXXX";

void kernel_fill(struct mr_kernel *k, uint64_t number, const char *denied, enum mr_index_mode index)
{
	struct mr_error e = { "" };

	if (hand_fill(k, number, denied, index, &e) < 0)
		fail_msg("%s", e.text);
}

int kernel_verdict(struct mr_kernel *k, const char *src)
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

void kernel_sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0) /* NOLINT(cert-env33-c): fixed commands of a test */
		fail_msg("failed: %s", cmd);
}

struct mr_kernel *kernel_at(const char *pins, uint32_t permits)
{
	struct mr_kernel_options o = { .pin_dir = pins, .permits_max = permits };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };

	if (mr_kernel_open(&o, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

struct mr_kernel *kernel_reader_at(const char *pins)
{
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };

	if (mr_kernel_open_pins(pins, &k, &e) < 0)
		fail_msg("%s", e.text);
	return k;
}

char *kernel_pins(const char *name)
{
	char *p = NULL;

	if (asprintf(&p, "%s/%s", kernel_dir, name) < 0)
		abort();
	return p;
}

struct mr_device kernel_device(const char *name)
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

struct mr_attachment kernel_attach(struct mr_kernel *k, const char *name, bool want_reject)
{
	struct mr_device d = kernel_device(name);
	struct mr_attachment a;
	struct mr_error e = { "" };

	if (mr_attach(k, &d, want_reject, &a, &e) < 0)
		fail_msg("%s", e.text);
	return a;
}

uint32_t kernel_running(const char *name)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id(kernel_device(name).ifindex, 0, &id), 0);
	return id;
}

bool kernel_pin_exists(const char *pins, const char *rest)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", pins, rest);
	return access(path, F_OK) == 0;
}

void kernel_put(struct mr_kernel *k, enum mr_entry_kind kind, uint32_t v4, uint64_t lives)
{
	struct mr_addr a = mr_addr_from4(v4);
	struct mr_entry_key key;
	struct mr_entry v = { .granted = 1, .services = UINT64_MAX, .plen = 128 };

	v.expires = mr_boottime_ns() + lives;
	memcpy(&key, &a, sizeof(key));
	assert_int_equal(mr_entries_put(k, kind, &key, &v), 0);
}

size_t kernel_count_entries(struct mr_kernel *k, enum mr_entry_kind kind)
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

uint64_t kernel_rule_hits(struct mr_kernel *k)
{
	static struct mr_count c[MR_COUNTERS_MAX];

	assert_int_equal(mr_counters_rules(k, c), 0);
	return c[HAND_COUNTER].packets;
}

int kernel_no_devices(void **s)
{
	(void)s;
	/* NOLINTNEXTLINE(cert-env33-c): fixed commands of a test */
	return system("for d in k0 k.0 k1 kt; do ip link del $d 2>/dev/null; done; true");
}
