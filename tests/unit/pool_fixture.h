/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

/**
 * @file
 * A pool for the tests of lib/page and its mempool driver: opened, looked into, closed.
 *
 * One at a time; for two, tests call airlock_pool_create() themselves.
 */

#include <rte_errno.h>

#include "airlock_pool.h"
#include "test.h"

#define FIXTURE_PAGES 4096

/** Zero while no pool is open, but *path*. */
extern struct pool_fixture {
	char path[64];
	struct airlock_pool *pool;
	struct rte_mempool *mempool; /**< of partition 0 */
	struct airlock_page_table *table;
} fixture;

/** Any path that no other process uses, with nothing there. @return a good configuration */
struct airlock_pool_conf fixture_conf(void);

/** Open. @return TEST_SUCCESS or TEST_FAILED */
int fixture_open(const struct airlock_pool_conf *conf);

/** Open as fixture_conf() says: the setup of a case. */
int fixture_setup(void);

/** Close, and remove the file: the teardown of a case, whatever it left. */
void fixture_teardown(void);

/** So many pages are in these states, nothing was wrong, and table and mempools agree. */
int fixture_check_pages(uint32_t nb_free, uint32_t nb_card, uint32_t nb_host);

/** Frame of an mbuf. */
uint32_t fixture_frame(const struct rte_mbuf *m);

/** State of an mbuf's frame. */
enum airlock_page_state fixture_state(const struct rte_mbuf *m);

/** Runs that frames make, in their order: 1 if each is the one before plus 1. */
unsigned int fixture_nb_runs(struct rte_mbuf *const *mbufs, unsigned int n);

#endif /* POOL_FIXTURE_H */
