// SPDX-License-Identifier: BSD-2-Clause
/*
 * count.c - what the program leaves behind: counters to the last byte, sampled events, and nothing
 * at all for packets that concern no service.  Also generations: a flip between two packets, and
 * slots with something missing.
 */
#include "_shape.h"
#include "_world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mailreeve.skel.h"

#define ALLOWED	 "198.51.100.1"
#define DENIED	 "203.0.113.1"
#define REJECTED "203.0.113.200"
#define UNKNOWN	 "192.0.2.1"
#define ASKS	 "192.0.2.200"
#define HOUR	 3600000000000ULL

static struct world w;
static const uint8_t ids[] = WORLD_IDS;

static size_t frame_of(const char *from, uint16_t port, uint8_t flags, uint8_t *frame)
{
	struct shape s = { .src = from,
			   .dst = "192.0.2.26",
			   .sport = 40000,
			   .dport = port,
			   .flags = flags,
			   .payload = flags & TCP_SYN ? 0 : 100 };

	return shape_build(&s, frame);
}

static int one_packet(const char *from, uint16_t port, uint8_t flags)
{
	uint8_t frame[SHAPE_BYTES];
	size_t n = frame_of(from, port, flags, frame);

	return world_run(&w, false, false, frame, n, NULL, NULL);
}

struct tally {
	struct mr_count services[WORLD_COLUMNS][MR_COUNTED_N];
	struct mr_count reasons[MR_WHY_N];
	struct mr_count rules[3];
};

static void take_tally(struct tally *t)
{
	static const unsigned int rules[] = { WORLD_RULE_ALLOW, WORLD_RULE_DENY,
					      WORLD_RULE_REJECT };

	for (unsigned int i = 0; i < WORLD_COLUMNS; i++)
		for (unsigned int k = 0; k < MR_COUNTED_N; k++)
			t->services[i][k] = world_service(&w, i, k);
	for (unsigned int i = 0; i < MR_WHY_N; i++)
		t->reasons[i] = world_reason(&w, i);
	for (unsigned int i = 0; i < 3; i++)
		t->rules[i] = world_rule(&w, rules[i]);
}

/* Two packets, and exactly the counters of `changed` have grown by them. */
static void counted(const char *from, uint16_t port, uint8_t flags, struct mr_count *const *changed,
		    struct tally *t)
{
	uint8_t frame[SHAPE_BYTES];
	size_t n = frame_of(from, port, flags, frame);
	struct tally now;

	take_tally(t);
	for (; *changed; changed++) {
		(*changed)->packets += 2;
		(*changed)->bytes += 2 * n;
	}
	assert_true(world_run(&w, false, false, frame, n, NULL, NULL) > 0);
	assert_true(world_run(&w, false, true, frame, n, NULL, NULL) > 0);
	take_tally(&now);
	assert_memory_equal(&now, t, sizeof(now));
}

#define COUNTED(from, port, flags, ...) \
	counted(from, port, flags, (struct mr_count *const[]){ __VA_ARGS__, NULL }, &t)

static void test_counters(void **st)
{
	struct mr_entry ban = { .expires = mr_boottime_ns() + HOUR, .services = UINT64_MAX };
	static struct tally t;
	struct mr_count(*s)[MR_COUNTED_N] = t.services, *rule = t.rules, *why = t.reasons;

	(void)st;
	COUNTED(ALLOWED, 25, TCP_SYN, &s[WORLD_PLAIN][MR_COUNTED_ALLOW], &rule[0]);
	COUNTED(ALLOWED, 110, TCP_ACK, &s[WORLD_SHADOW][MR_COUNTED_ALLOW], &rule[0]);
	COUNTED(DENIED, 25, TCP_SYN, &s[WORLD_PLAIN][MR_COUNTED_DENY], &rule[1]);
	COUNTED(DENIED, 110, TCP_SYN, &s[WORLD_SHADOW][MR_COUNTED_SHADOW], &rule[1]);
	COUNTED(REJECTED, 143, TCP_ACK, &s[WORLD_ANY][MR_COUNTED_REJECT],
		&s[WORLD_ANY][MR_COUNTED_UNANSWERED], &rule[2]);
	COUNTED(UNKNOWN, 25, TCP_SYN, &s[WORLD_PLAIN][MR_COUNTED_UNMATCHED]);
	COUNTED(UNKNOWN, 143, TCP_ACK, &s[WORLD_ANY][MR_COUNTED_ESTABLISHED]);
	COUNTED(DENIED, 443, TCP_SYN, &why[MR_WHY_OTHER_DESTINATION]);
	assert_int_equal(world_entry(&w, MR_BAN, ASKS, &ban), 0);
	COUNTED(ASKS, 25, TCP_SYN, &s[WORLD_PLAIN][MR_COUNTED_BANNED]);
	COUNTED(ASKS, 110, TCP_SYN, &s[WORLD_SHADOW][MR_COUNTED_SHADOW]);
	assert_int_equal(world_entry(&w, MR_BAN, ASKS, NULL), 0);
	w.state->reject_limit = 1000;
	COUNTED(REJECTED, 25, TCP_SYN, &s[WORLD_PLAIN][MR_COUNTED_REJECT], &rule[2]);
	w.state->reject_limit = 0;
}

static void test_nothing_for_others(void **st)
{
	static struct tally before, after;

	(void)st;
	take_tally(&before);
	assert_int_equal(one_packet(DENIED, 22, TCP_SYN), XDP_PASS);
	assert_int_equal(one_packet(DENIED, 40000, TCP_ACK), XDP_PASS);
	take_tally(&after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* A jumbo frame in several buffers: the headers are in the first, all bytes count, no reset. */
static void test_jumbo(void **st)
{
	struct shape s = { .src = REJECTED,
			   .dst = "192.0.2.26",
			   .dport = WORLD_PORT_PLAIN,
			   .flags = TCP_SYN,
			   .payload = 8900 };
	static uint8_t frame[SHAPE_BYTES];
	size_t n = shape_build(&s, frame);
	struct mr_count before = world_service(&w, WORLD_PLAIN, MR_COUNTED_UNANSWERED), after;

	(void)st;
	if (!w.frags)
		skip();
	w.state->reject_limit = 1000;
	assert_int_equal(world_run(&w, false, true, frame, n, NULL, NULL), XDP_DROP);
	w.state->reject_limit = 0;
	after = world_service(&w, WORLD_PLAIN, MR_COUNTED_UNANSWERED);
	assert_int_equal(after.packets, before.packets + 1);
	assert_int_equal(after.bytes, before.bytes + n);
	s.src = ALLOWED;
	assert_int_equal(world_run(&w, false, true, frame, shape_build(&s, frame), NULL, NULL),
			 XDP_PASS);
	s.dport = 22;
	assert_int_equal(world_run(&w, false, true, frame, shape_build(&s, frame), NULL, NULL),
			 XDP_PASS);
}

/* Empties the spare slot's place in an outer map. */
static void drop_place(const struct bpf_map *outer)
{
	uint32_t slot = 1;

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(outer), &slot), 0);
}

static void test_generations(void **st)
{
	struct mr_gen *g = &w.state->gen[1];
	static struct tally before, after;

	(void)st;
	assert_int_equal(world_fill(&w, 1), 0);
	/* another generation: nobody is under a prefix, ports differ */
	g->flags = 0;
	g->root4 = WORLD_ALLOW;
	g->column[22] = WORLD_PLAIN + 1;
	g->column[25] = 0;
	assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_DROP);
	assert_int_equal(one_packet(DENIED, 110, TCP_ACK), XDP_PASS);
	assert_int_equal(one_packet(DENIED, 143, TCP_SYN), XDP_DROP);
	w.state->active = 1;
	assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_PASS);
	assert_int_equal(one_packet(DENIED, 143, TCP_SYN), XDP_PASS);
	g->root4 = WORLD_DENY;
	assert_int_equal(one_packet(ALLOWED, 22, TCP_SYN), XDP_DROP);
	w.state->active = 0;
	assert_int_equal(one_packet(ALLOWED, 22, TCP_SYN), XDP_PASS);
	assert_int_equal(one_packet(DENIED, 143, TCP_SYN), XDP_DROP);

	/* a slot whose maps are missing lets pass, and says so */
	assert_int_equal(world_fill(&w, 1), 0);
	w.state->active = 1;
	assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_DROP);
	take_tally(&before);
	drop_place(w.skel->maps.trie4);
	assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_PASS);
	g->flags &= ~(uint32_t)MR_GEN_TRIE4;
	g->root4 = WORLD_DENY;
	assert_int_equal(one_packet(ALLOWED, 25, TCP_SYN), XDP_DROP);
	drop_place(w.skel->maps.cells);
	assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_PASS);
	take_tally(&after);
	assert_int_equal(after.reasons[MR_WHY_NO_GENERATION].packets,
			 before.reasons[MR_WHY_NO_GENERATION].packets + 2);
	w.state->active = 0;
}

/* `to` belongs to a slot: what only the other one names does not count. */
static void test_to_by_slot(void **st)
{
	struct mr_to_key key = {
		.slot = 1, .service = ids[WORLD_TO], .addr[10] = 0xff, .addr[11] = 0xff
	};
	uint8_t one = 1;

	(void)st;
	inet_pton(AF_INET, "192.0.2.26", key.addr + 12);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(w.skel->maps.to), &key, &one, BPF_ANY), 0);
	assert_int_equal(world_fill(&w, 1), 0);
	assert_int_equal(one_packet(DENIED, 443, TCP_SYN), XDP_PASS);
	w.state->active = 1;
	assert_int_equal(one_packet(DENIED, 443, TCP_SYN), XDP_DROP);
	w.state->active = 0;
}

static struct mr_event_packet events[64];
static size_t n_events;

static int keep_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	assert_int_equal(size, sizeof(events[0]));
	if (n_events < MR_ARRAY_SIZE(events))
		memcpy(&events[n_events], data, size);
	n_events++;
	return 0;
}

static void test_events(void **st)
{
	struct ring_buffer *rb =
		ring_buffer__new(bpf_map__fd(w.skel->maps.events), keep_event, NULL, NULL);
	const struct mr_event_packet *e = events;
	struct mr_count lost = world_reason(&w, MR_WHY_EVENT_LOST);
	cpu_set_t one;

	(void)st;
	assert_non_null(rb);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	n_events = 0;
	one_packet(DENIED, 25, TCP_SYN);
	ring_buffer__consume(rb);
	assert_int_equal(n_events, 0);

	w.state->sample = 5;
	one_packet(DENIED, 25, TCP_SYN); /* seen */
	one_packet(ALLOWED, 25, TCP_ACK); /* a session that is allowed: not worth a token */
	one_packet(DENIED, 22, TCP_SYN); /* no service */
	one_packet(ALLOWED, 25, TCP_SYN);
	one_packet(UNKNOWN, 110, TCP_ACK);
	for (int i = 0; i < 100; i++)
		one_packet(DENIED, 25, TCP_SYN);
	ring_buffer__consume(rb);
	assert_in_range(n_events, 5, 10);
	assert_int_equal(e->generation, 1);
	assert_int_equal(e->source[10], 0xff);
	assert_int_equal(e->source[12], 203);
	assert_int_equal(e->destination[15], 26);
	assert_int_equal(e->sport, 40000);
	assert_int_equal(e->dport, 25);
	assert_int_equal(e->rule, WORLD_RULE_DENY);
	assert_int_equal(e->why, MR_WHY_DENY);
	assert_int_equal(e->verdict, XDP_DROP);
	assert_int_equal(e->service, ids[WORLD_PLAIN]);
	assert_int_equal(e->flags, MR_EVENT_SYN);
	assert_in_range(mr_boottime_ns() - e->time, 1, HOUR);
	assert_int_equal(e[1].why, MR_WHY_ALLOW);
	assert_int_equal(e[2].why, MR_WHY_SHADOW);
	assert_int_equal(e[2].flags, MR_EVENT_SHADOW);
	assert_int_equal(world_reason(&w, MR_WHY_EVENT_LOST).packets, lost.packets);

	/* nobody reads: the buffer fills, the rest is counted, verdicts do not change */
	w.state->sample = 1000000000;
	for (size_t i = 0; i < MR_EVENTS_BYTES / sizeof(events[0]) + 500; i++)
		assert_int_equal(one_packet(DENIED, 25, TCP_SYN), XDP_DROP);
	w.state->sample = 0;
	assert_true(world_reason(&w, MR_WHY_EVENT_LOST).packets > lost.packets);
	ring_buffer__free(rb);
}

static int setup(void **st)
{
	(void)st;
	if (world_open(&w, MR_REPLAY_OFF) < 0)
		return -1;
	w.state->bans_live = 1;
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	world_close(&w);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),    cmocka_unit_test(test_nothing_for_others),
		cmocka_unit_test(test_generations), cmocka_unit_test(test_to_by_slot),
		cmocka_unit_test(test_jumbo),	    cmocka_unit_test(test_events),
	};

	if (world_skip())
		return 77;
	return cmocka_run_group_tests_name("count", tests, setup, teardown);
}
