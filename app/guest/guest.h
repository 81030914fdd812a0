/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef GUEST_H
#define GUEST_H

/**
 * @file
 * The one window of a program that libairlock-guest.so is preloaded into, and what uses it.
 * preload.c calls this; guest.c (window and queues), report.c (telemetry).
 *
 * Thread rule: control functions, any thread.
 */

#include <stdint.h>

#include <rte_mempool.h>

#include <airlock_window.h>

/**
 * Choose the mempool of an RX queue.
 *
 * @param pool  the program's; replaced if the queue shall receive into the window
 * @return 0, or -errno: the queue cannot be set up as the environment asks; logged
 */
int guest_rx_queue(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id,
	struct rte_mempool **pool);

/** Guard a TX queue that has just been set up. @return 0 or -errno; logged */
int guest_tx_queue(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id);

/** The queues that use the window, for report.c. */
struct guest_queues {
	int port_id; /**< that receives into the window; -1: none yet */
	struct rte_mempool *rx_pools[AIRLOCK_WINDOW_MAX_PARTITIONS]; /**< by queue; NULL: not */
	struct airlock_window_tx **tx; /**< guards of TX queues, nb_tx of them */
	uint32_t nb_tx;
};

/** Look at the queues; no queue comes until guest_queues_put(). */
const struct guest_queues *guest_queues_get(void);
void guest_queues_put(void);

/** Have telemetry answer /airlock_guest. */
void report_start(void);

#endif /* GUEST_H */
