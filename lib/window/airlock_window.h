/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_WINDOW_H
#define AIRLOCK_WINDOW_H

/**
 * @file
 * The guest's side of a window: what a DPDK program needs to receive packets in pages of airlockd's
 * pool instead of copies of them.
 *
 * A guest is either a process (its NIC is net_virtio_user, it maps the pool's file and is its own
 * agent) or runs in a VM (its NIC is net_virtio, the pool is the memory of an ivshmem device).
 *
 * Frames of the window are dark until airlockd shows one with a packet in it. Touching a dark frame
 * stalls the thread, so a program may touch a frame's data only between its receipt and its free:
 * it must not allocate packets of its own from the pool that airlock_window_rx_pool_create() makes.
 *
 * Thread rule: control functions from one thread at a time; bursts as their comments say.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "airlock_window_proto.h"

struct airlock_window;

/**
 * Open the window of a guest that is this process.
 *
 * @param socket   the VM's window socket, `<run-dir>/<vm>.window`
 * @param pool     the pool's file; NULL: `pool` in the socket's directory
 * @param wait_ms  how long to wait for airlockd to listen
 * @return the window, to be given to airlock_window_close(); NULL with rte_errno EINVAL (a path too
 *         long, or a layout that makes no sense), ENOENT, EACCES (of the file), ESTALE (the file is
 *         not the one that airlockd uses), or what airlock_window_agent_open() and
 *         airlock_window_agent_serve() say; the cause is logged
 */
struct airlock_window *airlock_window_open_process(
	const char *socket, const char *pool, uint32_t wait_ms);

/**
 * Open the window of a guest that is a VM: BAR 2 of an ivshmem device.
 *
 * Waits, without end, until airlockd has shown the window's last page, in which the layout stands.
 * Needs IOVA mode PA, because what is posted is the BAR's address as the VM sees it.
 *
 * @param address  PCI address of the device, as in sysfs; NULL: the only one there is
 * @return the window, to be given to airlock_window_close(); NULL with rte_errno EINVAL (what is in
 *         the BAR is no pool, or not of this version), ENODEV (there is no such device), EEXIST
 *         (there are several), ENOTSUP (not IOVA mode PA), or what open(2), read(2) and mmap(2)
 *         say; the cause is logged
 */
struct airlock_window *airlock_window_open_pci(const char *address);

/** Close; its mempools must be gone, and the ports that used them stopped. NULL is ignored. */
void airlock_window_close(struct airlock_window *window);

/** How the window is cut. Valid until the window is closed. Any thread. */
const struct airlock_window_layout *airlock_window_layout(const struct airlock_window *window);

/** Whether an address lies in the window. Any thread. */
bool airlock_window_contains(const struct airlock_window *window, const void *addr);

/** What airlock_window_rx_pool_create() makes. */
struct airlock_window_rx_pool_conf {
	const char *name; /**< of the mempool */
	uint16_t queue_id; /**< RX queue: the pool has the frames of this partition */
	uint16_t nb_desc; /**< of the RX ring */
	uint16_t nb_posted_private; /**< private buffers that shall be in the ring; 0: a quarter */
	uint32_t nb_private; /**< private buffers in all; 0: as many as there are descriptors */
	uint16_t priv_size; /**< of each mbuf's private area; a multiple of RTE_MBUF_PRIV_ALIGN */
	int socket_id; /**< of private buffers and mbufs */
};

/**
 * Create a mempool to receive into: mbufs with the frames of a partition, and mbufs with buffers of
 * the same size in this program's own memory, which airlockd copies small packets into.
 *
 * An mbuf is tied to its buffer for good (a pinned external buffer); data begins at frame + 128.
 * The pool hands out private mbufs until *nb_posted_private* of them are out, then frames, the one
 * freed last first, then private mbufs again: so both are in the ring at any time.
 *
 * net_virtio refills a ring with all that is missing or not at all. A pool must therefore hold more
 * than the ring; what it holds beyond is what the program may keep for itself.
 *
 * @return the pool, to be given to rte_mempool_free(); NULL with rte_errno ENOENT (there is no such
 *         partition), EINVAL (the private area), ENOSPC (too few private buffers to keep the ring
 *         full; logged), ENOMEM, or what rte_mempool_create_empty() and
 *         rte_mempool_set_ops_byname() say
 */
struct rte_mempool *airlock_window_rx_pool_create(
	struct airlock_window *window, const struct airlock_window_rx_pool_conf *conf);

/**
 * Counters of such a pool. What is not in the pool is posted, held by the program, or in an lcore's
 * cache.
 */
struct airlock_window_rx_pool_stats {
	uint32_t nb_frames; /**< frames of the window */
	uint32_t nb_private;
	uint32_t frames_in_pool;
	uint32_t private_in_pool;
};

/** Read the counters. Any thread. @param pool made by airlock_window_rx_pool_create() */
void airlock_window_rx_pool_stats(
	struct rte_mempool *pool, struct airlock_window_rx_pool_stats *stats);

/** A TX queue that transmits nothing from the window. */
struct airlock_window_tx;

/** Counters of a TX queue; the thread that transmits writes them. */
struct airlock_window_tx_stats {
	uint64_t packets; /**< copied */
	uint64_t bytes;
	uint64_t short_bursts; /**< bursts that were cut for want of memory for copies */
};

/**
 * Guard a TX queue: packets in frames of the window are replaced by copies, and so are packets in
 * private buffers of a receive pool that runs low.
 *
 * The back end would send zeros: what stands in a frame that a guest names need not be the guest's,
 * so airlockd keeps the pool out of what it reads for transmission. A physical device cannot read
 * there, either, as pinning a dark page for its DMA stalls. And with the copy the frame is free at
 * once, and not when the packet has been transmitted.
 *
 * @param nb_desc    of the TX ring
 * @param socket_id  of the copies
 * @return the guard, to be given to airlock_window_tx_destroy(); NULL with rte_errno ENOMEM or
 *         EEXIST (there is a guard of this name)
 */
struct airlock_window_tx *airlock_window_tx_create(struct airlock_window *window, uint16_t port_id,
	uint16_t queue_id, uint16_t nb_desc, int socket_id);

/**
 * Make it part of the queue: from now on rte_eth_tx_burst() calls airlock_window_tx_burst(). The
 * queue has been set up, and nobody transmits. Once more after each time that the port is
 * configured.
 *
 * @return 0; -EINVAL (there is no such queue); -ENOTSUP (a DPDK without callbacks); -ENOMEM
 */
int airlock_window_tx_attach(struct airlock_window_tx *tx);

/**
 * Replace packets by copies where that is needed. The thread that transmits on the queue.
 *
 * @param mbufs  n packets; one that is replaced has been freed
 * @return packets from the first on that may be transmitted; with less than n there was no memory
 *         to copy the next one, and the rest are unchanged and still the caller's
 */
uint16_t airlock_window_tx_burst(struct airlock_window_tx *tx, struct rte_mbuf **mbufs, uint16_t n);

/** Read the counters. Any thread. */
void airlock_window_tx_stats(
	const struct airlock_window_tx *tx, struct airlock_window_tx_stats *stats);

/** Free; nobody transmits, and all copies are back. NULL is ignored. */
void airlock_window_tx_destroy(struct airlock_window_tx *tx);

#endif /* AIRLOCK_WINDOW_H */
