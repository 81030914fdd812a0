/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool as DPDK sees it: external memory with IOVA = VA, and for each partition a mempool of
 * pinned mbufs, each tied for good to one frame of the file (pool_file.c). The mempools' driver
 * ("airlock_page", in drivers/mempool/page) keeps the table of states (page.c) up to date.
 *
 * The mempools have no cache of DPDK's: it would stand between the driver and its clients and hide
 * from the table which frames are free.
 */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memory.h>

#include "pool_priv.h"

#define POOL_OPS "airlock_page"
/* Between buffers that the mbuf library makes: the most pages whose bytes 16 bits can tell. */
#define POOL_MAX_STRIDE (15 * AIRLOCK_PAGE_SIZE)

static_assert(AIRLOCK_POOL_MAX_PAGES <= AIRLOCK_FRAME_MAX_POOL_PAGES, "a page tells its frame");
static_assert(AIRLOCK_FRAME_MAX_PAGES == 16, "only the largest frame is longer than the stride");

RTE_LOG_REGISTER(page_logtype, airlock.page, INFO);

static bool
sizes_are_good(const struct airlock_pool_conf *conf)
{
	return conf->nb_pages >= AIRLOCK_POOL_MIN_PAGES &&
		conf->nb_pages <= AIRLOCK_POOL_MAX_PAGES &&
		conf->nb_partitions <= AIRLOCK_POOL_MAX_PARTITIONS && conf->frame_pages != 0 &&
		conf->frame_pages <= AIRLOCK_FRAME_MAX_PAGES;
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

/* That packets may lie in: whole, and without the header's page. */
static uint32_t
frames_of(const struct airlock_pool_conf *conf)
{
	uint32_t nb_frames = (conf->nb_pages - conf->header) / conf->frame_pages;
	uint64_t most = RTE_MAX(conf->nb_partitions, 1u) * (uint64_t)conf->partition_frames;

	return most != 0 ? RTE_MIN(most, nb_frames) : nb_frames;
}

/* Cut the frames: a partition begins at an extent of the mempool driver's. */
static int
partitions_init(struct airlock_page_partition *partitions, const struct airlock_pool_conf *conf)
{
	uint32_t nb_frames = frames_of(conf);
	uint32_t n = RTE_MAX(conf->nb_partitions, 1u);
	uint32_t each = n == 1 ? nb_frames : nb_frames / n & ~(AIRLOCK_PAGE_EXTENT - 1u);
	int len;

	if (each == 0)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		partitions[i].first_frame = i * each;
		partitions[i].nb_frames = i + 1 < n ? each : nb_frames - i * each;
		len = snprintf(partitions[i].name, sizeof(partitions[i].name),
			n == 1 ? "%s" : "%s_%u", conf->name, i);
		if (len < 0 || (size_t)len >= sizeof(partitions[i].name))
			return -EINVAL;
	}
	return 0;
}

/* For each mbuf, in their order: a frame is longer than an mbuf's buffer may be told to be. */
static void
give_long_frame(struct rte_mempool *mempool, void *arg, void *obj, unsigned int idx)
{
	const struct rte_pktmbuf_extmem *extmem = arg;
	size_t offset = (size_t)idx * AIRLOCK_FRAME_MAX_PAGES * AIRLOCK_PAGE_SIZE;
	struct rte_mbuf *m = obj;

	RTE_SET_USED(mempool);
	m->buf_addr = RTE_PTR_ADD(extmem->buf_ptr, offset);
	rte_mbuf_iova_set(m, extmem->buf_iova + offset);
	m->buf_len = UINT16_MAX;
}

/* rte_pktmbuf_pool_create_extbuf() has 16 bits for the distance of two buffers. */
static void
give_long_frames(struct rte_mempool *mempool, struct rte_pktmbuf_extmem *extmem)
{
	struct rte_pktmbuf_pool_private *private = rte_mempool_get_priv(mempool);

	rte_mempool_obj_iter(mempool, give_long_frame, extmem);
	private->mbuf_data_room_size = UINT16_MAX;
}

static struct rte_mempool *
mempool_create(const struct airlock_pool *pool, const struct airlock_page_partition *partition,
	int socket_id)
{
	size_t frame_bytes = pool->table->frame.bytes;
	void *base = airlock_page_addr(pool->table, partition->first_frame);
	struct rte_pktmbuf_extmem extmem = {
		.buf_ptr = base,
		.buf_iova = (uintptr_t)base,
		.buf_len = partition->nb_frames * frame_bytes,
		.elt_size = RTE_MIN(frame_bytes, (size_t)POOL_MAX_STRIDE),
	};
	struct rte_mempool *mempool;
	int err;

	/* The mbuf library takes the driver's name from here, and from nowhere else. */
	if (rte_mbuf_set_user_mempool_ops(POOL_OPS) < 0)
		return NULL;
	mempool = rte_pktmbuf_pool_create_extbuf(partition->name, partition->nb_frames, 0, 0,
		extmem.elt_size, socket_id, &extmem, 1);
	err = rte_errno; /* which the next lines change */
	rte_mbuf_set_user_mempool_ops(rte_mbuf_platform_mempool_ops() != NULL
			? rte_mbuf_platform_mempool_ops()
			: RTE_MBUF_DEFAULT_MEMPOOL_OPS);
	if (mempool != NULL && frame_bytes > POOL_MAX_STRIDE)
		give_long_frames(mempool, &extmem);
	rte_errno = err;
	return mempool;
}

static void
note_mbuf(struct rte_mempool *mempool, void *arg, void *obj, unsigned int idx)
{
	struct airlock_page_table *table = arg;
	struct rte_mbuf *m = obj;

	table->mbufs[airlock_page_frame(table, m->buf_addr)] = m;
}

static void
mempools_free(struct airlock_pool *pool)
{
	for (uint32_t i = 0; i < pool->table->nb_partitions; i++)
		rte_mempool_free(pool->mempools[i]);
}

static int
mempools_create(struct airlock_pool *pool, int socket_id)
{
	struct airlock_page_table *table = pool->table;
	int err;

	for (uint32_t i = 0; i < table->nb_partitions; i++) {
		pool->mempools[i] = mempool_create(pool, &table->partitions[i], socket_id);
		if (pool->mempools[i] == NULL) {
			err = -rte_errno;
			mempools_free(pool);
			return err;
		}
		rte_mempool_obj_iter(pool->mempools[i], note_mbuf, table);
	}
	table->live = true;
	return 0;
}

struct airlock_pool *
airlock_pool_create(const struct airlock_pool_conf *conf)
{
	struct airlock_page_partition partitions[AIRLOCK_POOL_MAX_PARTITIONS] = {0};
	struct airlock_pool *pool;
	int err;

	if (!sizes_are_good(conf) || partitions_init(partitions, conf) < 0) {
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
	pool->header = conf->header;
	pool->nb_frames = frames_of(conf);
	err = pool_file_open(&pool->file, conf->path, (size_t)conf->nb_pages * AIRLOCK_PAGE_SIZE,
		conf->socket_id);
	if (err < 0)
		goto free_path;
	err = pool_register(&pool->file);
	if (err < 0)
		goto close_file;
	pool->table = airlock_page_table_create(pool->file.base, conf->nb_pages, conf->frame_pages,
		partitions, RTE_MAX(conf->nb_partitions, 1u));
	err = -rte_errno;
	if (pool->table == NULL)
		goto unregister;
	if (conf->dma == AIRLOCK_DMA_STRICT) {
		pool->table->card = airlock_card_create(pool->table, pool->nb_frames);
		err = -rte_errno;
		if (pool->table->card == NULL)
			goto destroy_table;
	}
	err = mempools_create(pool, conf->socket_id);
	if (err < 0)
		goto destroy_table;
	if (!pool->file.huge)
		POOL_LOG(WARNING,
			"%s: the kernel gave no huge folios, the pool is in pages of 4 KiB; "
			"expected a tmpfs mounted with huge=\n",
			conf->path);
	return pool;

destroy_table:
	airlock_card_destroy(pool->table->card);
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
	mempools_free(pool);
	airlock_card_destroy(pool->table->card);
	airlock_page_table_destroy(pool->table);
	rte_extmem_unregister(pool->file.base, pool->file.bytes);
	/* The lock is still held: no other daemon can have opened it meanwhile. */
	if (!keep_file && unlink(pool->path) < 0)
		POOL_LOG(WARNING, "%s: cannot unlink: %s\n", pool->path, strerror(errno));
	pool_file_close(&pool->file);
	free(pool->path);
	free(pool);
}

uint32_t
airlock_pool_nb_partitions(const struct airlock_pool *pool)
{
	return pool->table->nb_partitions;
}

struct rte_mempool *
airlock_pool_mempool(const struct airlock_pool *pool, uint32_t partition)
{
	return pool->mempools[partition];
}

void *
airlock_pool_header(const struct airlock_pool *pool)
{
	if (!pool->header)
		return NULL;
	return RTE_PTR_ADD(pool->file.base, pool->file.bytes - AIRLOCK_PAGE_SIZE);
}

void
airlock_pool_file(const struct airlock_pool *pool, uint64_t *dev, uint64_t *ino, uint64_t *bytes)
{
	*dev = pool->file.dev;
	*ino = pool->file.ino;
	*bytes = pool->file.bytes;
}

struct airlock_page_table *
airlock_pool_table(const struct airlock_pool *pool)
{
	return pool->table;
}
