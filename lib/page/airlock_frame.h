/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_FRAME_H
#define AIRLOCK_FRAME_H

/**
 * @file
 * How a pool is cut into frames: each is the same number of pages, and a packet takes one.
 *
 * A frame is mapped and unmapped page by page, and paid for so: it should have no page that the
 * longest packet does not need. So the number is any, and a frame may lie across the border of two
 * huge pages; nothing but IOVAs that are physical addresses would mind, and the pool's are virtual.
 *
 * Nothing but libc in here.
 */

#include <stdint.h>

#define AIRLOCK_PAGE_SIZE  4096
#define AIRLOCK_PAGE_SHIFT 12

/** Pages of a frame: at most. */
#define AIRLOCK_FRAME_MAX_PAGES 16
/** Pages of what is cut: at most, see airlock_frame_of_page(). */
#define AIRLOCK_FRAME_MAX_POOL_PAGES (UINT32_C(1) << 28)

/** The size of all frames of a pool. */
struct airlock_frame_size {
	uint32_t pages; /**< 1 to AIRLOCK_FRAME_MAX_PAGES */
	uint32_t bytes;
	uint64_t inverse; /**< 2^32 / pages, rounded up */
};

/** A size. @param pages 1 to AIRLOCK_FRAME_MAX_PAGES */
static inline struct airlock_frame_size
airlock_frame_size(uint32_t pages)
{
	return (struct airlock_frame_size){
		.pages = pages,
		.bytes = pages * AIRLOCK_PAGE_SIZE,
		.inverse = ((UINT64_C(1) << 32) + pages - 1) / pages,
	};
}

/**
 * The frame that a page is of, without a division.
 *
 * Exact: the product is 2^32 (page / pages + e) with e < page / 2^32 < 1/16, and page / pages is
 * never less than 1 / pages, which is 1/16 or more, below the next whole number.
 *
 * @param page  less than AIRLOCK_FRAME_MAX_POOL_PAGES
 */
static inline uint32_t
airlock_frame_of_page(const struct airlock_frame_size *size, uint32_t page)
{
	return page * size->inverse >> 32;
}

/** Offset of a frame in the pool. */
static inline uint64_t
airlock_frame_offset(const struct airlock_frame_size *size, uint32_t frame)
{
	return (uint64_t)frame * size->bytes;
}

/** Pages of the frames in a pool, the last of which may have less than the others. */
static inline uint32_t
airlock_frame_count(const struct airlock_frame_size *size, uint32_t nb_pages)
{
	return nb_pages / size->pages + (nb_pages % size->pages != 0);
}

#endif /* AIRLOCK_FRAME_H */
