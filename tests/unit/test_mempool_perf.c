/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Cycles that the pool's mempool costs per frame, on one lcore: taken and given back.
 *
 * "whole" gives a burst back as it was taken, "4 VMs" in four interleaved parts, as a burst for
 * four VMs is freed; "ring" gives back the burst that was taken 512 frames earlier, as a card with
 * that many descriptors makes it.
 */

#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "airlock_pool.h"
#include "test.h"

#define NB_PAGES    8192
#define NB_ROUNDS   40000
#define NB_REPS	    25
#define MAX_BURST   64
#define RING_BURSTS 16
#define NB_VMS	    4

static char path[64];
static struct airlock_pool *pool;
static struct rte_mempool *mempool;

static int
setup(void)
{
	struct airlock_pool_conf conf = {
		.name = "test_mempool_perf",
		.path = path,
		.nb_pages = NB_PAGES,
		.frame_pages = 1,
		.socket_id = SOCKET_ID_ANY,
	};

	snprintf(path, sizeof(path), "/dev/shm/airlock-test-%d", getpid());
	unlink(path);
	pool = airlock_pool_create(&conf);
	TEST_ASSERT_NOT_NULL(pool, "%s: %s", path, rte_strerror(rte_errno));
	mempool = airlock_pool_mempool(pool, 0);
	return TEST_SUCCESS;
}

static void
teardown(void)
{
	airlock_pool_destroy(pool, false);
	pool = NULL;
}

static int
whole(void **objs, unsigned int n, unsigned int round)
{
	if (rte_mempool_get_bulk(mempool, objs, n) < 0)
		return -ENOBUFS;
	rte_mempool_put_bulk(mempool, objs, n);
	return 0;
}

static int
four_vms(void **objs, unsigned int n, unsigned int round)
{
	void *parts[NB_VMS][MAX_BURST / NB_VMS];

	if (rte_mempool_get_bulk(mempool, objs, n) < 0)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++)
		parts[i % NB_VMS][i / NB_VMS] = objs[i];
	for (unsigned int i = 0; i < NB_VMS; i++)
		rte_mempool_put_bulk(mempool, parts[i], n / NB_VMS);
	return 0;
}

static void *ring_objs[RING_BURSTS][MAX_BURST];

static int
ring(void **objs, unsigned int n, unsigned int round)
{
	void **slot = ring_objs[round % (RING_BURSTS * 32 / n)];

	if (slot[0] != NULL)
		rte_mempool_put_bulk(mempool, slot, n);
	return rte_mempool_get_bulk(mempool, slot, n);
}

static void
ring_drain(unsigned int n)
{
	for (unsigned int i = 0; i < RING_BURSTS; i++) {
		if (ring_objs[i][0] != NULL)
			rte_mempool_put_bulk(mempool, ring_objs[i], n);
		ring_objs[i][0] = NULL;
	}
}

/* The best of some repetitions: others share the CPU. */
static int
measure(const char *name, int (*run)(void **objs, unsigned int n, unsigned int round),
	unsigned int n)
{
	double best = 0, cycles;
	void *objs[MAX_BURST];
	uint64_t start;
	int ret = 0;

	for (unsigned int rep = 0; rep < NB_REPS; rep++) {
		start = rte_rdtsc();
		for (unsigned int round = 0; round < NB_ROUNDS; round++)
			ret |= run(objs, n, round);
		cycles = (double)(rte_rdtsc() - start) / NB_ROUNDS / n;
		if (rep == 0 || cycles < best)
			best = cycles;
		ring_drain(n);
	}
	TEST_ASSERT_SUCCESS(ret, "%s: a burst of %u", name, n);
	printf("mempool_perf: %-6s bursts of %2u: %6.1f cycles/frame\n", name, n, best);
	return TEST_SUCCESS;
}

static int
test_take_and_give(void)
{
	for (unsigned int n = 32; n <= MAX_BURST; n *= 2) {
		TEST_ASSERT_SUCCESS(measure("whole", whole, n), "whole");
		TEST_ASSERT_SUCCESS(measure("4 VMs", four_vms, n), "4 VMs");
		TEST_ASSERT_SUCCESS(measure("ring", ring, n), "ring");
	}
	return airlock_pool_verify(pool, NULL);
}

static const struct unit_test_suite mempool_perf_suite = {
	.suite_name = "mempool_perf",
	.setup = setup,
	.teardown = teardown,
	.unit_test_cases =
		{
			TEST_CASE(test_take_and_give),
			TEST_CASES_END(),
		},
};

static int
test_mempool_perf(void)
{
	return unit_test_suite_runner(&mempool_perf_suite);
}

REGISTER_PERF_TEST(mempool_perf_autotest, test_mempool_perf)
