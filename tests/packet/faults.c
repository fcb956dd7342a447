// SPDX-License-Identifier: BSD-2-Clause
/*
 * faults.c - what the kernel refuses while a generation is filled, and what is waited for first.
 *
 * The linker puts this file between the library and libbpf (--wrap, see the Makefile): it lets
 * updates of tries fail for want of memory, as a kernel under pressure does, and notes in which
 * order the fence and the slot are touched.  The rest is the real kernel's: it refuses a map that
 * is too large by itself.  Needs root.
 */
#include "_hand.h"

#include "../../lib/kernel/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <linux/bpf.h>

#define PREFIXES 64
#define FOREVER	 1000000u
#define RETRIES	 9 /* without progress, then it is given up */

/* --- between the library and libbpf ----------------------------------------------------------- */

/* What the test asks for, and what it saw.  One thread. */
static struct {
	unsigned int refusals; /* so many updates of tries fail yet */
	uint32_t takes; /* elements a refused bulk update takes before it fails */
	bool no_bulk; /* as before Linux 5.13 */
	bool no_fence; /* the fence fails */
	unsigned int refused, single;
	int fence; /* descriptor */
	unsigned int fenced, emptied_unfenced;
} shim;

int __real_bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
				const struct bpf_map_batch_opts *opts);
int __wrap_bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
				const struct bpf_map_batch_opts *opts);
int __wrap_bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
				const struct bpf_map_batch_opts *opts)
{
	if (shim.no_bulk) {
		*count = 0;
		errno = 524;
		return -524;
	}
	if (!shim.refusals)
		return __real_bpf_map_update_batch(fd, keys, values, count, opts);
	shim.refusals--;
	shim.refused++;
	*count = shim.takes < *count ? shim.takes : *count;
	if (*count && __real_bpf_map_update_batch(fd, keys, values, count, opts) < 0)
		return -errno;
	errno = ENOMEM;
	return -ENOMEM;
}

static bool is_trie(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_MAP_TYPE_LPM_TRIE;
}

int __real_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	if (fd == shim.fence && shim.no_fence) {
		errno = ENOMEM;
		return -ENOMEM;
	}
	shim.fenced += fd == shim.fence;
	if (is_trie(fd)) {
		shim.single++;
		if (shim.refusals) {
			shim.refusals--;
			shim.refused++;
			errno = ENOMEM;
			return -ENOMEM;
		}
	}
	return __real_bpf_map_update_elem(fd, key, value, flags);
}

int __real_bpf_map_delete_elem(int fd, const void *key);
int __wrap_bpf_map_delete_elem(int fd, const void *key);
int __wrap_bpf_map_delete_elem(int fd, const void *key)
{
	shim.emptied_unfenced += shim.fenced == 0;
	return __real_bpf_map_delete_elem(fd, key);
}

/* --- the tests -------------------------------------------------------------------------------- */

struct world {
	struct mr_kernel *k;
	struct hand hand;
	struct mr_flat4 v4[PREFIXES];
	struct mr_error e;
};

/* Fills the spare slot of a fresh kernel whose active one has number 1. */
static int fill(struct world *w, uint64_t number)
{
	assert_int_equal(hand_make(&w->hand, number, "192.0.2.0/24", MR_INDEX_OFF), 0);
	for (uint32_t i = 0; i < PREFIXES; i++)
		w->v4[i] = (struct mr_flat4){ 0xc6120000 + (i << 8), 1, 24, 0 };
	w->hand.image.v4 = w->v4;
	w->hand.image.n4 = PREFIXES;
	w->e = (struct mr_error){ "" };
	shim.refused = shim.single = shim.fenced = shim.emptied_unfenced = 0;
	return mr_generation_fill(w->k, &w->hand.spec, &w->e);
}

static void start(struct world *w)
{
	struct mr_kernel_options o = { .pin_dir = NULL };

	memset(&shim, 0, sizeof(shim));
	shim.fence = -1;
	if (mr_kernel_open(&o, &w->k, &w->e) < 0)
		fail_msg("%s", w->e.text);
	shim.fence = w->k->fence;
	assert_int_equal(fill(w, 1), 0);
	assert_int_equal(mr_generation_flip(w->k), 0);
}

static void end(struct world *w)
{
	mr_kernel_free(w->k);
	shim.fence = -1;
}

/* How many of the prefixes the trie of the spare slot holds. */
static size_t held(const struct world *w)
{
	const struct mr_state *s = mr_kernel_state(w->k);
	int fd = w->k->inner[(s->active & 1) ^ 1][MR_INNER_TRIE4];
	struct mr_trie4_key key, *prev = NULL;
	size_t n = 0;

	for (; n < 2 * PREFIXES && bpf_map_get_next_key(fd, prev, &key) == 0; prev = &key)
		n++;
	return n;
}

/* It comes in pieces, with failures between: nothing is left out. */
static void test_passes(void **s)
{
	static struct world w;

	(void)s;
	start(&w);
	shim.refusals = 5;
	shim.takes = 7;
	if (fill(&w, 2) < 0)
		fail_msg("%s", w.e.text);
	assert_int_equal(shim.refused, 5);
	assert_int_equal(held(&w), PREFIXES);
	/* none at all, but not for ever */
	shim.refusals = RETRIES - 1;
	shim.takes = 0;
	assert_int_equal(fill(&w, 3), 0);
	assert_int_equal(held(&w), PREFIXES);
	/* a piece now and then: the count of failures starts anew with each */
	shim.refusals = PREFIXES / 2;
	shim.takes = 2;
	assert_int_equal(fill(&w, 4), 0);
	assert_int_equal(shim.refused, PREFIXES / 2);
	assert_int_equal(held(&w), PREFIXES);
	end(&w);
}

static void test_one_by_one(void **s)
{
	static struct world w;

	(void)s;
	start(&w);
	shim.no_bulk = true;
	shim.refusals = 3;
	assert_int_equal(fill(&w, 2), 0);
	assert_int_equal(shim.refused, 3);
	assert_int_equal(held(&w), PREFIXES);
	assert_true(shim.single >= PREFIXES + 3);
	end(&w);
}

/* It does not pass: given up, and the policy in force is as it was. */
static void test_given_up(void **s)
{
	static struct world w;
	uint64_t number;

	(void)s;
	start(&w);
	for (int bulk = 0; bulk < 2; bulk++) {
		shim.no_bulk = !bulk;
		shim.refusals = FOREVER;
		shim.takes = 0;
		assert_int_equal(fill(&w, 2), -ENOMEM);
		assert_int_equal(shim.refused, RETRIES);
		assert_non_null(strstr(w.e.text, "trie4"));
		assert_non_null(strstr(w.e.text, "after 0 of 64 prefixes"));
		assert_false(mr_generation_spare(w.k, &number));
		assert_int_equal(mr_generation_flip(w.k), -ENOENT);
		shim.refusals = 0;
		shim.no_bulk = false;
		assert_int_equal(fill(&w, 3), 0); /* and the next one goes */
		assert_int_equal(held(&w), PREFIXES);
	}
	end(&w);
}

/* Packets may still read the slot that the last flip made spare: first the grace period, then it is
 * emptied; where that cannot be waited for, it is left alone. */
static void test_fence(void **s)
{
	static struct world w;
	uint64_t number;

	(void)s;
	start(&w);
	for (uint64_t g = 2; g < 5; g++) {
		assert_int_equal(fill(&w, g), 0);
		assert_int_equal(shim.fenced, 1);
		assert_int_equal(shim.emptied_unfenced, 0);
		assert_int_equal(mr_generation_flip(w.k), 0);
	}
	shim.no_fence = true;
	assert_int_equal(fill(&w, 5), -ENOMEM);
	assert_int_equal(shim.emptied_unfenced, 0);
	assert_true(mr_generation_spare(w.k, &number) && number == 3); /* what undo goes back to */
	assert_int_equal(held(&w), PREFIXES);
	end(&w);
}

/* A larger map that no kernel gives: what it said is in what we say, and nothing is begun. */
static void test_no_room(void **s)
{
	static struct world w;
	struct mr_kernel *next;
	struct mr_error e = { "" };

	(void)s;
	start(&w);
	next = w.k;
	assert_true(mr_resize_prepare(w.k, UINT32_MAX, 0, &next, &e) < 0);
	assert_ptr_equal(next, w.k);
	assert_non_null(strstr(e.text, "no room could be made for more permits or bans (cannot "));
	assert_false(mr_resize_wants(w.k, MR_PERMIT));
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes),	 cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_given_up), cmocka_unit_test(test_fence),
		cmocka_unit_test(test_no_room),
	};

	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root: BPF");
		return 0;
	}
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
