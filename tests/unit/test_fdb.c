/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The forwarding database (lib/fdb): entries, bursts, domains and flood groups, and readers on
 * other lcores while entries come and go (test_fdb_churn.c has those).
 */

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "airlock_fdb.h"
#include "test.h"

#define DOMAIN 0

static struct rte_rcu_qsbr *qsv;
static struct airlock_fdb *fdb;
static void *memory;

static int
setup(void)
{
	qsv = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE), RTE_CACHE_LINE_SIZE);
	TEST_ASSERT_NOT_NULL(qsv, "memory");
	TEST_ASSERT_SUCCESS(rte_rcu_qsbr_init(qsv, RTE_MAX_LCORE), "RCU variable");
	fdb = airlock_fdb_create("fdb_test", qsv, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(fdb, "create: %s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_fdb_destroy(fdb);
	fdb = NULL;
	rte_free(qsv);
	qsv = NULL;
}

static struct rte_ether_addr
nth_mac(unsigned int n)
{
	return (struct rte_ether_addr){{0x52, 0x54, 0, 0, n >> 8, n & 0xff}};
}

static int
add(unsigned int n, uint16_t domain, uint16_t vm_id)
{
	struct rte_ether_addr mac = nth_mac(n);

	return airlock_fdb_add(fdb, &mac, domain, vm_id);
}

static int
del(unsigned int n, uint16_t domain)
{
	struct rte_ether_addr mac = nth_mac(n);

	return airlock_fdb_del(fdb, &mac, domain);
}

static int
find(unsigned int n, uint16_t domain)
{
	struct rte_ether_addr mac = nth_mac(n);

	return airlock_fdb_find(fdb, &mac, domain);
}

static uint16_t
lookup_key(uint64_t key)
{
	uint16_t vm_id = 12345;

	airlock_fdb_lookup_burst(fdb, &key, 1, &vm_id);
	return vm_id;
}

static uint64_t
nth_key(unsigned int n, uint16_t domain)
{
	struct rte_ether_addr mac = nth_mac(n);

	return airlock_fdb_key_mac(&mac, domain);
}

static uint16_t
lookup(unsigned int n, uint16_t domain)
{
	return lookup_key(nth_key(n, domain));
}

static int
test_create_refuses_bad_arguments(void)
{
	TEST_ASSERT_NULL(airlock_fdb_create(NULL, qsv, SOCKET_ID_ANY), "no name");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "no name");
	TEST_ASSERT_NULL(airlock_fdb_create("", qsv, SOCKET_ID_ANY), "empty name");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "empty name");
	TEST_ASSERT_NULL(airlock_fdb_create("abcdefghijklmnopqrstuvwxyz", qsv, SOCKET_ID_ANY),
		"26 characters");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "26 characters");
	TEST_ASSERT_NULL(airlock_fdb_create("x", NULL, SOCKET_ID_ANY), "no RCU variable");
	TEST_ASSERT_EQUAL(rte_errno, EINVAL, "no RCU variable");
	TEST_ASSERT_NULL(airlock_fdb_create("fdb_test", qsv, SOCKET_ID_ANY), "name in use");
	TEST_ASSERT_EQUAL(rte_errno, EEXIST, "name in use");
	airlock_fdb_destroy(NULL);
	return TEST_SUCCESS;
}

static int
test_two_databases_with_longest_names_stand_side_by_side(void)
{
	struct airlock_fdb *a, *b;

	a = airlock_fdb_create("abcdefghijklmnopqrstuvwxA", qsv, SOCKET_ID_ANY);
	b = airlock_fdb_create("abcdefghijklmnopqrstuvwxB", qsv, SOCKET_ID_ANY);
	airlock_fdb_destroy(a);
	airlock_fdb_destroy(b);
	TEST_ASSERT(a != NULL && b != NULL, "25 characters");
	return TEST_SUCCESS;
}

static int
test_entry_is_found_until_deleted(void)
{
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), AIRLOCK_FDB_MISS, "empty");
	TEST_ASSERT_EQUAL(find(1, DOMAIN), -ENOENT, "empty");
	TEST_ASSERT_SUCCESS(add(1, DOMAIN, 4095), "add");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 1, "one entry");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), 4095, "added");
	TEST_ASSERT_EQUAL(find(1, DOMAIN), 4095, "added");
	TEST_ASSERT_EQUAL(lookup(2, DOMAIN), AIRLOCK_FDB_MISS, "another MAC");
	TEST_ASSERT_SUCCESS(del(1, DOMAIN), "del");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 0, "no entry");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), AIRLOCK_FDB_MISS, "deleted");
	TEST_ASSERT_EQUAL(find(1, DOMAIN), -ENOENT, "deleted");
	TEST_ASSERT_EQUAL(del(1, DOMAIN), -ENOENT, "deleted twice");
	TEST_ASSERT_SUCCESS(add(1, DOMAIN, 7), "add again");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), 7, "its new VM");
	return TEST_SUCCESS;
}

static int
test_bad_entries_are_refused_and_change_nothing(void)
{
	static const struct rte_ether_addr bad[] = {
		{{0, 0, 0, 0, 0, 0}},
		{{0x01, 0, 0x5e, 0, 0, 1}},
		{{0x33, 0x33, 0, 0, 0, 1}},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	};

	for (unsigned int i = 0; i < RTE_DIM(bad); i++) {
		TEST_ASSERT_EQUAL(airlock_fdb_add(fdb, &bad[i], DOMAIN, 1), -EINVAL, "MAC %u", i);
		TEST_ASSERT_EQUAL(lookup_key(airlock_fdb_key_mac(&bad[i], DOMAIN)),
			AIRLOCK_FDB_MISS, "MAC %u", i);
	}
	TEST_ASSERT_EQUAL(add(1, DOMAIN, AIRLOCK_FDB_MAX_VMS), -EINVAL, "VM out of range");
	TEST_ASSERT_EQUAL(add(1, DOMAIN, AIRLOCK_FDB_MISS), -EINVAL, "VM out of range");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 0, "no entry");
	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN), "no group");

	TEST_ASSERT_SUCCESS(add(1, DOMAIN, 1), "add");
	TEST_ASSERT_EQUAL(add(1, DOMAIN, 2), -EEXIST, "MAC twice");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), 1, "the first one stays");
	TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, DOMAIN)->nb_vms, 1, "the group stays");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 1, "one entry");
	return TEST_SUCCESS;
}

static int
test_domains_are_separate(void)
{
	static const uint16_t uplinks[] = {0, 1, AIRLOCK_FDB_MAX_UPLINKS - 1};
	static const uint16_t vlans[] = {0, 1, 4094};
	uint16_t domain, vm_id = 0;

	for (unsigned int i = 0; i < RTE_DIM(uplinks); i++) {
		for (unsigned int j = 0; j < RTE_DIM(vlans); j++) {
			domain = airlock_fdb_domain(uplinks[i], vlans[j]);
			TEST_ASSERT_EQUAL(lookup(1, domain), AIRLOCK_FDB_MISS, "before");
			TEST_ASSERT_SUCCESS(add(1, domain, vm_id++), "same MAC, new domain");
		}
	}
	TEST_ASSERT_EQUAL(lookup(1, airlock_fdb_domain(1, 2)), AIRLOCK_FDB_MISS, "nobody there");
	vm_id = 0;
	for (unsigned int i = 0; i < RTE_DIM(uplinks); i++) {
		for (unsigned int j = 0; j < RTE_DIM(vlans); j++) {
			domain = airlock_fdb_domain(uplinks[i], vlans[j]);
			TEST_ASSERT_EQUAL(lookup(1, domain), vm_id++, "its own VM");
			TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, domain)->nb_vms, 1, "alone");
		}
	}
	TEST_ASSERT_SUCCESS(del(1, airlock_fdb_domain(1, 1)), "del");
	TEST_ASSERT_EQUAL(lookup(1, airlock_fdb_domain(1, 1)), AIRLOCK_FDB_MISS, "deleted");
	TEST_ASSERT_EQUAL(lookup(1, airlock_fdb_domain(0, 1)), 1, "others stay");
	TEST_ASSERT_EQUAL(lookup(1, airlock_fdb_domain(1, 0)), 3, "others stay");
	return TEST_SUCCESS;
}

static int
test_key_takes_six_bytes_of_a_header(void)
{
	static const struct rte_ether_hdr header = {
		.dst_addr = {{0x52, 0x54, 0, 0, 0, 1}},
		.src_addr = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	};

	TEST_ASSERT_EQUAL(airlock_fdb_key(&header, 0x1064), nth_key(1, 0x1064), "header or MAC");
	TEST_ASSERT_NOT_EQUAL(nth_key(1, 0x1064), nth_key(1, 0x1065), "domain counts");
	return TEST_SUCCESS;
}

static int
test_table_takes_4096_and_no_more(void)
{
	uint64_t keys[AIRLOCK_FDB_MAX_BURST];
	uint16_t vm_ids[AIRLOCK_FDB_MAX_BURST];

	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++)
		TEST_ASSERT_SUCCESS(add(i, DOMAIN, (uint16_t)i), "entry %u", i);
	TEST_ASSERT_EQUAL(add(AIRLOCK_FDB_MAX_VMS, DOMAIN, 0), -ENOSPC, "one too many");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), AIRLOCK_FDB_MAX_VMS, "all there");
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i += AIRLOCK_FDB_MAX_BURST) {
		for (unsigned int j = 0; j < AIRLOCK_FDB_MAX_BURST; j++)
			keys[j] = nth_key(i + j, DOMAIN);
		airlock_fdb_lookup_burst(fdb, keys, AIRLOCK_FDB_MAX_BURST, vm_ids);
		for (unsigned int j = 0; j < AIRLOCK_FDB_MAX_BURST; j++)
			TEST_ASSERT_EQUAL(vm_ids[j], i + j, "in a burst");
	}
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i += 2)
		TEST_ASSERT_SUCCESS(del(i, DOMAIN), "entry %u", i);
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++)
		TEST_ASSERT_EQUAL(lookup(i, DOMAIN), i % 2 == 0 ? AIRLOCK_FDB_MISS : i, "half");
	TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, DOMAIN)->nb_vms, AIRLOCK_FDB_MAX_VMS / 2, "half");
	/* Other MACs in the freed places, so that slots change hands. */
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i += 2)
		TEST_ASSERT_SUCCESS(add(i + 10000, DOMAIN, (uint16_t)i), "entry %u", i);
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		TEST_ASSERT_EQUAL(lookup(i % 2 == 0 ? i + 10000 : i, DOMAIN), i, "new owner");
		TEST_ASSERT_EQUAL(
			lookup(i % 2 == 0 ? i : i + 10000, DOMAIN), AIRLOCK_FDB_MISS, "old owner");
	}
	return TEST_SUCCESS;
}

static int
test_burst_of_any_length_and_mixture_is_answered(void)
{
	uint64_t keys[AIRLOCK_FDB_MAX_BURST];
	uint16_t vm_ids[AIRLOCK_FDB_MAX_BURST + 1], expected[AIRLOCK_FDB_MAX_BURST];
	const unsigned int nb_vms = 2000;

	for (unsigned int i = 0; i < nb_vms; i++)
		TEST_ASSERT_SUCCESS(add(i, DOMAIN, (uint16_t)i), "entry %u", i);
	for (unsigned int n = 1; n <= AIRLOCK_FDB_MAX_BURST; n++) {
		for (unsigned int i = 0; i < n; i++) {
			const unsigned int entry = (i / 3 * 977 + n * 131) % nb_vms;
			const bool known = (i + n) % 5 != 0;

			keys[i] = known ? nth_key(entry, DOMAIN) : nth_key(entry / 4, DOMAIN + 1);
			expected[i] = known ? entry : AIRLOCK_FDB_MISS;
		}
		if (n > 2) {
			keys[n - 1] = 0;
			keys[n - 2] = UINT64_MAX;
			expected[n - 1] = expected[n - 2] = AIRLOCK_FDB_MISS;
		}
		vm_ids[n] = 0xa5a5;
		airlock_fdb_lookup_burst(fdb, keys, (uint16_t)n, vm_ids);
		for (unsigned int i = 0; i < n; i++)
			TEST_ASSERT_EQUAL(vm_ids[i], expected[i], "%u of %u", i, n);
		TEST_ASSERT_EQUAL(vm_ids[n], 0xa5a5, "behind the end");
	}
	return TEST_SUCCESS;
}

static int
test_flood_group_follows_the_entries(void)
{
	static const uint16_t members[] = {30, 10, 20};
	const struct airlock_fdb_group *group;

	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN), "nobody");
	for (unsigned int i = 0; i < RTE_DIM(members); i++)
		TEST_ASSERT_SUCCESS(add(i, DOMAIN, members[i]), "add");
	group = airlock_fdb_flood(fdb, DOMAIN);
	TEST_ASSERT_NOT_NULL(group, "three");
	TEST_ASSERT_EQUAL(group->nb_vms, 3, "three");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(group->vm_ids, members, sizeof(members), "in this order");
	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN + 1), "another domain");

	TEST_ASSERT_SUCCESS(del(1, DOMAIN), "del");
	group = airlock_fdb_flood(fdb, DOMAIN);
	TEST_ASSERT_EQUAL(group->nb_vms, 2, "two");
	TEST_ASSERT_EQUAL(group->vm_ids[0], 30, "those left");
	TEST_ASSERT_EQUAL(group->vm_ids[1], 20, "those left");
	TEST_ASSERT_SUCCESS(del(0, DOMAIN), "del");
	TEST_ASSERT_SUCCESS(del(2, DOMAIN), "del");
	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN), "nobody again");
	return TEST_SUCCESS;
}

static int
move(unsigned int n, uint16_t domain, unsigned int new_n, uint16_t new_domain)
{
	struct rte_ether_addr mac = nth_mac(n), new_mac = nth_mac(new_n);

	return airlock_fdb_move(fdb, &mac, domain, &new_mac, new_domain);
}

static int
test_entry_moves_with_its_place_in_the_groups(void)
{
	const struct airlock_fdb_group *group;

	TEST_ASSERT_SUCCESS(add(1, DOMAIN, 30), "add");
	TEST_ASSERT_SUCCESS(add(2, DOMAIN, 10), "add");
	TEST_ASSERT_SUCCESS(add(3, DOMAIN + 1, 20), "add");

	TEST_ASSERT_SUCCESS(move(1, DOMAIN, 7, DOMAIN), "another MAC");
	TEST_ASSERT_EQUAL(lookup(7, DOMAIN), 30, "new MAC");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), AIRLOCK_FDB_MISS, "old MAC");
	TEST_ASSERT_EQUAL(find(1, DOMAIN), -ENOENT, "old MAC");
	TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, DOMAIN)->nb_vms, 2, "same group");

	TEST_ASSERT_SUCCESS(move(7, DOMAIN, 7, DOMAIN + 1), "another domain");
	TEST_ASSERT_EQUAL(lookup(7, DOMAIN + 1), 30, "new domain");
	TEST_ASSERT_EQUAL(lookup(7, DOMAIN), AIRLOCK_FDB_MISS, "old domain");
	group = airlock_fdb_flood(fdb, DOMAIN);
	TEST_ASSERT_EQUAL(group->nb_vms, 1, "one left");
	TEST_ASSERT_EQUAL(group->vm_ids[0], 10, "the other");
	group = airlock_fdb_flood(fdb, DOMAIN + 1);
	TEST_ASSERT_EQUAL(group->nb_vms, 2, "one more");
	TEST_ASSERT_EQUAL(group->vm_ids[1], 30, "the one that moved");

	TEST_ASSERT_SUCCESS(move(2, DOMAIN, 2, DOMAIN + 2), "the last one, into an empty domain");
	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN), "nobody left");
	TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, DOMAIN + 2)->nb_vms, 1, "alone");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 3, "no more and no less");
	return TEST_SUCCESS;
}

static int
test_bad_moves_are_refused_and_change_nothing(void)
{
	static const struct rte_ether_addr group_mac = {{0x01, 0, 0x5e, 0, 0, 1}};
	struct rte_ether_addr mac = nth_mac(1);

	TEST_ASSERT_SUCCESS(add(1, DOMAIN, 1), "add");
	TEST_ASSERT_SUCCESS(add(2, DOMAIN, 2), "add");
	TEST_ASSERT_EQUAL(move(3, DOMAIN, 4, DOMAIN), -ENOENT, "not there");
	TEST_ASSERT_EQUAL(move(1, DOMAIN, 2, DOMAIN), -EEXIST, "another's MAC");
	TEST_ASSERT_EQUAL(
		airlock_fdb_move(fdb, &mac, DOMAIN, &group_mac, DOMAIN), -EINVAL, "a group's MAC");
	TEST_ASSERT_SUCCESS(move(1, DOMAIN, 1, DOMAIN), "nowhere");
	TEST_ASSERT_EQUAL(lookup(1, DOMAIN), 1, "as before");
	TEST_ASSERT_EQUAL(lookup(2, DOMAIN), 2, "as before");
	TEST_ASSERT_EQUAL(airlock_fdb_flood(fdb, DOMAIN)->nb_vms, 2, "as before");
	TEST_ASSERT_EQUAL(airlock_fdb_count(fdb), 2, "as before");
	return TEST_SUCCESS;
}

/* All of the EAL's memory, in pieces that lead from one to the next. */
static void
take_all_memory(void)
{
	for (size_t bytes = 64 << 20; bytes > 0; bytes /= 2) {
		void **piece;

		while ((piece = rte_malloc(NULL, RTE_MAX(bytes, sizeof(*piece)), 0)) != NULL) {
			*piece = memory;
			memory = piece;
		}
	}
}

static void
give_all_memory(void)
{
	while (memory != NULL) {
		void *next = *(void **)memory;

		rte_free(memory);
		memory = next;
	}
}

static int
test_deletion_needs_no_memory(void)
{
	const struct airlock_fdb_group *group;
	int ret;

	for (unsigned int i = 1; i <= 3; i++)
		TEST_ASSERT_SUCCESS(add(i, DOMAIN, i), "add %u", i);
	take_all_memory();
	ret = del(2, DOMAIN);
	give_all_memory();
	TEST_ASSERT_SUCCESS(ret, "del");
	TEST_ASSERT_EQUAL(lookup(2, DOMAIN), AIRLOCK_FDB_MISS, "deleted");
	group = airlock_fdb_flood(fdb, DOMAIN);
	TEST_ASSERT_NOT_NULL(group, "the others are flooded");
	TEST_ASSERT(
		group->nb_vms == 2 && group->vm_ids[0] == 1 && group->vm_ids[1] == 3, "without it");
	TEST_ASSERT_SUCCESS(del(1, DOMAIN), "del");
	TEST_ASSERT_SUCCESS(del(3, DOMAIN), "del");
	TEST_ASSERT_NULL(airlock_fdb_flood(fdb, DOMAIN), "nobody left");
	return TEST_SUCCESS;
}

#define FDB_CASE(fn) TEST_CASE_ST(setup, teardown, fn)

static const struct unit_test_suite fdb_suite = {
	.suite_name = "fdb",
	.unit_test_cases =
		{
			FDB_CASE(test_create_refuses_bad_arguments),
			FDB_CASE(test_two_databases_with_longest_names_stand_side_by_side),
			FDB_CASE(test_entry_is_found_until_deleted),
			FDB_CASE(test_bad_entries_are_refused_and_change_nothing),
			FDB_CASE(test_domains_are_separate),
			FDB_CASE(test_key_takes_six_bytes_of_a_header),
			FDB_CASE(test_table_takes_4096_and_no_more),
			FDB_CASE(test_burst_of_any_length_and_mixture_is_answered),
			FDB_CASE(test_flood_group_follows_the_entries),
			FDB_CASE(test_entry_moves_with_its_place_in_the_groups),
			FDB_CASE(test_bad_moves_are_refused_and_change_nothing),
			FDB_CASE(test_deletion_needs_no_memory),
			TEST_CASES_END(),
		},
};

static int
test_fdb(void)
{
	return unit_test_suite_runner(&fdb_suite);
}

REGISTER_FAST_TEST(fdb_autotest, true, true, test_fdb)
