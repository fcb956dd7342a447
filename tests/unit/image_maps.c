// SPDX-License-Identifier: BSD-2-Clause
/*
 * image_maps.c - random policies through the real thing: compiled, loaded into the kernel's maps,
 * and asked by the XDP program, one SYN for each address and service, against the rules read one by
 * one.  With the index and without; every fourth address also with a permit, a ban, and both.
 *
 * image_maps [SEED [ROUNDS]]; needs root and BPF, else skipped.
 */
#include "_random_policy.h"

#include <inttypes.h>
#include <mailreeve/kernel.h>
#include <mailreeve/match.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t seed;
static unsigned long rounds = 30;

/* A bare SYN, no Ethernet header; checksums are not the program's business. */
static size_t syn(uint8_t *p, const struct mr_addr *from, uint16_t port)
{
	size_t ip = mr_addr_is4(from) ? 20 : 40;

	memset(p, 0, 60);
	if (ip == 20) {
		p[0] = 0x45;
		p[3] = 40; /* total length */
		p[8] = 64;
		p[9] = 6;
		memcpy(p + 12, from->b + 12, 4);
		p[16] = 192, p[18] = 2, p[19] = 25;
	} else {
		p[0] = 0x60;
		p[5] = 20; /* payload length */
		p[6] = 6;
		p[7] = 64;
		memcpy(p + 8, from->b, 16);
		p[24] = 0x20, p[25] = 0x01, p[39] = 0x25;
	}
	p[ip] = 0x80;
	p[ip + 2] = (uint8_t)(port >> 8);
	p[ip + 3] = (uint8_t)port;
	p[ip + 12] = 0x50;
	p[ip + 13] = 2;
	return ip + 20;
}

static void set_entry(struct mr_kernel *k, enum mr_entry_kind kind, const struct mr_addr *a,
		      bool there)
{
	struct mr_entry_key key;
	struct mr_entry e = { .expires = UINT64_MAX, .services = UINT64_MAX, .plen = 128 };

	memcpy(key.addr, a->b, sizeof(key.addr));
	e.plen = mr_addr_is4(a) ? 32 : 128;
	if (there)
		assert_int_equal(mr_entries_put(k, kind, &key, &e), 0);
	else
		assert_int_equal(mr_entries_delete(k, kind, &key), 0);
}

static void ask(struct mr_kernel *k, struct random_policy *rp, const struct mr_image *i,
		const struct mr_addr *a, unsigned int answer, uint64_t s)
{
	for (size_t c = 0; c < i->columns; c++) {
		struct mr_decision d;
		struct mr_match m;
		uint8_t packet[64];
		char text[MR_ADDR_TEXT];
		size_t n = syn(packet, a, i->service[c]->ports[0]);

		assert_int_equal(mr_test_run(k, true, packet, n, &d, NULL, NULL), 0);
		mr_match(&rp->policy, &rp->host, i->service[c], a, answer & 2, answer & 1, &m);
		/* an entry is looked for only where it changes the action, so the rule may be
		 * that of the answer "no" */
		if (d.service != c || d.action != MR_OUTCOME_ACTION(m.outcome) ||
		    (answer == 0 && d.rule != MR_OUTCOME_RULE(m.outcome)))
			fail_msg("seed %" PRIu64 ": %s at column %zu, answer %u: the program says "
				 "%#x (service %u, why %u), the rules %#x",
				 s, mr_addr_text(a, text), c, answer, MR_OUTCOME(d.rule, d.action),
				 d.service, d.why, m.outcome);
	}
}

static void ask_all(struct mr_kernel *k, struct random_policy *rp, const struct mr_image *i,
		    uint64_t s)
{
	struct mr_addr *probe;
	size_t n;

	probe = random_policy_probes(rp, &n);
	for (size_t p = 0; p < n; p++)
		for (unsigned int answer = 0; answer < (p % 4 ? 1 : 4); answer++) {
			if (answer & 1)
				set_entry(k, MR_BAN, &probe[p], true);
			if (answer & 2)
				set_entry(k, MR_PERMIT, &probe[p], true);
			ask(k, rp, i, &probe[p], answer, s);
			if (answer & 1)
				set_entry(k, MR_BAN, &probe[p], false);
			if (answer & 2)
				set_entry(k, MR_PERMIT, &probe[p], false);
		}
	free(probe);
}

/* The lowest addresses of a /16 with hosts: what a line of the index holds beside its addresses, a
 * number up to fifteen, must not be taken for one. */
#define LOW_HOSTS 20 /* hosts looked at; one by one, it would be the whole minute */
static void ask_low(struct mr_kernel *k, struct random_policy *rp, const struct mr_image *i,
		    uint64_t s)
{
	unsigned int left = LOW_HOSTS;

	for (size_t n = 0; n < i->n4 && left; n++)
		if (i->v4[n].plen == 32) {
			for (uint32_t low = 0; low <= MR_LINE_HOSTS + 1; low++) {
				struct mr_addr a =
					mr_addr_from4((i->v4[n].addr & 0xffff0000) | low);

				ask(k, rp, i, &a, 0, s);
			}
			left--;
		}
}

static void random_policies(void **state)
{
	struct mr_kernel_options o = { .replay = MR_REPLAY_NONE };
	struct mr_kernel *k = NULL;
	struct mr_error e = { "" };
	int r;

	(void)state;
	r = mr_kernel_open(&o, &k, &e);
	if (r < 0) {
		print_message("skipped, the program cannot be loaded here: %s\n", e.text);
		skip();
	}
	mr_kernel_state(k)->permits_live = mr_kernel_state(k)->bans_live = 1;
	for (unsigned long round = 0; round < rounds; round++) {
		struct random_policy *rp = random_policy_new(seed + round);
		struct mr_generation_spec spec = { .policy = &rp->policy, .number = round + 1 };
		struct mr_image *i = NULL;

		rp->policy.permit.ipv6_prefix = rp->policy.ban.ipv6_prefix = 128;
		rp->policy.index = round % 3 ? MR_INDEX_ON : MR_INDEX_OFF;
		for (uint8_t c = 0; c < MR_SERVICES_MAX; c++)
			spec.service_id[c] = c;
		assert_int_equal(mr_image_compile(&rp->policy, &rp->host, &i, &e), 0);
		spec.image = i;
		if (mr_generation_fill(k, &spec, &e) < 0)
			fail_msg("seed %" PRIu64 ": %s", seed + round, e.text);
		assert_int_equal(mr_generation_flip(k), 0);
		ask_all(k, rp, i, seed + round);
		ask_low(k, rp, i, seed + round);
		mr_image_free(i);
		random_policy_free(rp);
	}
	mr_kernel_free(k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_policies) };

	seed = mr_realtime_us();
	random_start(argc, argv, &seed, &rounds);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
