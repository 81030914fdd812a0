/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A pool for the tests of lib/page and its mempool driver.
 */

#include <unistd.h>

#include "pool_fixture.h"

struct pool_fixture fixture;

struct airlock_pool_conf
fixture_conf(void)
{
	snprintf(fixture.path, sizeof(fixture.path), "/dev/shm/airlock-test-%d", getpid());
	unlink(fixture.path);
	return (struct airlock_pool_conf){
		.name = "test_pool",
		.path = fixture.path,
		.nb_pages = FIXTURE_PAGES,
		.frame_pages = 1,
		.socket_id = SOCKET_ID_ANY,
		.nb_partitions = 1,
	};
}

int
fixture_open(const struct airlock_pool_conf *conf)
{
	fixture.pool = airlock_pool_create(conf);
	TEST_ASSERT_NOT_NULL(fixture.pool, "%s: %s", conf->path, rte_strerror(rte_errno));
	fixture.mempool = airlock_pool_mempool(fixture.pool, 0);
	fixture.table = airlock_pool_table(fixture.pool);
	return TEST_SUCCESS;
}

int
fixture_setup(void)
{
	struct airlock_pool_conf conf = fixture_conf();

	return fixture_open(&conf);
}

void
fixture_teardown(void)
{
	airlock_pool_destroy(fixture.pool, false);
	fixture.pool = NULL;
	fixture.mempool = NULL;
	fixture.table = NULL;
	unlink(fixture.path);
}

int
fixture_check_pages(uint32_t nb_free, uint32_t nb_card, uint32_t nb_host)
{
	struct airlock_pool_stats stats;

	airlock_pool_stats(fixture.pool, &stats);
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_FREE], nb_free, "pages in FREE");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_CARD], nb_card, "pages in CARD");
	TEST_ASSERT_EQUAL(stats.pages[AIRLOCK_PAGE_HOST], nb_host, "pages in HOST");
	TEST_ASSERT_EQUAL(stats.violations, 0, "violations");
	TEST_ASSERT_SUCCESS(airlock_pool_verify(fixture.pool, NULL), "table and mempools agree");
	return TEST_SUCCESS;
}

uint32_t
fixture_frame(const struct rte_mbuf *m)
{
	return airlock_page_frame(fixture.table, m->buf_addr);
}

enum airlock_page_state
fixture_state(const struct rte_mbuf *m)
{
	return airlock_page_state_get(fixture.table, fixture_frame(m));
}

unsigned int
fixture_nb_runs(struct rte_mbuf *const *mbufs, unsigned int n)
{
	unsigned int runs = n != 0;

	for (unsigned int i = 1; i < n; i++)
		runs += fixture_frame(mbufs[i]) != fixture_frame(mbufs[i - 1]) + 1;
	return runs;
}
