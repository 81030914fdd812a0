/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What captures cost an lcore, in cycles: off, for another point, filtered out, and copied.
 */

#include <unistd.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "airlock_capture.h"
#include "test.h"

#define BURST	    32
#define NB_BURSTS   20000
#define COPY_BURSTS 100 /* no more than there are buffers for */

static struct airlock_captures *captures;
static struct airlock_point point = {.name = "vm web"}, other = {.name = "vm db"};
static char path[64];
static char error[AIRLOCK_CAPTURE_ERROR_MAX];

static double
cycles_per_burst(struct rte_mbuf **mbufs, unsigned int nb_bursts)
{
	const struct airlock_capture_tap *tap = airlock_captures_tap(captures);
	uint64_t start = rte_rdtsc();

	for (unsigned int i = 0; i < nb_bursts; i++) {
		airlock_capture_burst(tap, &point, AIRLOCK_IN, mbufs, BURST);
		rte_compiler_barrier();
	}
	return (double)(rte_rdtsc() - start) / nb_bursts;
}

static int
measure(const char *what, const struct airlock_point *of, const char *filter,
	uint32_t snaplen_bytes, struct rte_mbuf **mbufs, unsigned int nb_bursts)
{
	struct airlock_capture_conf conf = {
		.name = "perf",
		.path = path,
		.overwrite = true,
		.point = of,
		.directions = {true, true},
		.filter = filter,
		.snaplen_bytes = snaplen_bytes,
	};
	struct airlock_capture_info info;
	double cycles;

	TEST_ASSERT_SUCCESS(airlock_captures_start(captures, &conf, error), "%s", error);
	cycles = cycles_per_burst(mbufs, nb_bursts);
	TEST_ASSERT_SUCCESS(airlock_captures_stop(captures, "perf", &info), "stop");
	printf("%-44s %8.1f cycles per packet, %" PRIu64 " captured, %" PRIu64 " missed\n", what,
		cycles / BURST, info.packets, info.missed);
	return TEST_SUCCESS;
}

static int
run(struct rte_mbuf **mbufs)
{
	cycles_per_burst(mbufs, NB_BURSTS);
	printf("%-44s %8.1f cycles per burst of %u\n", "off", cycles_per_burst(mbufs, NB_BURSTS),
		BURST);
	TEST_ASSERT_SUCCESS(
		measure("another VM is captured", &other, NULL, 262144, mbufs, NB_BURSTS), "other");
	TEST_ASSERT_SUCCESS(measure("filter 'tcp port 80', none matches", &point, "tcp port 80",
				    262144, mbufs, NB_BURSTS),
		"filter");
	TEST_ASSERT_SUCCESS(
		measure("copied, 64 bytes of each", &point, NULL, 64, mbufs, COPY_BURSTS), "64");
	return measure("copied, 1514 bytes of each", &point, NULL, 262144, mbufs, COPY_BURSTS);
}

static int
test_capture_perf(void)
{
	size_t size = rte_rcu_qsbr_get_memsize(1);
	struct rte_rcu_qsbr *qsv = rte_zmalloc(NULL, size, RTE_CACHE_LINE_SIZE);
	struct rte_mempool *pool;
	struct rte_mbuf *mbufs[BURST];
	int ret = TEST_FAILED;

	snprintf(path, sizeof(path), "/dev/shm/airlock-perf-capture-%d", getpid());
	pool = rte_pktmbuf_pool_create("perf_capture", 2 * BURST, 0, 0, 2048 + 128, SOCKET_ID_ANY);
	rte_rcu_qsbr_init(qsv, 1);
	captures = airlock_captures_create(qsv);
	if (pool != NULL && captures != NULL && rte_pktmbuf_alloc_bulk(pool, mbufs, BURST) == 0) {
		for (unsigned int i = 0; i < BURST; i++)
			memset(rte_pktmbuf_append(mbufs[i], 1514), 0, 1514);
		ret = run(mbufs);
		rte_pktmbuf_free_bulk(mbufs, BURST);
	}
	airlock_captures_destroy(captures);
	rte_mempool_free(pool);
	rte_free(qsv);
	unlink(path);
	return ret;
}

REGISTER_PERF_TEST(capture_perf_autotest, test_capture_perf);
