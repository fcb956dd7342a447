// SPDX-License-Identifier: BSD-2-Clause
/*
 * nogap.c - generations change under load without one wrong packet.
 *
 * A second thread runs packets through the program without pause, from a source that every
 * generation denies; the counters tell of any packet that met a slot half filled or just emptied.
 * Needs root.  Five seconds.
 */
#include "_hand.h"
#include "_shape.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define GENERATIONS 30
#define RUN	    200000 /* packets to a system call */

struct load {
	int program;
	bool stop;
	int error;
};

static void *run_load(void *arg)
{
	struct load *l = arg;
	struct shape s = {
		.src = "192.0.2.10", .dst = "203.0.113.25", .dport = 25, .flags = TCP_SYN
	};
	uint8_t frame[SHAPE_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .repeat = RUN);

	opts.data_size_in = (uint32_t)shape_build(&s, frame);
	while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED) && l->error == 0)
		if (bpf_prog_test_run_opts(l->program, &opts) < 0 && errno != EINTR)
			l->error = -errno;
	return NULL;
}

static void fill(struct mr_kernel *k, uint64_t number)
{
	const char *const denied[] = { "192.0.2.0/24", "192.0.2.10/32", "192.0.0.0/16" };
	struct mr_error e = { "" };

	if (hand_fill(k, number, denied[number % 3], number % 2 ? MR_INDEX_ON : MR_INDEX_OFF, &e) <
	    0)
		fail_msg("%s", e.text);
	assert_int_equal(mr_generation_flip(k), 0);
}

static void test_no_gap(void **s)
{
	struct mr_kernel_options o = { .pin_dir = NULL };
	_cleanup_(mr_kernel_freep) struct mr_kernel *k = NULL;
	struct mr_count service[MR_SERVICES_MAX * MR_COUNTED_N], reason[MR_WHY_N];
	const struct mr_count *c = service + HAND_SERVICE * MR_COUNTED_N;
	struct load l = { 0 };
	struct mr_error e = { "" };
	pthread_t thread;

	(void)s;
	if (mr_kernel_open(&o, &k, &e) < 0)
		fail_msg("%s", e.text);
	fill(k, 1);
	l.program = mr_program_fd(k, false);
	assert_int_equal(pthread_create(&thread, NULL, run_load, &l), 0);
	for (uint64_t g = 2; g <= GENERATIONS; g++)
		fill(k, g);
	__atomic_store_n(&l.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(l.error, 0);
	assert_int_equal(mr_counters_services(k, service), 0);
	assert_int_equal(mr_counters_reasons(k, reason), 0);
	print_message("%llu packets over %d generations\n",
		      (unsigned long long)c[MR_COUNTED_DENY].packets, GENERATIONS);
	assert_true(c[MR_COUNTED_DENY].packets >= RUN);
	assert_int_equal(c[MR_COUNTED_ALLOW].packets, 0);
	assert_int_equal(reason[MR_WHY_NO_GENERATION].packets, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_gap) };

	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root: BPF");
		return 0;
	}
	return cmocka_run_group_tests_name("nogap", tests, NULL, NULL);
}
