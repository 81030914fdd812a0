/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_CAPTURE_H
#define TEST_CAPTURE_H

/**
 * @file
 * What the tests of captures share: a set of captures without lcores, packets, and the file that
 * is written. The test's own thread plays the lcore.
 *
 * Thread rule: main thread.
 */

#include <unistd.h>

#include <rte_malloc.h>

#include "capture_priv.h"
#include "captured.h"
#include "loop_packet.h"
#include "test.h"

#define NB_MBUFS 512

static struct rte_mempool *packets;
static struct rte_rcu_qsbr *qsv;
static struct airlock_captures *captures;
static char path[64];
static char error[AIRLOCK_CAPTURE_ERROR_MAX];

static struct airlock_point point = {.name = "vm web"};

static inline struct airlock_capture_conf
conf_of(const char *name)
{
	return (struct airlock_capture_conf){
		.name = name,
		.path = path,
		.overwrite = true,
		.directions = {true, true},
		.snaplen_bytes = AIRLOCK_CAPTURE_SNAPLEN_MAX,
	};
}

static inline int
setup(void)
{
	snprintf(path, sizeof(path), "/dev/shm/airlock-test-capture-%d", getpid());
	packets =
		rte_pktmbuf_pool_create("test_capture", NB_MBUFS, 0, 0, 2048 + 128, SOCKET_ID_ANY);
	qsv = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
	TEST_ASSERT(packets != NULL && qsv != NULL, "memory");
	rte_rcu_qsbr_init(qsv, 1);
	captures = airlock_captures_create(qsv);
	TEST_ASSERT_NOT_NULL(captures, "a set");
	return TEST_SUCCESS;
}

static inline void
teardown(void)
{
	airlock_captures_destroy(captures);
	captures = NULL;
	rte_free(qsv);
	rte_mempool_free(packets);
	captured_free();
	unlink(path);
}

#endif /* TEST_CAPTURE_H */
