/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Readers of lib/fdb on other lcores while the main lcore adds, moves and deletes. A table of who
 * is alive, written before an addition and after a deletion, tells a reader whether what it got is
 * allowed: between two quiescent states it may get a VM that is just being deleted, but none whose
 * deletion had returned, and never another VM than the key's.
 */

#include <sched.h>
#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>

#include "airlock_fdb.h"
#include "test.h"

/*
 * Far more keys than VMs: slots change hands all the time. VM n has one of the keys n, n + NB_VMS,
 * n + 2 * NB_VMS...; the first NB_STABLE ones never go, those up to NB_LASTING get other keys, but
 * never are without one.
 */
#define NB_VMS	   64
#define NB_STABLE  4
#define NB_LASTING 8
#define NB_KEYS	   (NB_VMS * 64)
#define SECONDS	   2

static struct rte_rcu_qsbr *qsv;
static struct airlock_fdb *fdb;
static _Atomic bool alive[NB_KEYS]; /* writer: main; readers: workers */
static _Atomic bool stop; /* writer: main; readers: workers */
static _Atomic uint64_t nb_bursts;
static uint64_t keys[NB_KEYS];

static struct rte_ether_addr
nth_mac(unsigned int n)
{
	return (struct rte_ether_addr){{0x52, 0x54, 0, 0, n >> 8, n & 0xff}};
}

static int
check_burst(void)
{
	unsigned int asked[AIRLOCK_FDB_MAX_BURST];
	uint64_t burst[AIRLOCK_FDB_MAX_BURST];
	uint16_t vm_ids[AIRLOCK_FDB_MAX_BURST];

	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_BURST; i++) {
		asked[i] = i < NB_STABLE ? i : (unsigned int)rte_rand_max(NB_KEYS);
		burst[i] = keys[asked[i]];
	}
	airlock_fdb_lookup_burst(fdb, burst, AIRLOCK_FDB_MAX_BURST, vm_ids);
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_BURST; i++) {
		if (vm_ids[i] == AIRLOCK_FDB_MISS) {
			TEST_ASSERT(asked[i] >= NB_STABLE, "entry %u not found", asked[i]);
			continue;
		}
		TEST_ASSERT_EQUAL(vm_ids[i], asked[i] % NB_VMS, "entry %u: wrong VM", asked[i]);
		TEST_ASSERT(atomic_load_explicit(&alive[asked[i]], memory_order_acquire),
			"entry %u was gone", asked[i]);
	}
	return TEST_SUCCESS;
}

static int
check_group(void)
{
	const struct airlock_fdb_group *group = airlock_fdb_flood(fdb, 0);
	uint64_t members = 0;

	TEST_ASSERT_NOT_NULL(group, "the lasting ones are in it");
	TEST_ASSERT(group->nb_vms >= NB_LASTING && group->nb_vms <= NB_VMS, "%u members",
		group->nb_vms);
	for (unsigned int i = 0; i < group->nb_vms; i++) {
		TEST_ASSERT(group->vm_ids[i] < NB_VMS, "member %u", group->vm_ids[i]);
		TEST_ASSERT((members & RTE_BIT64(group->vm_ids[i])) == 0, "twice: member %u",
			group->vm_ids[i]);
		members |= RTE_BIT64(group->vm_ids[i]);
	}
	for (unsigned int i = 0; i < NB_LASTING; i++)
		TEST_ASSERT((members & RTE_BIT64(i)) != 0, "VM %u is not a member", i);
	return TEST_SUCCESS;
}

static int
read_until_stopped(void *arg)
{
	const unsigned int id = rte_lcore_id();
	int ret = TEST_SUCCESS;

	rte_rcu_qsbr_thread_register(qsv, id);
	rte_rcu_qsbr_thread_online(qsv, id);
	while (ret == TEST_SUCCESS && !atomic_load_explicit(&stop, memory_order_relaxed)) {
		ret = check_burst();
		if (ret == TEST_SUCCESS)
			ret = check_group();
		rte_rcu_qsbr_quiescent(qsv, id);
		if (atomic_fetch_add_explicit(&nb_bursts, 1, memory_order_relaxed) % 16 == 0)
			sched_yield();
	}
	rte_rcu_qsbr_thread_offline(qsv, id);
	rte_rcu_qsbr_thread_unregister(qsv, id);
	return ret;
}

static int
add_key(unsigned int n)
{
	struct rte_ether_addr mac = nth_mac(n);

	atomic_store_explicit(&alive[n], true, memory_order_release);
	TEST_ASSERT_SUCCESS(airlock_fdb_add(fdb, &mac, 0, n % NB_VMS), "add entry %u", n);
	return TEST_SUCCESS;
}

static int
del_key(unsigned int n)
{
	struct rte_ether_addr mac = nth_mac(n);

	TEST_ASSERT_SUCCESS(airlock_fdb_del(fdb, &mac, 0), "delete entry %u", n);
	atomic_store_explicit(&alive[n], false, memory_order_release);
	return TEST_SUCCESS;
}

static int
move_key(unsigned int from, unsigned int to)
{
	struct rte_ether_addr mac = nth_mac(from), new_mac = nth_mac(to);

	if (from == to)
		return TEST_SUCCESS;
	atomic_store_explicit(&alive[to], true, memory_order_release);
	TEST_ASSERT_SUCCESS(airlock_fdb_move(fdb, &mac, 0, &new_mac, 0), "move %u to %u", from, to);
	atomic_store_explicit(&alive[from], false, memory_order_release);
	return TEST_SUCCESS;
}

static int
replace_key(unsigned int from, unsigned int to)
{
	return del_key(from) == TEST_SUCCESS ? add_key(to) : TEST_FAILED;
}

/* Replace the keys of random VMs by other keys of theirs. */
static int
churn(uint32_t *nb_changes)
{
	const uint64_t end_tsc = rte_get_tsc_cycles() + SECONDS * rte_get_tsc_hz();
	unsigned int current[NB_VMS], vm, next;

	for (vm = NB_STABLE; vm < NB_VMS; vm++) {
		current[vm] = vm;
		if (vm >= NB_LASTING && add_key(vm) < 0)
			return TEST_FAILED;
	}
	while (rte_get_tsc_cycles() < end_tsc) {
		vm = NB_STABLE + (unsigned int)rte_rand_max(NB_VMS - NB_STABLE);
		next = vm + NB_VMS * (unsigned int)rte_rand_max(NB_KEYS / NB_VMS);
		if ((vm < NB_LASTING || rte_rand_max(2) == 0 ? move_key : replace_key)(
			    current[vm], next) < 0)
			return TEST_FAILED;
		current[vm] = next;
		(*nb_changes)++;
	}
	return TEST_SUCCESS;
}

/* A worker on the main lcore's CPU would only wait for the main lcore, and that for it. */
static bool
is_reader(unsigned int lcore_id)
{
	const rte_cpuset_t worker = rte_lcore_cpuset(lcore_id);
	const rte_cpuset_t main_lcore = rte_lcore_cpuset(rte_get_main_lcore());
	rte_cpuset_t common;

	CPU_AND(&common, &worker, &main_lcore);
	return CPU_COUNT(&common) == 0;
}

static int
test_readers_see_right_values_while_entries_come_and_go(void)
{
	unsigned int lcore_id, nb_readers = 0;
	uint32_t nb_changes = 0;
	int ret;

	for (unsigned int i = 0; i < NB_LASTING; i++) {
		if (add_key(i) < 0)
			return TEST_FAILED;
	}
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		if (is_reader(lcore_id))
			nb_readers +=
				rte_eal_remote_launch(read_until_stopped, NULL, lcore_id) == 0;
	}
	if (nb_readers == 0)
		return TEST_SKIPPED;
	while (atomic_load_explicit(&nb_bursts, memory_order_relaxed) == 0)
		sched_yield();
	ret = churn(&nb_changes);
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		if (is_reader(lcore_id) && rte_eal_wait_lcore(lcore_id) != 0)
			ret = TEST_FAILED;
	}
	printf("  %u readers, %" PRIu64 " bursts, %u changes\n", nb_readers,
		atomic_load_explicit(&nb_bursts, memory_order_relaxed), nb_changes);
	TEST_ASSERT(nb_changes >= 100, "only %u changes", nb_changes);
	return ret;
}

static int
setup(void)
{
	for (unsigned int i = 0; i < NB_KEYS; i++) {
		struct rte_ether_addr mac = nth_mac(i);

		keys[i] = airlock_fdb_key_mac(&mac, 0);
		atomic_store_explicit(&alive[i], false, memory_order_relaxed);
	}
	atomic_store_explicit(&stop, false, memory_order_relaxed);
	atomic_store_explicit(&nb_bursts, 0, memory_order_relaxed);
	qsv = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE), RTE_CACHE_LINE_SIZE);
	TEST_ASSERT_NOT_NULL(qsv, "memory");
	TEST_ASSERT_SUCCESS(rte_rcu_qsbr_init(qsv, RTE_MAX_LCORE), "RCU variable");
	fdb = airlock_fdb_create("fdb_churn", qsv, SOCKET_ID_ANY);
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

static const struct unit_test_suite churn_suite = {
	.suite_name = "fdb churn",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_readers_see_right_values_while_entries_come_and_go),
			TEST_CASES_END(),
		},
};

static int
test_fdb_churn(void)
{
	return unit_test_suite_runner(&churn_suite);
}

REGISTER_FAST_TEST(fdb_churn_autotest, true, true, test_fdb_churn)
