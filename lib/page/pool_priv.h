/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef POOL_PRIV_H
#define POOL_PRIV_H

/*
 * A pool, for its files: pool.c (made and destroyed), pool_dma.c (mapped for cards), pool_verify.c
 * (counted). All but the table and what is mapped is written when it is made.
 */

#include <rte_log.h>

#include "airlock_pool.h"
#include "pool_file.h"

extern int page_logtype;
#define POOL_LOG(level, ...) rte_log(RTE_LOG_##level, page_logtype, "page: " __VA_ARGS__)

struct airlock_pool {
	struct pool_file file;
	char *path;
	uint32_t nb_pages;
	bool header;
	uint32_t nb_frames; /* in the mempools: all but some at the end */
	struct airlock_page_table *table;
	bool in_container; /* mapped for all cards on vfio-pci; main thread */
	struct rte_mempool *mempools[AIRLOCK_POOL_MAX_PARTITIONS];
};

#endif /* POOL_PRIV_H */
