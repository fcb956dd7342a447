// SPDX-License-Identifier: BSD-2-Clause
/*
 * _hand.c - makes the policy of _hand.h without the parser and the compiler, so that a test of the
 * kernel side fails for the kernel side alone.
 */
#include "_hand.h"

int hand_make(struct hand *h, uint64_t number, const char *denied, enum mr_index_mode index)
{
	struct mr_prefix p;
	int r = mr_prefix_parse(denied, strlen(denied), &p);

	if (r < 0)
		return r;
	memset(h, 0, sizeof(*h));
	h->smtp = (struct mr_service){ .name = "smtp", .ports = { 25 }, .n_ports = 1 };
	h->policy = (struct mr_policy){ .services = &h->smtp, .n_services = 1, .index = index };
	h->policy.permit.ipv6_prefix = 128;
	h->policy.ban.ipv6_prefix = 64;
	h->cells[1] = 0x0001000100010001ULL * MR_OUTCOME(1, MR_DENY);
	h->v4 = (struct mr_flat4){ mr_addr_v4(&p.addr), 1, (uint8_t)(p.plen - 96), 0 };
	h->v6 = (struct mr_flat6){ 0x20010db800000000ULL, 0, 1, 32, { 0 } };
	h->image = (struct mr_image){ .columns = 1,
				      .service = { &h->smtp },
				      .cells = h->cells,
				      .classes = 2,
				      .v4 = &h->v4,
				      .v6 = &h->v6,
				      .n4 = 1,
				      .n6 = 1,
				      .reachable = h->reachable };
	h->counter[1] = HAND_COUNTER;
	h->spec = (struct mr_generation_spec){ .policy = &h->policy,
					       .image = &h->image,
					       .number = number,
					       .service_id = { HAND_SERVICE },
					       .rule_counter = h->counter };
	return 0;
}

int hand_fill(struct mr_kernel *k, uint64_t number, const char *denied, enum mr_index_mode index,
	      struct mr_error *e)
{
	_free_ struct hand *h = malloc(sizeof(*h));
	int r = h ? hand_make(h, number, denied, index) : -ENOMEM;

	return r < 0 ? r : mr_generation_fill(k, &h->spec, e);
}
