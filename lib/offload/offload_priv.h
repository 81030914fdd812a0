/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef OFFLOAD_PRIV_H
#define OFFLOAD_PRIV_H

/**
 * @file
 * What the files of lib/offload share.
 */

#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

/** The flags that say what memory an mbuf has. Only the code that attaches memory changes them. */
#define OFFLOAD_MEMORY_FLAGS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

/** Longest headers of a packet that accept() lets through: Ethernet, IPv4 and TCP with options. */
#define OFFLOAD_MAX_HEADERS_BYTES (14 + 60 + 60)

struct airlock_offload {
	struct rte_mempool *frames;
	uint32_t room_bytes; /**< what an empty frame holds behind its headroom */
};

/**
 * Copy a TCP packet into segments of tso_segsz bytes of payload.
 *
 * The segments ask for a TCP checksum, over a pseudo-header sum that is in place; all else in their
 * headers is complete. *m* is neither changed nor freed.
 *
 * @return how many there are in *out*; -ENOMEM: no frame free; -EINVAL: headers are not in the
 *         first mbuf, or more than *size* segments. On error there are none.
 */
int offload_segment(const struct airlock_offload *ctx, const struct rte_mbuf *m,
	struct rte_mbuf **out, uint16_t size);

#endif /* OFFLOAD_PRIV_H */
