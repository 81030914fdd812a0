/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * An lcore's loop: uplink queues, VM queues, its inbox, and again.
 *
 * What to poll stands in a plan that control replaces as VMs come and go. An iteration reads the
 * plan once and ends in a quiescent state; so what control has taken out of the plan, the table of
 * VMs or the forwarding database may be freed once every lcore has passed one.
 *
 * Thread rule: runs on its lcore; no lock, heap, log or system call but what rte_vhost and the
 * ports do.
 */

#include "pipeline_priv.h"

/* Rounds with work between looks at what VMs gave back. */
#define WINDOW_POLL_ROUNDS 16

static uint32_t
poll_uplinks(struct lcore *lc, const struct plan *plan)
{
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
	uint32_t total = 0;

	for (uint16_t i = 0; i < plan->nb_rx; i++) {
		const struct plan_rx *rx = &plan->rx[i];
		uint16_t n;

		n = airlock_uplink_rx_burst(rx->port->uplink, rx->queue_id, mbufs, AIRLOCK_BURST);
		if (n == 0)
			continue;
		work_done(lc, AIRLOCK_WORK_RX, n);
		airlock_count(&lc->bursts[n], 1);
		classify_from_uplink(lc, rx->port, mbufs, n);
		total += n;
	}
	return total;
}

static uint32_t
poll_vms(struct lcore *lc, const struct plan *plan)
{
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
	uint32_t total = 0;

	for (uint16_t i = 0; i < plan->nb_tx; i++) {
		const struct plan_tx *tx = &plan->tx[i];
		uint16_t n;

		n = airlock_vnic_dequeue_burst(tx->vm->vnic, tx->queue_id, mbufs, AIRLOCK_BURST);
		if (n == 0)
			continue;
		work_done(lc, AIRLOCK_WORK_TX, n);
		airlock_count(&lc->bursts[n], 1);
		classify_from_vm(lc, tx->vm, tx->queue_id, mbufs, n);
		total += n;
	}
	return total;
}

static uint32_t
poll_inbox(struct lcore *lc)
{
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
	uint32_t n;

	n = rte_ring_sc_dequeue_burst(lc->inbox, (void **)mbufs, AIRLOCK_BURST, NULL);
	if (n == 0)
		return 0;
	deliver_from_inbox(lc, mbufs, n);
	work_done(lc, AIRLOCK_WORK_HANDOFF, n);
	return n;
}

/* What VMs gave back without packets having come for them. */
static void
poll_windows(const struct plan *plan)
{
	for (uint16_t i = 0; i < plan->nb_windows; i++)
		airlock_handoff_poll(plan->windows[i].remap, plan->windows[i].queue_id);
}

int
lcore_main(void *arg)
{
	struct lcore *lc = arg;
	struct rte_rcu_qsbr *qsv = lc->pipeline->qsv;
	uint64_t start, end;
	uint32_t rounds = 0;

	rte_rcu_qsbr_thread_register(qsv, lc->idx);
	rte_rcu_qsbr_thread_online(qsv, lc->idx);
	idle_start(lc);
	start = rte_rdtsc();
	while (!atomic_load_explicit(&lc->stop, memory_order_relaxed)) {
		/* Pairs with the exchange in plan_publish(). */
		const struct plan *plan = atomic_load_explicit(&lc->plan, memory_order_acquire);
		uint32_t moved;

		lc->work_start = start;
		moved = poll_uplinks(lc, plan);
		moved += poll_vms(lc, plan);
		moved += poll_inbox(lc);
		if (moved == 0 || ++rounds % WINDOW_POLL_ROUNDS == 0)
			poll_windows(plan);
		/* It may sleep: from here on the plan is no longer valid. */
		if (lc->idle.adaptive)
			idle_round(lc, plan, moved);
		rte_rcu_qsbr_quiescent(qsv, lc->idx);

		end = rte_rdtsc();
		airlock_count(&lc->iterations, 1);
		if (moved != 0) {
			airlock_count(&lc->busy_tsc, end - start);
		} else {
			airlock_count(&lc->idle_iterations, 1);
			airlock_count(&lc->idle_tsc, end - start);
		}
		start = end;
	}
	rte_rcu_qsbr_thread_offline(qsv, lc->idx);
	rte_rcu_qsbr_thread_unregister(qsv, lc->idx);
	return 0;
}
