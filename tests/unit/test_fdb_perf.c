/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a look-up in lib/fdb costs: cycles and nanoseconds per key, in bursts of 32, over the number
 * of entries and over the length of the trains that a flow's packets come in. Trains follow one
 * another in turn where there are few entries, and in random order else. The last lines are of keys
 * that no VM has.
 */

#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <rte_rcu_qsbr.h>

#include "airlock_fdb.h"
#include "test.h"

#define BURST	   32
#define NB_KEYS	   8192
#define NB_ROUNDS  200
#define NB_REPEATS 5

static struct rte_rcu_qsbr *qsv;
static struct airlock_fdb *fdb;
static uint64_t keys[NB_KEYS];

static uint64_t
entry_mac(unsigned int entry, struct rte_ether_addr *mac)
{
	*mac = (struct rte_ether_addr){{0x52, 0x54, 0, 0, entry >> 8, entry & 0xff}};
	return airlock_fdb_key_mac(mac, airlock_fdb_domain(0, 0));
}

static void
fill_keys(unsigned int nb_entries, unsigned int train, unsigned int first)
{
	struct rte_ether_addr mac;
	unsigned int entry = 0;

	for (unsigned int i = 0; i < NB_KEYS; i++) {
		if (i % train == 0)
			entry = nb_entries < 64 ? i / train % nb_entries : rte_rand_max(nb_entries);
		keys[i] = entry_mac(first + entry, &mac);
	}
}

/* The best of some repeats: what other programs take away is not the table's. */
static double
measure(uint16_t expected_max)
{
	uint16_t vm_ids[BURST];
	uint64_t best_tsc = UINT64_MAX, start_tsc;
	unsigned int nb_wrong = 0;

	for (unsigned int repeat = 0; repeat < NB_REPEATS; repeat++) {
		start_tsc = rte_rdtsc_precise();
		for (unsigned int round = 0; round < NB_ROUNDS; round++) {
			for (unsigned int i = 0; i < NB_KEYS; i += BURST) {
				airlock_fdb_lookup_burst(fdb, &keys[i], BURST, vm_ids);
				nb_wrong += vm_ids[BURST - 1] > expected_max;
			}
		}
		best_tsc = RTE_MIN(best_tsc, rte_rdtsc_precise() - start_tsc);
	}
	return nb_wrong > 0 ? -1 : (double)best_tsc / NB_ROUNDS / NB_KEYS;
}

static int
print_row(const char *what, unsigned int nb_entries, unsigned int train, unsigned int first,
	uint16_t expected_max)
{
	double cycles;

	fill_keys(nb_entries, train, first);
	cycles = measure(expected_max);
	TEST_ASSERT(cycles >= 0, "%u entries, trains of %u: wrong VM", nb_entries, train);
	printf("%-8s %8u %7u %8.1f %8.2f\n", what, nb_entries, train, cycles,
		cycles * 1e9 / (double)rte_get_tsc_hz());
	return TEST_SUCCESS;
}

static int
measure_all(void)
{
	static const unsigned int sizes[] = {1, 4, 64, 1000, AIRLOCK_FDB_MAX_VMS};
	static const unsigned int trains[] = {1, 8, 32};
	struct rte_ether_addr mac;
	unsigned int nb_added = 0;

	printf("%-8s %8s %7s %8s %8s\n", "keys", "entries", "train", "cycles", "ns");
	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		for (; nb_added < sizes[i]; nb_added++) {
			entry_mac(nb_added, &mac);
			TEST_ASSERT_SUCCESS(airlock_fdb_add(fdb, &mac, 0, (uint16_t)nb_added),
				"entry %u", nb_added);
		}
		for (unsigned int j = 0; j < RTE_DIM(trains); j++) {
			if (print_row("known", sizes[i], trains[j], 0, sizes[i] - 1) < 0)
				return TEST_FAILED;
		}
	}
	for (unsigned int j = 0; j < RTE_DIM(trains); j++) {
		if (print_row("unknown", 1000, trains[j], AIRLOCK_FDB_MAX_VMS, AIRLOCK_FDB_MISS) <
			0)
			return TEST_FAILED;
	}
	return TEST_SUCCESS;
}

static int
test_fdb_perf(void)
{
	int ret = TEST_FAILED;

	qsv = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
	if (qsv == NULL || rte_rcu_qsbr_init(qsv, 1) != 0)
		goto free_qsv;
	fdb = airlock_fdb_create("fdb_perf", qsv, SOCKET_ID_ANY);
	if (fdb != NULL)
		ret = measure_all();
	airlock_fdb_destroy(fdb);
free_qsv:
	rte_free(qsv);
	return ret;
}

REGISTER_PERF_TEST(fdb_perf_autotest, test_fdb_perf)
