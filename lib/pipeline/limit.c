/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Rate limits of VMs, a burst at a time: for a VM when it is known whose the packets are, and
 * before they go to the lcore that owns its ring; from a VM as they are taken out, before anything
 * else is looked at. What is over the limit is dropped; the rest closes up, in order.
 *
 * Thread rule: any lcore of the pipeline.
 */

#include "pipeline_priv.h"

static uint16_t
drop_over(struct lcore *lc, struct airlock_drops *drops, uint64_t passes, struct rte_mbuf **mbufs,
	uint16_t n, uint64_t *dropped_bytes)
{
	struct rte_mbuf *over[AIRLOCK_BURST];
	uint16_t nb_over = 0, kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if ((passes & RTE_BIT64(i)) != 0) {
			mbufs[kept++] = mbufs[i];
			continue;
		}
		*dropped_bytes += mbufs[i]->pkt_len;
		over[nb_over++] = mbufs[i];
	}
	if (nb_over > 0)
		drop(lc, drops, AIRLOCK_DROP_RATE, over, nb_over);
	return kept;
}

uint16_t
limit_rate(struct lcore *lc, struct vm *vm, enum limit limit, struct rte_mbuf **mbufs, uint16_t n,
	uint64_t *dropped_bytes)
{
	struct vm_block *block = &vm->blocks[lc->idx];
	struct policer *policer = policer_of(vm, limit);
	uint32_t costs[AIRLOCK_BURST];

	*dropped_bytes = 0;
	if (likely(policer == NULL))
		return n;
	for (uint16_t i = 0; i < n; i++)
		costs[i] = mbufs[i]->pkt_len;
	return drop_over(lc, limit == LIMIT_RX_RATE ? &block->rx_drops : &block->tx_drops,
		policer_pass(policer, rte_rdtsc(), costs, n), mbufs, n, dropped_bytes);
}
