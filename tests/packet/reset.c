// SPDX-License-Identifier: BSD-2-Clause
/*
 * reset.c - the TCP reset that answers a rejected SYN, every byte of it.
 *
 * The expected frame is put together here from the manual's words; checksums are also verified the
 * way a receiver would.  Then the limit: so many a second and CPU, and the rest dropped.
 */
#include "_shape.h"
#include "_world.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SERVER	"192.0.2.26"
#define CLIENT	"203.0.113.200"
#define SERVER6 "2001:db8::26"
#define CLIENT6 "2001:db8:3::1"

static struct world replay, live;

static void be16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void be32(uint8_t *p, uint32_t v)
{
	be16(p, v >> 16);
	be16(p + 2, v & 0xffff);
}

/* What a receiver sums: pseudo header and segment. */
static uint16_t tcp_sum(const uint8_t *ip, bool v6, const uint8_t *tcp)
{
	uint8_t pseudo[60] = { 0 };
	size_t n = v6 ? 32 : 8;

	memcpy(pseudo, ip + (v6 ? 8 : 12), n);
	be16(pseudo + n, 6);
	be16(pseudo + n + 2, 20);
	memcpy(pseudo + n + 4, tcp, 20);
	return shape_sum(0, pseudo, n + 24);
}

/* The answer to `frame`, `l3` bytes before its IP header. */
static size_t expect(const struct shape *s, const uint8_t *frame, size_t l3, uint8_t *out)
{
	uint8_t *ip = out + l3, *tcp = ip + (s->v6 ? 40 : 20);

	memset(out, 0, 128);
	memcpy(out, frame, l3); /* tags and type as they were */
	if (l3 > 0) {
		memcpy(out, frame + 6, 6);
		memcpy(out + 6, frame, 6);
	}
	if (s->v6) {
		be32(ip, 6u << 28);
		be16(ip + 4, 20);
		ip[6] = 6;
		ip[7] = 64;
		inet_pton(AF_INET6, s->dst, ip + 8);
		inet_pton(AF_INET6, s->src, ip + 24);
	} else {
		be16(ip, 0x4500);
		be16(ip + 2, 40);
		be16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = 6;
		inet_pton(AF_INET, s->dst, ip + 12);
		inet_pton(AF_INET, s->src, ip + 16);
		be16(ip + 10, shape_sum(0, ip, 20));
	}
	be16(tcp, s->dport);
	be16(tcp + 2, s->sport);
	be32(tcp + 8, s->seq + 1 + !!(s->flags & TCP_FIN) + (uint32_t)s->payload);
	tcp[12] = 5 << 4;
	tcp[13] = TCP_RST | TCP_ACK;
	be16(tcp + 16, tcp_sum(ip, s->v6, tcp));
	return (size_t)(tcp + 20 - out);
}

static void check(const struct shape *s, const char *what)
{
	uint8_t frame[SHAPE_BYTES], want[SHAPE_BYTES], got[SHAPE_BYTES];
	size_t n = shape_build(s, frame), l3 = s->l3 ? 0 : 14, len;
	size_t want_len;

	for (size_t i = 0; s->tags[i]; i++)
		l3 += 4;
	want_len = expect(s, frame, l3, want);
	for (int frags = 0; frags < 2; frags++) {
		const uint8_t *ip = got + l3;

		len = sizeof(got);
		print_message("%s, %s\n", what, frags ? "multi-buffer" : "single-buffer");
		assert_int_equal(world_run(&replay, s->l3, frags, frame, n, got, &len), XDP_TX);
		assert_int_equal(len, want_len);
		assert_memory_equal(got, want, want_len);
		if (!s->v6)
			assert_int_equal(shape_sum(0, ip, 20), 0);
		assert_int_equal(tcp_sum(ip, s->v6, ip + (s->v6 ? 40 : 20)), 0);
	}
}

#define FOUR(more) \
	.src = CLIENT, .dst = SERVER, .sport = 40000, .dport = 25, .flags = TCP_SYN | (more)
#define SIX \
	.v6 = true, .src = CLIENT6, .dst = SERVER6, .sport = 40000, .dport = 65535, .flags = TCP_SYN

static void test_every_byte(void **st)
{
	static const struct {
		const char *name;
		struct shape s;
	} cases[] = {
		{ "plain", { FOUR(0), .seq = 1000 } },
		{ "the sequence number wraps", { FOUR(0), .seq = 0xffffffff } },
		{ "payload counts", { FOUR(0), .seq = 0xfffffff0, .payload = 300 } },
		{ "one odd byte of payload", { FOUR(0), .payload = 1 } },
		{ "padding does not", { FOUR(0), .seq = 7, .padding = 6 } },
		{ "payload and padding", { FOUR(0), .seq = 7, .payload = 3, .padding = 100 } },
		{ "TCP options do not", { FOUR(0), .seq = 7, .doff = 10 } },
		{ "TCP options and payload", { FOUR(0), .seq = 7, .doff = 15, .payload = 9 } },
		{ "IP options are left out", { FOUR(0), .seq = 7, .ihl = 15, .payload = 4 } },
		{ "FIN counts", { FOUR(TCP_FIN), .seq = 7 } },
		{ "other flags do not", { FOUR(TCP_PSH | TCP_ECE | TCP_CWR) } },
		{ "one tag", { FOUR(0), .tags = { 0x8100 }, .seq = 9 } },
		{ "two tags", { FOUR(0), .tags = { 0x88a8, 0x8100 }, .ihl = 6, .payload = 11 } },
		{ "no Ethernet header", { FOUR(0), .l3 = true, .seq = 9, .payload = 5 } },
		{ "IPv6", { SIX, .seq = 0xfffffffe } },
		{ "IPv6, payload and padding", { SIX, .seq = 5, .payload = 77, .padding = 3 } },
		{ "IPv6, extension headers are left out", { SIX, .ext = "hdr", .payload = 8 } },
		{ "IPv6, AH", { SIX, .ext = "a", .units = 4, .doff = 6 } },
		{ "IPv6, an atomic fragment", { SIX, .ext = "f", .payload = 2 } },
		{ "IPv6, two tags", { SIX, .tags = { 0x88a8, 0x8100 }, .seq = 3 } },
		{ "IPv6, no Ethernet header", { SIX, .l3 = true, .seq = 3, .ext = "h" } },
	};

	(void)st;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++)
		check(&cases[i].s, cases[i].name);
}

/* No answer: the packet is dropped as it came. */
static void test_limit(void **st)
{
	static const struct shape syn = { FOUR(0), .seq = 1 };
	uint8_t frame[SHAPE_BYTES];
	size_t n = shape_build(&syn, frame);
	struct mr_count before = world_service(&live, WORLD_PLAIN, MR_COUNTED_UNANSWERED), after;
	unsigned int sent = 0, dropped = 0;
	cpu_set_t one;

	(void)st;
	/* buckets are per CPU, and none: no resets at all */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	live.state->reject_limit = 0;
	assert_int_equal(world_run(&live, false, false, frame, n, NULL, NULL), XDP_DROP);
	/* a bucket holds a second's worth */
	live.state->reject_limit = 5;
	for (int i = 0; i < 100; i++) {
		int verdict = world_run(&live, false, false, frame, n, NULL, NULL);

		sent += verdict == XDP_TX;
		dropped += verdict == XDP_DROP;
	}
	/* 100 runs take far below a second; should the machine sleep, a few more are right */
	assert_in_range(sent, 5, 15);
	assert_int_equal(sent + dropped, 100);
	after = world_service(&live, WORLD_PLAIN, MR_COUNTED_UNANSWERED);
	assert_int_equal(after.packets - before.packets, dropped + 1);
	assert_int_equal(after.bytes - before.bytes, (dropped + 1) * n);
	assert_int_equal(world_service(&live, WORLD_PLAIN, MR_COUNTED_REJECT).packets, 101);
}

static int setup(void **st)
{
	(void)st;
	if (world_open(&replay, MR_REPLAY_NONE) < 0)
		return -1;
	return world_open(&live, MR_REPLAY_OFF);
}

static int teardown(void **st)
{
	(void)st;
	world_close(&replay);
	world_close(&live);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_limit),
	};

	if (world_skip())
		return 77;
	return cmocka_run_group_tests_name("reset", tests, setup, teardown);
}
