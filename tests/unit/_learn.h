/* SPDX-License-Identifier: BSD-2-Clause */
/* _learn.h - a learner on a book without a kernel, with a clock of the test's own. */
#ifndef TESTS_UNIT_LEARN_H
#define TESTS_UNIT_LEARN_H

#include <mailreeve/config.h>
#include <mailreeve/learn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define S 1000000000ull /* a second on the book's clock */

struct fixture {
	struct mr_policy *policy;
	struct mr_host *host;
	struct mr_book *book;
	struct mr_learner *learner;
	uint64_t now;
	struct mr_learn_result result; /* of the last event */
};

/* A policy of `text` and "service smtp { allow permitted; }"; one fixture stands at a time. */
struct fixture *fixture(void **state, const char *text);
int fixture_free(void **state);
#define T(name) cmocka_unit_test_teardown(name, fixture_free)

struct mr_addr addr(const char *text);
uint64_t bit(const struct fixture *f, const char *service);
enum mr_learn_action event(struct fixture *f, enum mr_event_kind kind, enum mr_family family,
			   const char *a, const char *user, const char *session, uint32_t count,
			   int64_t at);
enum mr_learn_action login(struct fixture *f, const char *a, const char *user, const char *session,
			   int64_t at);
enum mr_learn_action logout(struct fixture *f, const char *a, const char *user, const char *session,
			    int64_t at);
enum mr_learn_action failure(struct fixture *f, const char *a, const char *user, int64_t at);
/* When the entry that covers the address ends; 0: none is live. */
uint64_t permit_ends(const struct fixture *f, const char *a);
uint64_t ban_ends(const struct fixture *f, const char *a);

#endif
