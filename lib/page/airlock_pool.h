/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_POOL_H
#define AIRLOCK_POOL_H

/**
 * @file
 * The pool: one shared-memory file whose pages hold all packets, as mempools of mbufs.
 *
 * The file may be any number of pages, because in a VM it is the memory of a PCI device, which is a
 * power of two. The last frame may have fewer pages than the others, and is in no mempool then; the
 * header, if there is one, is in it.
 *
 * Packet data lies alone in its frame, at RTE_PKTMBUF_HEADROOM (128) from the frame's start; the
 * mbuf headers lie elsewhere, in the EAL's memory. A buffer's length has 16 bits, so of a frame of
 * 64 KiB an mbuf has all but the last byte. The file is mapped once, with IOVA = VA, and once more
 * for each card. It is locked (flock) for as long as the pool lives.
 *
 * The frames are cut into partitions, each a mempool of its own: a VM can be given a packet in its
 * page only while it has that page posted, so a queue has to receive into pages that fit into the
 * VM's ring.
 *
 * Thread rule: main thread, but for airlock_pool_stats() and airlock_pool_verify(): any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "airlock_card.h"
#include "airlock_page.h"

struct rte_device;

/** Pages of 4 KiB in a pool: at least, at most. */
#define AIRLOCK_POOL_MIN_PAGES 1024
#define AIRLOCK_POOL_MAX_PAGES (16 * 1024 * 1024)
/** Partitions: at most. */
#define AIRLOCK_POOL_MAX_PARTITIONS 64

struct airlock_pool;

/** Whether cards keep a frame in their IOMMU domain while a VM has it. */
enum airlock_dma {
	AIRLOCK_DMA_STATIC,
	AIRLOCK_DMA_STRICT,
};

struct airlock_pool_conf {
	const char *name; /**< of the mempool, 1 to 25 characters; "<name>_<i>" where there are
			       several partitions, 25 with that */
	const char *path; /**< of the file; made if it is not there */
	uint32_t nb_pages; /**< what is left behind the last frame is in no mempool */
	uint32_t frame_pages; /**< 1 to AIRLOCK_FRAME_MAX_PAGES */
	int socket_id; /**< NUMA node that the pages shall lie on, or SOCKET_ID_ANY */
	uint32_t nb_partitions; /**< 1 to AIRLOCK_POOL_MAX_PARTITIONS; 0 is 1. Where there are
				     several, each is 64 frames or a multiple; the last one has the
				     rest */
	uint32_t partition_frames; /**< of a partition at most; what is over is in no mempool.
					0: no limit */
	bool header; /**< keep the last page for airlock_pool_header() */
	enum airlock_dma dma; /**< strict: there is a driver for it (airlock_card.h) */
};

/** What is in a pool. */
struct airlock_pool_stats {
	uint32_t nb_pages;
	uint32_t frame_pages;
	bool huge; /**< the kernel gave huge folios */
	uint32_t header_pages; /**< at the end, in no mempool, always HOST: the header's frame, what
				    is less than a frame, what is more than partitions may have */
	uint32_t pages[AIRLOCK_PAGE_STATES]; /**< pages by state; their sum is nb_pages */
	uint64_t violations; /**< transitions from a wrong state: 0 */
	enum airlock_dma dma;
	struct airlock_card_stats card; /**< zero where it is static */
};

/** What airlock_pool_verify() found. */
struct airlock_pool_report {
	uint32_t free_by_table; /**< frames that the table says are FREE */
	uint32_t free_by_mempool; /**< frames that lie in the mempools */
	uint32_t nb_lost; /**< frames in no state at all */
	uint64_t violations;
	uint32_t nb_card_wrong; /**< frames that cards must not have, or need and do not have */
	/* The first of these. */
	uint32_t card_page; /**< of the pool */
	enum airlock_page_state card_state; /**< what the table says */
	bool card_has; /**< what the cards' side says */
};

/**
 * Open or make the file, map it, and make mempools of it.
 *
 * An existing file is used if its size is right; what was in it is gone, and nobody who still maps
 * it has any of its pages.
 *
 * @return the pool, to be given to airlock_pool_destroy(); NULL with rte_errno EINVAL (a value out
 *         of range, or too many partitions for the frames), EBUSY (another process has locked the
 *         file), EFBIG (the file has another size), ENOSPC (no room in the file system), ENOMEM (no
 *         room in the EAL's memory for the mbuf headers), EOPNOTSUPP (the file system cannot punch
 *         holes), ENOTSUP (strict, without a driver for that), or what open(2), ftruncate(2) or
 *         mmap(2) said
 */
struct airlock_pool *airlock_pool_create(const struct airlock_pool_conf *conf);

/**
 * Destroy; every frame must be back. NULL is ignored.
 *
 * @param keep_file  leave the file in place, for those who have it mapped
 */
void airlock_pool_destroy(struct airlock_pool *pool, bool keep_file);

/** Number of partitions: 1 or more. */
uint32_t airlock_pool_nb_partitions(const struct airlock_pool *pool);

/**
 * The mempool of a partition. Frames taken from it must return before the pool is destroyed.
 *
 * @param partition  less than airlock_pool_nb_partitions()
 */
struct rte_mempool *airlock_pool_mempool(const struct airlock_pool *pool, uint32_t partition);

/**
 * The pool's last page, for what every VM may know. The frame that it is in, the last one, is in
 * no mempool, and HOST for good; it is zero until the caller fills the page.
 *
 * @return its address; NULL if the pool was created without
 */
void *airlock_pool_header(const struct airlock_pool *pool);

/** Which file it is: st_dev, st_ino and size of it. */
void airlock_pool_file(
	const struct airlock_pool *pool, uint64_t *dev, uint64_t *ino, uint64_t *bytes);

/** The states of its pages. */
struct airlock_page_table *airlock_pool_table(const struct airlock_pool *pool);

/** Whether a PCI device is on vfio-pci now. @param address  "0000:01:00.0" or "01:00.0" */
bool airlock_pool_on_vfio(const char *address);

/**
 * Map the pool for a device's DMA, IOVA = VA: all of it, or, where it is strict, what no VM has.
 *
 * @return 0, also for a device that does no DMA (a virtual one); otherwise a negative errno of
 *         rte_dev_dma_map() or airlock_card_attach()
 */
int airlock_pool_dma_map(struct airlock_pool *pool, struct rte_device *dev);

/**
 * A device that the pool was mapped for has been removed from the EAL.
 *
 * @return whether airlock_pool_dma_map() is due when it is back; otherwise the EAL sees to it
 */
bool airlock_pool_dma_lost(struct airlock_pool *pool);

/**
 * Undo airlock_pool_dma_map(), for all devices on vfio-pci if it is one of them. They must be
 * stopped.
 */
void airlock_pool_dma_unmap(struct airlock_pool *pool, struct rte_device *dev);

/** Count pages by state. */
void airlock_pool_stats(const struct airlock_pool *pool, struct airlock_pool_stats *stats);

/**
 * Hold the table against the mempools, each against its partition's frames. While the lcores run
 * the two are counted again, for some milliseconds, until they agree once. Where it is strict, what
 * cards have is held against the table, too.
 *
 * @param report  receives the figures; may be NULL
 * @return 0; -EBADMSG if they differ, a frame is in no state, or a transition was wrong
 */
int airlock_pool_verify(const struct airlock_pool *pool, struct airlock_pool_report *report);

#endif /* AIRLOCK_POOL_H */
