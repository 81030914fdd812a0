/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What the kernel takes at least for mapping and unmapping a page, with nothing of airlock around
 * it: in this process, by the length of the run, for a pool in huge folios and one in pages of
 * 4 KiB, with this thread alone and with another one running on another CPU, as vCPUs run beside an
 * agent. tests/perf/pv reads the lines that begin with "floor" and holds airlockd's figures against
 * them.
 */

#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "airlock_cost.h"
#include "test.h"

#define NB_PAGES   4096
#define NB_REPEATS 7

/* Written by the main lcore, read by the one that runs beside it. */
static _Atomic bool stop;

/* A tmpfs that gives huge folios and is mounted nowhere: nothing is left of it. -1: not allowed. */
static int
open_huge_tmpfs(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1;

	if (fs < 0)
		return -1;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "huge", "always", 0) == 0 &&
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return mount;
}

static struct airlock_pool *
pool_in(const char *directory, char *path, size_t path_bytes)
{
	struct airlock_pool_conf conf = {
		.name = "test_floor",
		.path = path,
		.nb_pages = NB_PAGES,
		.frame_pages = 1,
		.socket_id = SOCKET_ID_ANY,
	};

	snprintf(path, path_bytes, "%s/airlock-test-floor-%d", directory, getpid());
	return airlock_pool_create(&conf);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double ns[static NB_REPEATS])
{
	qsort(ns, NB_REPEATS, sizeof(ns[0]), compare);
	return ns[NB_REPEATS / 2];
}

static int
print_floor(const struct airlock_pool *pool, const char *kind, const char *beside)
{
	double map_ns[AIRLOCK_COST_RUNS][NB_REPEATS], unmap_ns[AIRLOCK_COST_RUNS][NB_REPEATS];
	struct airlock_cost cost;

	for (unsigned int repeat = 0; repeat < NB_REPEATS; repeat++) {
		TEST_ASSERT_SUCCESS(airlock_cost_measure(pool, &cost), "cannot map");
		for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
			map_ns[i][repeat] = cost.map_ns[i] / (1u << i);
			unmap_ns[i][repeat] = cost.unmap_ns[i] / (1u << i);
		}
	}
	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
		double map = median(map_ns[i]), unmap = median(unmap_ns[i]);

		printf("floor %-5s %-6s %4u %8.1f %8.1f %8.1f\n", kind, beside, 1u << i, map, unmap,
			map + unmap);
	}
	return TEST_SUCCESS;
}

static int
run_until_stopped(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		rte_pause();
	return 0;
}

/* Several lcores may share a CPU. */
static unsigned int
lcore_on_another_cpu(void)
{
	const rte_cpuset_t own = rte_lcore_cpuset(rte_lcore_id());
	unsigned int lcore_id;

	RTE_LCORE_FOREACH_WORKER (lcore_id) {
		rte_cpuset_t cpus = rte_lcore_cpuset(lcore_id);

		CPU_AND(&cpus, &cpus, &own);
		if (CPU_COUNT(&cpus) == 0)
			return lcore_id;
	}
	return RTE_MAX_LCORE;
}

static int
print_pool(const struct airlock_pool *pool, const char *kind)
{
	unsigned int lcore_id = lcore_on_another_cpu();
	int ret = print_floor(pool, kind, "alone");

	if (ret != TEST_SUCCESS || lcore_id == RTE_MAX_LCORE)
		return ret;
	atomic_store_explicit(&stop, false, memory_order_relaxed);
	rte_eal_remote_launch(run_until_stopped, NULL, lcore_id);
	ret = print_floor(pool, kind, "beside");
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	rte_eal_wait_lcore(lcore_id);
	return ret;
}

static int
measure_in(const char *directory)
{
	struct airlock_pool_stats stats;
	struct airlock_pool *pool;
	char path[96];
	int ret;

	pool = pool_in(directory, path, sizeof(path));
	TEST_ASSERT_NOT_NULL(pool, "%s: %s", path, rte_strerror(rte_errno));
	airlock_pool_stats(pool, &stats);
	ret = print_pool(pool, stats.huge ? "huge" : "4k");
	airlock_pool_destroy(pool, false);
	return ret;
}

static int
test_remap_floor_perf(void)
{
	int mount = open_huge_tmpfs(), ret;
	char directory[32];

	printf("%-5s %-5s %-6s %4s %8s %8s %8s\n", "", "pool", "thread", "run", "map", "unmap",
		"ns/page");
	ret = measure_in("/dev/shm");
	if (ret != TEST_SUCCESS || mount < 0)
		return ret;
	snprintf(directory, sizeof(directory), "/proc/self/fd/%d", mount);
	ret = measure_in(directory);
	close(mount);
	return ret;
}

REGISTER_PERF_TEST(remap_floor_perf_autotest, test_remap_floor_perf)
