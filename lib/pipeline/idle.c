/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What an lcore does that finds no packets: it polls on, then pauses between rounds, then takes
 * short naps, and then waits, in epoll_pwait2(2), until something wakes it: an interrupt of an
 * uplink queue, a guest's kick, or another thread that has put something into its inbox, changed
 * its plan or told it to stop. idle_watch.c is the control side.
 *
 * No wake-up is lost, because who sleeps looks once more after he said that he would: the lcore
 * arms all its sources, says that it is asleep, and goes round once more like any other time, with
 * the plan and the inbox as they are then; only if that finds nothing, it waits. A guest or a card
 * that has something after it was armed signals; another thread first puts what it has, then sees
 * the flag, and signals. Signals stay in the epoll instance until they are fetched (they are
 * edge-triggered, and their eventfds are never read), so one that comes before the wait ends it.
 *
 * Where a source cannot signal, such as a port without interrupts, no wait is longer than a nap.
 *
 * While it sleeps an lcore is offline for RCU: control does not wait for it. So afterwards nothing
 * that was read before is valid, the plan least of all.
 *
 * Thread rule: the lcore itself; idle_signal() any thread.
 */

#include <time.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <rte_pause.h>
#include <rte_power_intrinsics.h>

#include "pipeline_priv.h"

#define NAP_NS 100000
/* Between two looks at what VMs with a window gave back, which nothing signals. */
#define WINDOW_WAIT_MS 10
/* A driver that loses an interrupt costs so much, and not the link. */
#define UPLINK_WAIT_MS 100
/* With one instruction; else so many of rte_pause(). */
#define PAUSE_US  2
#define PAUSES	  16
#define EVENTS	  64
#define NS_PER_MS 1000000

static const struct timespec nap_span = {.tv_nsec = NAP_NS};

void
idle_start(struct lcore *lc)
{
	struct idle *idle = &lc->idle;

	if (!idle->adaptive)
		return;
	/* Naps of 100 us are 150 with the default slack of 50. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	idle->since_tsc = 0;
	idle->generation = 0;
	idle->armed = false;
	atomic_store_explicit(&idle->asleep, false, memory_order_relaxed);
}

void
idle_signal(struct lcore *lc)
{
	eventfd_write(lc->idle.eventfd, 1);
}

static void
pause_shortly(const struct idle *idle)
{
	if (idle->has_power_pause) {
		rte_power_pause(rte_rdtsc() + PAUSE_US * rte_get_tsc_hz() / US_PER_S);
		return;
	}
	for (unsigned int i = 0; i < PAUSES; i++)
		rte_pause();
}

static void
slept(struct lcore *lc, uint64_t start)
{
	airlock_count(&lc->sleeps, 1);
	airlock_count(&lc->sleep_tsc, rte_rdtsc() - start);
}

static void
nap(struct lcore *lc)
{
	uint64_t start = rte_rdtsc();

	rte_rcu_qsbr_thread_offline(lc->pipeline->qsv, lc->idx);
	nanosleep(&nap_span, NULL);
	rte_rcu_qsbr_thread_online(lc->pipeline->qsv, lc->idx);
	slept(lc, start);
}

/* From here on everything that comes signals; what is there already is found in the next round. */
static void
arm(struct lcore *lc, const struct plan *plan)
{
	struct idle *idle = &lc->idle;
	bool can_wait = true;

	atomic_store_explicit(&idle->asleep, true, memory_order_relaxed);
	for (uint16_t i = 0; i < plan->nb_tx; i++)
		can_wait &= airlock_vnic_arm(plan->tx[i].vm->vnic, plan->tx[i].queue_id);
	for (uint16_t i = 0; i < plan->nb_rx; i++)
		can_wait &= airlock_uplink_arm(plan->rx[i].port->uplink, plan->rx[i].queue_id);
	idle->can_wait = can_wait;
	idle->generation = plan->generation;
	idle->armed = true;
	/* Pairs with the fence in lcore_wake(), and with those of guests before they look. */
	atomic_thread_fence(memory_order_seq_cst);
}

static void
disarm(struct lcore *lc, const struct plan *plan)
{
	struct idle *idle = &lc->idle;

	for (uint16_t i = 0; i < plan->nb_tx; i++)
		airlock_vnic_disarm(plan->tx[i].vm->vnic, plan->tx[i].queue_id);
	for (uint16_t i = 0; i < plan->nb_rx; i++)
		airlock_uplink_disarm(plan->rx[i].port->uplink, plan->rx[i].queue_id);
	idle->generation = 0;
	idle->armed = false;
	atomic_store_explicit(&idle->asleep, false, memory_order_relaxed);
}

/* A poll may have found nothing for other reasons than that there is nothing. */
static bool
is_pending(const struct plan *plan)
{
	for (uint16_t i = 0; i < plan->nb_tx; i++) {
		if (airlock_vnic_tx_pending(plan->tx[i].vm->vnic, plan->tx[i].queue_id))
			return true;
	}
	return false;
}

/* How long to wait at most; NULL: until something comes. */
static const struct timespec *
longest_wait(const struct idle *idle, const struct plan *plan)
{
	static const struct timespec for_window = {.tv_nsec = WINDOW_WAIT_MS * NS_PER_MS};
	static const struct timespec for_uplink = {.tv_nsec = UPLINK_WAIT_MS * NS_PER_MS};

	if (!idle->can_wait || is_pending(plan))
		return &nap_span;
	if (plan->nb_windows > 0)
		return &for_window;
	return plan->nb_rx > 0 ? &for_uplink : NULL;
}

static void
wait_for_signal(struct lcore *lc, const struct timespec *timeout)
{
	struct epoll_event events[EVENTS];
	struct idle *idle = &lc->idle;
	uint64_t start = rte_rdtsc();
	int n;

	rte_rcu_qsbr_thread_offline(lc->pipeline->qsv, lc->idx);
	n = epoll_pwait2(idle->epfd, events, EVENTS, timeout, NULL);
	rte_rcu_qsbr_thread_online(lc->pipeline->qsv, lc->idx);
	slept(lc, start);
	if (n == 0)
		return;
	/* More will come: poll for a while, and arm anew. */
	idle->since_tsc = rte_rdtsc();
	idle->generation = 0;
}

void
idle_round(struct lcore *lc, const struct plan *plan, uint32_t moved)
{
	struct idle *idle = &lc->idle;
	uint64_t now, empty_tsc;

	if (likely(moved != 0)) {
		idle->since_tsc = 0;
		if (unlikely(idle->armed))
			disarm(lc, plan);
		return;
	}
	now = rte_rdtsc();
	if (idle->since_tsc == 0)
		idle->since_tsc = now;
	empty_tsc = now - idle->since_tsc;
	if (empty_tsc < idle->pause_tsc)
		return;
	if (empty_tsc < idle->sleep_tsc)
		pause_shortly(idle);
	else if (empty_tsc < idle->wait_tsc)
		nap(lc);
	else if (idle->generation != plan->generation)
		arm(lc, plan);
	else
		wait_for_signal(lc, longest_wait(idle, plan));
}
