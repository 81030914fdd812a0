/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Makes a receive pool: mbufs whose buffers are the frames of one partition, and mbufs whose
 * buffers are private. window_mempool.c is its driver.
 *
 * rte_pktmbuf_pool_create_extbuf() makes such a pool too, but only with the program's choice of a
 * driver; so this does what that does, with this library's.
 *
 * Thread rule: control functions; see airlock_window.h.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "window_priv.h"

/* Of each lcore, in mbufs: a cache holds up to half as many again. */
#define CACHE_SIZE 64

/* Only for mbufs that somebody attached to one of ours and detached again. */
static void
free_pinned(void *addr, void *opaque)
{
	struct rte_mbuf *mbuf = opaque;

	rte_mbuf_ext_refcnt_set(mbuf->shinfo, 1);
	mbuf->ol_flags = RTE_MBUF_F_EXTERNAL;
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	rte_mbuf_raw_free(mbuf);
}

/* What mbufs need to be given their buffers, in their order. */
struct buffers {
	const struct airlock_window *window;
	const struct window_pool *pool;
	uint32_t first_frame;
};

/*
 * A power of two, at which a private buffer is aligned: so none lies across the border of two huge
 * pages, which for the device need not be neighbours. Frames may: a BAR is in one piece.
 */
static size_t
private_stride(const struct airlock_window *window)
{
	return rte_align64pow2(window_frame_bytes(window));
}

static void
set_buffer(const struct buffers *buffers, struct rte_mbuf *mbuf, uint32_t idx)
{
	const struct airlock_window *window = buffers->window;
	uint64_t offset;

	if (idx < buffers->pool->nb_frames) {
		offset = (buffers->first_frame + idx) * (uint64_t)window_frame_bytes(window);
		mbuf->buf_addr = window->base + offset;
		rte_mbuf_iova_set(mbuf, window->iova + offset);
		return;
	}
	offset = (idx - buffers->pool->nb_frames) * (uint64_t)private_stride(window);
	mbuf->buf_addr = buffers->pool->private_base + offset;
	rte_mbuf_iova_set(mbuf, rte_mem_virt2iova(mbuf->buf_addr));
}

static void
init_mbuf(struct rte_mempool *mp, void *arg, void *obj, unsigned int idx)
{
	const uint16_t priv_size = rte_pktmbuf_priv_size(mp);
	const struct buffers *buffers = arg;
	struct rte_mbuf *mbuf = obj;
	struct rte_mbuf_ext_shared_info *shinfo = RTE_PTR_ADD(mbuf, sizeof(*mbuf) + priv_size);

	memset(mbuf, 0, sizeof(*mbuf) + priv_size);
	mbuf->priv_size = priv_size;
	set_buffer(buffers, mbuf, idx);
	mbuf->buf_len = rte_pktmbuf_data_room_size(mp);
	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->pool = mp;
	mbuf->nb_segs = 1;
	mbuf->port = RTE_MBUF_PORT_INVALID;
	mbuf->ol_flags = RTE_MBUF_F_EXTERNAL;
	rte_mbuf_refcnt_set(mbuf, 1);
	mbuf->shinfo = shinfo;
	shinfo->free_cb = free_pinned;
	shinfo->fcb_opaque = mbuf;
	rte_mbuf_ext_refcnt_set(shinfo, 1);
}

/* The driver's arrays, and the private buffers. */
static struct window_pool *
create_state(const struct airlock_window *window, uint32_t nb_frames, uint32_t nb_private,
	uint32_t nb_posted_private, int socket_id)
{
	const uint32_t nb_arrays = 2 * nb_frames + nb_private;
	struct window_pool *pool;

	pool = rte_zmalloc_socket("airlock_window", sizeof(*pool) + nb_arrays * sizeof(void *),
		RTE_CACHE_LINE_SIZE, socket_id);
	if (pool == NULL)
		return NULL;
	pool->private_base = rte_malloc_socket("airlock_private",
		nb_private * private_stride(window), private_stride(window), socket_id);
	if (pool->private_base == NULL) {
		rte_free(pool);
		return NULL;
	}
	rte_spinlock_init(&pool->lock);
	pool->nb_frames = nb_frames;
	pool->nb_private = nb_private;
	pool->nb_posted_private = nb_posted_private;
	pool->window_base = window->base;
	pool->frames = (void **)(pool + 1);
	pool->privates = pool->frames + nb_frames;
	return pool;
}

/* Consumes the state, also on failure. */
static struct rte_mempool *
create_mempool(
	const struct airlock_window_rx_pool_conf *conf, struct window_pool *pool, uint16_t room)
{
	struct rte_pktmbuf_pool_private private = {
		.mbuf_data_room_size = room,
		.mbuf_priv_size = conf->priv_size,
		.flags = RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF,
	};
	struct rte_mempool *mp;
	int ret;

	mp = rte_mempool_create_empty(conf->name, pool->nb_frames + pool->nb_private,
		sizeof(struct rte_mbuf) + conf->priv_size + sizeof(struct rte_mbuf_ext_shared_info),
		CACHE_SIZE, sizeof(private), conf->socket_id, 0);
	if (mp == NULL)
		goto free_state;
	ret = rte_mempool_set_ops_byname(mp, WINDOW_MEMPOOL_OPS, pool);
	if (ret < 0) {
		rte_mempool_free(mp);
		rte_errno = -ret;
		goto free_state;
	}
	rte_pktmbuf_pool_init(mp, &private);
	ret = rte_mempool_populate_default(mp);
	if (ret < 0) {
		rte_mempool_free(mp);
		rte_errno = -ret;
		return NULL;
	}
	return mp;

free_state:
	rte_free(pool->private_base);
	rte_free(pool);
	return NULL;
}

/* Nobody else has the pool yet. The first frame comes out first. */
static void
sort(struct window_pool *pool, const struct airlock_window *window)
{
	const uint32_t n = pool->private_in_pool;

	pool->window_bytes = window->bytes;
	pool->private_in_pool = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = pool->privates[i];

		if (airlock_window_contains(window, mbuf->buf_addr))
			pool->frames[pool->nb_frames - ++pool->frames_in_pool] = mbuf;
		else
			pool->privates[pool->private_in_pool++] = mbuf;
	}
}

/* Buffers that must exist beyond those in the ring, as lcores' caches may hold them. */
static uint32_t
spare(void)
{
	return WINDOW_SPARE + rte_lcore_count() * (CACHE_SIZE + CACHE_SIZE / 2);
}

static uint32_t
default_private(uint32_t nb_frames, uint32_t nb_desc)
{
	const uint32_t least = nb_desc + spare();

	return RTE_MAX(nb_desc, least > nb_frames ? least - nb_frames : 0);
}

struct rte_mempool *
airlock_window_rx_pool_create(
	struct airlock_window *window, const struct airlock_window_rx_pool_conf *conf)
{
	const struct airlock_window_partition *part;
	struct window_pool *pool;
	struct rte_mempool *mp;
	uint32_t nb_private, nb_posted;

	if (conf->queue_id >= window->layout.nb_partitions) {
		rte_errno = ENOENT;
		return NULL;
	}
	if (conf->priv_size % RTE_MBUF_PRIV_ALIGN != 0) {
		rte_errno = EINVAL;
		return NULL;
	}
	part = &window->layout.partitions[conf->queue_id];
	nb_private = conf->nb_private != 0 ? conf->nb_private
					   : default_private(part->nb_frames, conf->nb_desc);
	if (part->nb_frames + nb_private < conf->nb_desc + spare()) {
		WINDOW_LOG(ERR,
			"queue %u: %u frames and %u private buffers cannot keep a ring of %u "
			"full: it takes %u private buffers\n",
			conf->queue_id, part->nb_frames, nb_private, conf->nb_desc,
			conf->nb_desc + spare() - part->nb_frames);
		rte_errno = ENOSPC;
		return NULL;
	}
	nb_posted = conf->nb_posted_private != 0 ? conf->nb_posted_private : conf->nb_desc / 4u;
	pool = create_state(window, part->nb_frames, nb_private, nb_posted, conf->socket_id);
	if (pool == NULL) {
		WINDOW_LOG(ERR, "queue %u: no memory for %u private buffers of %zu bytes\n",
			conf->queue_id, nb_private, window_frame_bytes(window));
		rte_errno = ENOMEM;
		return NULL;
	}
	mp = create_mempool(conf, pool, window_frame_room(window));
	if (mp == NULL)
		return NULL;
	rte_mempool_obj_iter(mp, init_mbuf,
		&(struct buffers){
			.window = window, .pool = pool, .first_frame = part->first_frame});
	sort(pool, window);
	return mp;
}

void
airlock_window_rx_pool_stats(struct rte_mempool *mp, struct airlock_window_rx_pool_stats *stats)
{
	struct window_pool *pool = mp->pool_data;

	rte_spinlock_lock(&pool->lock);
	*stats = (struct airlock_window_rx_pool_stats){
		.nb_frames = pool->nb_frames,
		.nb_private = pool->nb_private,
		.frames_in_pool = pool->frames_in_pool,
		.private_in_pool = pool->private_in_pool,
	};
	rte_spinlock_unlock(&pool->lock);
}
