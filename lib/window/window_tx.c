/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Keeps packets in the window from being transmitted: they are copied, and their frames are free at
 * once. airlock_window.h says why (airlock_window_tx_create()).
 *
 * A packet is copied whole if any piece of it lies in the window, be it by an mbuf of a receive
 * pool or by one that is attached to such an mbuf. Pieces in a chain cannot be replaced one by one:
 * others may hold a reference to the piece in front, in which the link to the next one stands.
 *
 * A packet in a private buffer is sent as it is, but for one case. net_virtio frees what has been
 * transmitted only when its ring is full, so a ring may hold as many private buffers as it has
 * descriptors; and it refills an RX ring with all that is missing or not at all. A receive pool
 * that is not as large as all rings together would thus come to a standstill. So when a pool is low
 * its packets are copied, too.
 *
 * If there is no mbuf for a copy, the burst is cut short: what is left is the program's as if the
 * ring were full, and a program knows what to do then. To drop packets here would leave their
 * addresses in the array behind what is transmitted, where programs free what was not taken.
 *
 * Thread rule: bursts in the thread that transmits on the queue.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "window_priv.h"

#define CACHE_SIZE 32
/* The program's hands hold copies that the ring did not take. */
#define SPARE 256

struct airlock_window_tx {
	uintptr_t window_base;
	size_t window_bytes;
	struct rte_mempool *copies;
	const struct rte_eth_rxtx_callback *callback; /* control's; NULL: never attached */
	uint16_t port_id;
	uint16_t queue_id;
	/* Written by the thread that transmits, read by any: relaxed, each figure by itself. */
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
	_Atomic uint64_t short_bursts;
};

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + n, memory_order_relaxed);
}

static bool
must_copy(const struct airlock_window_tx *tx, const struct rte_mbuf *mbuf)
{
	do {
		if ((uintptr_t)mbuf->buf_addr - tx->window_base < tx->window_bytes ||
			window_pool_is_low(mbuf))
			return true;
		mbuf = mbuf->next;
	} while (mbuf != NULL);
	return false;
}

/* rte_pktmbuf_copy() copies no packet without data. */
static struct rte_mbuf *
copy(const struct airlock_window_tx *tx, const struct rte_mbuf *mbuf)
{
	if (unlikely(mbuf->pkt_len == 0))
		return rte_pktmbuf_alloc(tx->copies);
	return rte_pktmbuf_copy(mbuf, tx->copies, 0, UINT32_MAX);
}

/* @return whether there was memory */
static bool
replace(struct airlock_window_tx *tx, struct rte_mbuf **mbuf)
{
	struct rte_mbuf *private = copy(tx, *mbuf);

	if (unlikely(private == NULL))
		return false;
	count(&tx->packets, 1);
	count(&tx->bytes, private->pkt_len);
	rte_pktmbuf_free(*mbuf);
	*mbuf = private;
	return true;
}

static uint16_t
replace_burst(struct airlock_window_tx *tx, struct rte_mbuf **mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (must_copy(tx, mbufs[i]) && !replace(tx, &mbufs[i]))
			return i;
	}
	return n;
}

uint16_t
airlock_window_tx_burst(struct airlock_window_tx *tx, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t nb_ready = replace_burst(tx, mbufs, n);

	if (likely(nb_ready == n))
		return n;
	/*
	 * A driver that is given no packet does not look for copies that have been transmitted, and
	 * the next burst would fare like this one.
	 */
	if (nb_ready == 0 && rte_eth_tx_done_cleanup(tx->port_id, tx->queue_id, 0) > 0)
		nb_ready = replace_burst(tx, mbufs, n);
	if (nb_ready < n)
		count(&tx->short_bursts, 1);
	return nb_ready;
}

static uint16_t
tx_callback(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n, void *arg)
{
	return airlock_window_tx_burst(arg, mbufs, n);
}

struct airlock_window_tx *
airlock_window_tx_create(struct airlock_window *window, uint16_t port_id, uint16_t queue_id,
	uint16_t nb_desc, int socket_id)
{
	struct airlock_window_tx *tx;
	char name[RTE_MEMPOOL_NAMESIZE];
	uint32_t nb_copies;

	tx = rte_zmalloc_socket("airlock_window_tx", sizeof(*tx), RTE_CACHE_LINE_SIZE, socket_id);
	if (tx == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	/* Data of one frame fits into one copy, so a packet without a chain gets none. */
	snprintf(name, sizeof(name), "airlock_tx_%u_%u", port_id, queue_id);
	nb_copies = nb_desc + SPARE + rte_lcore_count() * (CACHE_SIZE + CACHE_SIZE / 2);
	tx->copies = rte_pktmbuf_pool_create(name, nb_copies, CACHE_SIZE, 0,
		RTE_MIN(RTE_PKTMBUF_HEADROOM + window_frame_room(window), UINT16_MAX), socket_id);
	if (tx->copies == NULL) {
		WINDOW_LOG(ERR, "port %u, TX queue %u: no %u mbufs for copies: %s\n", port_id,
			queue_id, nb_copies, rte_strerror(rte_errno));
		rte_free(tx);
		return NULL;
	}
	tx->window_base = (uintptr_t)window->base;
	tx->window_bytes = window->bytes;
	tx->port_id = port_id;
	tx->queue_id = queue_id;
	return tx;
}

/* Whether a callback outlives the port that it was made for is ethdev's secret. */
static void
detach(struct airlock_window_tx *tx)
{
	if (tx->callback != NULL &&
		rte_eth_remove_tx_callback(tx->port_id, tx->queue_id, tx->callback) == 0)
		rte_free((void *)(uintptr_t)tx->callback);
	tx->callback = NULL;
}

int
airlock_window_tx_attach(struct airlock_window_tx *tx)
{
	detach(tx);
	tx->callback = rte_eth_add_tx_callback(tx->port_id, tx->queue_id, tx_callback, tx);
	return tx->callback != NULL ? 0 : -rte_errno;
}

void
airlock_window_tx_stats(const struct airlock_window_tx *tx, struct airlock_window_tx_stats *stats)
{
	*stats = (struct airlock_window_tx_stats){
		.packets = atomic_load_explicit(&tx->packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&tx->bytes, memory_order_relaxed),
		.short_bursts = atomic_load_explicit(&tx->short_bursts, memory_order_relaxed),
	};
}

void
airlock_window_tx_destroy(struct airlock_window_tx *tx)
{
	if (tx == NULL)
		return;
	detach(tx);
	rte_mempool_free(tx->copies);
	rte_free(tx);
}
