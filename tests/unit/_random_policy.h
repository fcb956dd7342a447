/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * _random_policy.h - random policies built straight in memory, and the addresses worth asking.
 */
#ifndef TESTS_RANDOM_POLICY_H
#define TESTS_RANDOM_POLICY_H

#include <mailreeve/host.h>
#include <mailreeve/policy.h>

struct random_policy {
	struct mr_policy policy;
	struct mr_host host;
	struct mr_named_set *sets;
	struct mr_service *services;
	struct mr_prefix *prefixes; /* every prefix put into any set or host fact */
	size_t n_prefixes, allocated;
	uint64_t state; /* of the generator */
};

struct random_policy *random_policy_new(uint64_t seed);
void random_policy_free(struct random_policy *rp);

/* The first and the last address of every prefix, the one before and the one behind, and random
 * ones: every region that the prefixes cut the space into has at least one.  malloc'ed. */
struct mr_addr *random_policy_probes(struct random_policy *rp, size_t *n);

uint64_t random_next(struct random_policy *rp);
uint32_t random_below(struct random_policy *rp, uint32_t n);

/* A prefix of the crowded little world that the policies live in. */
struct mr_prefix random_prefix(struct random_policy *rp);

/* Seed and rounds from the environment (MR_SEED, MR_ROUNDS) or the command line; prints both. */
void random_start(int argc, char **argv, uint64_t *seed, unsigned long *rounds);

#endif
