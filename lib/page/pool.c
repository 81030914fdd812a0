/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool as DPDK sees it: external memory with IOVA = VA, and a mempool of pinned mbufs, each
 * tied for good to one frame of the file (pool_file.c). The mempool's driver ("airlock_page", in
 * drivers/mempool/page) keeps the table of states (page.c) up to date.
 *
 * The mempool has no cache of its own: it would stand between the driver and its clients and hide
 * from the table which frames are free. The driver has one per lcore instead.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>
#include <rte_string_fns.h>

#include "airlock_pool.h"
#include "pool_file.h"

#define POOL_OPS "airlock_page"

RTE_LOG_REGISTER(page_logtype, airlock.page, INFO);
#define POOL_LOG(level, ...) rte_log(RTE_LOG_##level, page_logtype, "page: " __VA_ARGS__)

struct airlock_pool {
	struct pool_file file;
	char *path;
	uint32_t nb_pages;
	uint32_t frame_pages;
	struct airlock_page_table *table;
	struct rte_mempool *mempool;
};

static bool
conf_is_good(const struct airlock_pool_conf *conf)
{
	return conf->nb_pages >= AIRLOCK_POOL_MIN_PAGES &&
		conf->nb_pages <= AIRLOCK_POOL_MAX_PAGES && conf->frame_pages != 0 &&
		conf->frame_pages <= AIRLOCK_POOL_MAX_FRAME_PAGES &&
		rte_is_power_of_2(conf->frame_pages) && conf->nb_pages % conf->frame_pages == 0;
}

static size_t
page_bytes(const struct pool_file *file)
{
	return file->huge && file->bytes % RTE_PGSIZE_2M == 0 ? RTE_PGSIZE_2M : RTE_PGSIZE_4K;
}

/* The EAL wants the IOVA of every page; here it is the page's address. */
static int
pool_register(const struct pool_file *file)
{
	size_t bytes = page_bytes(file);
	unsigned int nb_pages = file->bytes / bytes;
	rte_iova_t *iovas;
	int ret;

	iovas = malloc(nb_pages * sizeof(*iovas));
	if (iovas == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < nb_pages; i++)
		iovas[i] = (uintptr_t)file->base + i * bytes;
	ret = rte_extmem_register(file->base, file->bytes, iovas, nb_pages, bytes);
	free(iovas);
	return ret < 0 ? -rte_errno : 0;
}

static struct rte_mempool *
pool_mempool_create(const struct airlock_pool *pool, const struct airlock_pool_conf *conf)
{
	size_t frame_bytes = (size_t)conf->frame_pages * AIRLOCK_PAGE_SIZE;
	struct rte_pktmbuf_extmem extmem = {
		.buf_ptr = pool->file.base,
		.buf_iova = (uintptr_t)pool->file.base,
		.buf_len = pool->file.bytes,
		.elt_size = frame_bytes,
	};
	struct rte_mempool *mempool;
	int err;

	/* The mbuf library takes the driver's name from here, and from nowhere else. */
	if (rte_mbuf_set_user_mempool_ops(POOL_OPS) < 0)
		return NULL;
	mempool = rte_pktmbuf_pool_create_extbuf(conf->name, conf->nb_pages / conf->frame_pages, 0,
		0, frame_bytes, conf->socket_id, &extmem, 1);
	err = rte_errno; /* which the next lines change */
	rte_mbuf_set_user_mempool_ops(rte_mbuf_platform_mempool_ops() != NULL
			? rte_mbuf_platform_mempool_ops()
			: RTE_MBUF_DEFAULT_MEMPOOL_OPS);
	rte_errno = err;
	return mempool;
}

struct airlock_pool *
airlock_pool_create(const struct airlock_pool_conf *conf)
{
	struct airlock_page_partition partition = {0};
	struct airlock_pool *pool;
	int err;

	if (!conf_is_good(conf)) {
		rte_errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		goto no_memory;
	pool->path = strdup(conf->path);
	if (pool->path == NULL)
		goto free_pool;
	pool->nb_pages = conf->nb_pages;
	pool->frame_pages = conf->frame_pages;
	err = pool_file_open(&pool->file, conf->path, (size_t)conf->nb_pages * AIRLOCK_PAGE_SIZE,
		conf->socket_id);
	if (err < 0)
		goto free_path;
	err = pool_register(&pool->file);
	if (err < 0)
		goto close_file;
	rte_strscpy(partition.name, conf->name, sizeof(partition.name));
	partition.nb_frames = conf->nb_pages / conf->frame_pages;
	pool->table = airlock_page_table_create(pool->file.base, partition.nb_frames,
		AIRLOCK_PAGE_SHIFT + rte_log2_u32(conf->frame_pages), &partition, 1);
	if (pool->table == NULL) {
		err = -ENOMEM;
		goto unregister;
	}
	pool->mempool = pool_mempool_create(pool, conf);
	if (pool->mempool == NULL) {
		err = -rte_errno;
		goto destroy_table;
	}
	pool->table->live = true;
	if (!pool->file.huge)
		POOL_LOG(WARNING,
			"%s: the kernel gave no huge folios, the pool is in pages of 4 KiB; "
			"expected a tmpfs mounted with huge=\n",
			conf->path);
	return pool;

destroy_table:
	airlock_page_table_destroy(pool->table);
unregister:
	rte_extmem_unregister(pool->file.base, pool->file.bytes);
close_file:
	if (pool->file.made)
		unlink(conf->path);
	pool_file_close(&pool->file);
free_path:
	free(pool->path);
	free(pool);
	rte_errno = -err;
	return NULL;
free_pool:
	free(pool);
no_memory:
	rte_errno = ENOMEM;
	return NULL;
}

void
airlock_pool_destroy(struct airlock_pool *pool, bool keep_file)
{
	if (pool == NULL)
		return;
	rte_mempool_free(pool->mempool);
	airlock_page_table_destroy(pool->table);
	rte_extmem_unregister(pool->file.base, pool->file.bytes);
	/* The lock is still held: no other daemon can have opened it meanwhile. */
	if (!keep_file && unlink(pool->path) < 0)
		POOL_LOG(WARNING, "%s: cannot unlink: %s\n", pool->path, strerror(errno));
	pool_file_close(&pool->file);
	free(pool->path);
	free(pool);
}

struct rte_mempool *
airlock_pool_mempool(const struct airlock_pool *pool)
{
	return pool->mempool;
}

int
airlock_pool_file_id(const struct airlock_pool *pool, uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (fstat(pool->file.fd, &st) < 0)
		return -errno;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return 0;
}

struct airlock_page_table *
airlock_pool_table(const struct airlock_pool *pool)
{
	return pool->table;
}

int
airlock_pool_dma_map(struct airlock_pool *pool, struct rte_device *dev)
{
	uint64_t base = (uintptr_t)pool->file.base;

	if (rte_dev_dma_map(dev, pool->file.base, base, pool->file.bytes) == 0)
		return 0;
	/* A virtual device's bus has no DMA at all; a PCI device that cannot map is an error. */
	if (rte_errno == ENOTSUP && strcmp(rte_bus_name(rte_dev_bus(dev)), "pci") != 0)
		return 0;
	return -rte_errno;
}

void
airlock_pool_dma_unmap(struct airlock_pool *pool, struct rte_device *dev)
{
	uint64_t base = (uintptr_t)pool->file.base;

	if (rte_dev_dma_unmap(dev, pool->file.base, base, pool->file.bytes) < 0 &&
		rte_errno != ENOTSUP)
		POOL_LOG(WARNING, "%s: cannot unmap the pool: %s\n", rte_dev_name(dev),
			rte_strerror(rte_errno));
}

void
airlock_pool_stats(const struct airlock_pool *pool, struct airlock_pool_stats *stats)
{
	uint32_t frames[AIRLOCK_PAGE_STATES];

	airlock_page_table_count(pool->table, frames);
	stats->nb_pages = pool->nb_pages;
	stats->frame_pages = pool->frame_pages;
	stats->huge = pool->file.huge;
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		stats->pages[i] = frames[i] * pool->frame_pages;
	stats->violations = atomic_load_explicit(&pool->table->violations, memory_order_relaxed);
}

int
airlock_pool_verify(const struct airlock_pool *pool, struct airlock_pool_report *report)
{
	uint32_t frames[AIRLOCK_PAGE_STATES];
	struct airlock_pool_report found;

	airlock_page_table_count(pool->table, frames);
	found.free_by_table = frames[AIRLOCK_PAGE_FREE];
	found.free_by_mempool = rte_mempool_avail_count(pool->mempool);
	found.violations = atomic_load_explicit(&pool->table->violations, memory_order_relaxed);
	if (report != NULL)
		*report = found;
	return found.free_by_table == found.free_by_mempool && found.violations == 0 ? 0 : -EBADMSG;
}
