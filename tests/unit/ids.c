// SPDX-License-Identifier: BSD-2-Clause
/*
 * ids.c - numbers of users: given once, found again, kept in the file.
 *
 * Needs nothing but a directory for a file.  Many enough that the hash grows several times, for its
 * names move while others are asked for.
 */
#include "../../daemon/ids.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

#define USERS 20000

static uint32_t number(struct mr_ids *ids, unsigned int i)
{
	uint32_t n = 0;
	char name[32];

	snprintf(name, sizeof(name), "user%u", i);
	assert_int_equal(mr_ids_user(ids, name, &n), 0);
	return n;
}

static void same_names(struct mr_ids *ids)
{
	for (unsigned int i = 0; i < USERS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user%u", i);
		assert_string_equal(mr_ids_user_name(ids, i + 1), name);
		assert_int_equal(number(ids, i), i + 1);
	}
}

static void test_users(void **state _unused_)
{
	char dir[] = "/tmp/mr-ids-XXXXXX", path[64];
	struct mr_ids_snapshot *s;
	struct mr_ids *ids = NULL, *again = NULL;
	struct mr_error e;

	assert_int_equal(mr_ids_new(&ids), 0);
	for (unsigned int i = 0; i < USERS; i++) {
		/* each new one, and then one of the old ones, wherever it stands by now */
		assert_int_equal(number(ids, i), i + 1);
		assert_int_equal(number(ids, i * 7u % (i + 1)), i * 7u % (i + 1) + 1);
	}
	same_names(ids);
	s = mr_ids_snapshot(ids);
	assert_non_null(s);
	number(ids, USERS); /* of this the snapshot knows nothing */

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ids.json", dir);
	assert_int_equal(mr_ids_snapshot_write(s, path), 0);
	assert_int_equal(mr_ids_snapshot_changes(s), USERS);
	mr_ids_snapshot_free(s);
	mr_ids_free(ids);
	assert_int_equal(mr_ids_load(path, &again, &e), 0);
	same_names(again);
	assert_null(mr_ids_user_name(again, USERS + 1));
	/* a number that an entry holds is nobody else's */
	mr_ids_reserve_users(again, USERS + 10);
	assert_null(mr_ids_user_name(again, USERS + 10));
	assert_int_equal(number(again, USERS), USERS + 11);
	mr_ids_free(again);
	unlink(path);
	rmdir(dir);
}

static void test_services(void **state _unused_)
{
	struct mr_ids *ids = NULL;
	uint8_t id = 0;
	char name[8];

	assert_int_equal(mr_ids_new(&ids), 0);
	for (unsigned int i = 0; i < MR_SERVICES_MAX; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		assert_int_equal(mr_ids_service(ids, name, 0, &id), 0);
		assert_int_equal(id, i);
	}
	assert_int_equal(mr_ids_service(ids, "more", UINT64_MAX, &id), -ENOSPC);
	assert_int_equal(mr_ids_service(ids, "more", ~(1ull << 9), &id), 0);
	assert_int_equal(id, 9);
	mr_ids_free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
