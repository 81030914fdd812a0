/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_PIPELINE_PRIV_H
#define AIRLOCK_PIPELINE_PRIV_H

/*
 * What the pipeline's files share. Control files: pipeline.c (life), vm.c (VMs), vm_set.c (what of
 * them may change), vm_window.c (their windows), policer.c (their limits), vm_mirror.c (their
 * mirrors), plan.c (who runs what), idle_watch.c (what wakes whom), hotplug.c (an uplink that
 * vanishes), totals.c (statistics). Datapath files: lcore.c (the loop), classify.c (whom for),
 * deliver.c (to a VM), flood.c (to many), send.c (to an uplink, to another lcore), limit.c (within
 * a limit), mirror.c (copies; mirror.h is theirs), idle.c (nothing to do).
 */

#include <pthread.h>
#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_mbuf_dyn.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <airlock_capture.h>
#include <airlock_handoff.h>
#include <airlock_offload.h>

#include "airlock_pipeline.h"
#include "policer.h"

#define NO_VM	 UINT16_MAX
#define NO_LCORE UINT16_MAX

/* Which of a VM's policers. */
enum limit {
	LIMIT_RX_RATE, /* bytes for the VM */
	LIMIT_TX_RATE, /* bytes from the VM */
	LIMIT_STORM, /* flooded packets from the VM */
	LIMIT_MAX,
};

/* An lcore's counters of one VM, beside those of the VM's rings. Writer: the lcore. */
struct vm_block {
	struct airlock_drops rx_drops;
	struct airlock_drops tx_drops;
} __rte_cache_aligned;

/* Where a VM is in the network. Immutable once published; control replaces and frees it. */
struct vm_net {
	uint16_t domain;
	uint16_t vlan_id;
	uint16_t uplink_id;
	bool antispoof;
	uint64_t mac_word; /* as in a key of the forwarding database, without the domain */
	struct rte_ether_addr mac;
};

/* A VM. Control writes all fields before it publishes the VM; what is _Atomic, and the quota, which
 * is control's alone, it may change afterwards (vm_set.c, policer.c). */
struct vm {
	uint16_t id;
	uint16_t stamp; /* differs from that of the VM that had the id before */
	_Atomic(struct vm_net *) net; /* control publishes, lcores read */
	struct airlock_vnic *vnic;
	struct airlock_receiver to; /* vnic, and with a window remap */
	struct airlock_dmatable *table; /* NULL: no window */
	char window_path[AIRLOCK_VNIC_PATH_MAX]; /* of its socket; control only */
	uint32_t quota_frames; /* 0: a fair share */
	pthread_mutex_t window_lock; /* of control threads: window and device come and go */
	struct airlock_pipeline *pipeline;
	uint16_t handoff_lcore[AIRLOCK_VNIC_MAX_QUEUES];
	uint16_t tx_lcore[AIRLOCK_VNIC_MAX_QUEUES];
	uint32_t local_mask[AIRLOCK_PIPELINE_MAX_LCORES]; /* queues that an lcore hands off to */
	struct vm_block *blocks; /* one an lcore */
	_Atomic(struct policer *)
		policers[LIMIT_MAX]; /* control publishes, lcores use; NULL: none */
	struct airlock_limits limits; /* control only, under the pipeline's lock */
	_Atomic uint64_t mirror; /* a struct mirror (mirror.h); control writes, lcores read */
};

/* An lcore's counters of one uplink. Writer: the lcore. */
struct port_block {
	struct airlock_flow received;
	struct airlock_flow sent;
	struct airlock_drops rx_drops;
	struct airlock_drops tx_drops;
} __rte_cache_aligned;

/* An uplink in the pipeline. Control writes all fields before the start, but for *absent*. */
struct port {
	uint16_t id;
	bool absent; /* control only: not in the plans, as its device has vanished */
	uint16_t nb_desc; /* of each of its rings */
	struct airlock_uplink *uplink;
	struct port_block *blocks; /* one an lcore */
	uint16_t rx_lcore[AIRLOCK_UPLINK_MAX_QUEUES];
	struct policer *storm; /* of flooded packets from it; NULL: no limit */
};

struct plan_rx {
	struct port *port;
	uint16_t queue_id;
};

struct plan_tx {
	struct vm *vm;
	uint16_t queue_id;
};

struct plan_window {
	struct airlock_remap *remap;
	uint16_t queue_id;
};

/* How an lcore idles. Control writes it before the start; what changes later says so. */
struct idle {
	bool adaptive; /* else it polls, and nothing below is used */
	bool has_power_pause;
	uint64_t pause_tsc; /* without packets for so long, it pauses */
	uint64_t sleep_tsc; /* then it naps */
	uint64_t wait_tsc; /* then it waits */
	int epfd; /* what wakes it; control adds and removes */
	int eventfd; /* in epfd; any thread writes, nobody reads */
	_Atomic bool asleep; /* the lcore sets it, who wakes it clears it: see lcore_wake() */
	/* The lcore's own. */
	uint64_t since_tsc; /* when it last found nothing after something; 0: it has just found */
	uint64_t generation; /* of the plan whose sources are armed; 0: they have to be armed */
	bool armed; /* guests and cards are asked to signal */
	bool can_wait; /* all of them will */
};

/* What an lcore polls. Immutable once published; control replaces and frees it. */
struct plan {
	uint64_t generation; /* no two plans have the same; from 1 */
	uint16_t nb_rx;
	uint16_t nb_tx;
	uint16_t nb_windows;
	struct plan_rx *rx;
	struct plan_tx *tx;
	struct plan_window *windows; /* RX rings of VMs with a window, for what they give back */
};

/* Where a packet in an lcore's inbox goes; a dynamic field of its mbuf. */
enum target_kind {
	TARGET_VM,
	TARGET_FLOOD,
	TARGET_UPLINK,
};

struct target {
	uint8_t kind;
	uint8_t queue_id; /* of a VM */
	uint16_t id; /* VM or uplink; for a flood the VM that sent it, or NO_VM */
	uint16_t stamp; /* of a VM */
	uint16_t domain; /* of a flood */
};

/* Packets of a burst for one VM. */
struct group {
	uint16_t vm_id;
	uint16_t n;
	struct rte_mbuf *mbufs[AIRLOCK_BURST];
};

/* An lcore. Its own unless a comment says otherwise. */
struct lcore {
	struct airlock_pipeline *pipeline;
	uint16_t idx;
	unsigned int lcore_id;
	_Atomic(struct plan *) plan; /* control publishes (release), the lcore reads (acquire) */
	_Atomic bool stop; /* control writes, the lcore reads */
	struct rte_ring *inbox; /* all lcores put, this one takes */
	struct airlock_handoff handoff;
	struct airlock_drops orphans; /* packets for VMs that were deleted meanwhile */
	uint64_t work_start; /* cycle count at the end of the last work */
	struct idle idle;

	/* A set of the groups of the burst at hand: group_of[] needs no clearing, as an entry
	 * counts only if the group that it names says so too. */
	uint16_t nb_groups;
	uint8_t group_of[AIRLOCK_FDB_MAX_VMS];
	struct group groups[AIRLOCK_BURST];

	/* Statistics, which control reads. */
	_Atomic uint64_t iterations;
	_Atomic uint64_t idle_iterations;
	_Atomic uint64_t busy_tsc;
	_Atomic uint64_t idle_tsc;
	_Atomic uint64_t sleeps;
	_Atomic uint64_t sleep_tsc; /* of idle_tsc */
	struct {
		_Atomic uint64_t packets;
		_Atomic uint64_t tsc;
	} work[AIRLOCK_WORK_MAX];
	_Atomic uint64_t bursts[AIRLOCK_BURST + 1];
} __rte_cache_aligned;

/* Counters of deleted VMs, so that the balance stays right. Control only. */
struct retired {
	uint64_t taken;
	uint64_t delivered;
	uint64_t dropped;
};

struct airlock_pipeline {
	struct airlock_pool *pool;
	struct airlock_fdb *fdb;
	struct rte_rcu_qsbr *qsv;
	struct airlock_captures *captures;
	int target_offset; /* of struct target in an mbuf */
	uint16_t nb_lcores;
	uint16_t nb_ports;
	bool running; /* control only */
	bool draining; /* control only: plans are empty */
	uint16_t next_stamp; /* control only */
	uint64_t generation; /* of the plans; control only, under the lock */
	uint32_t copy_below; /* control only */
	bool has_access; /* control only */
	struct airlock_socket_access socket_access; /* control only */
	bool has_cost; /* control only */
	struct airlock_cost cost; /* control only */
	_Atomic uint64_t
		handoff_mask; /* lcores that hand off to some VM; control adds, lcores read */
	struct lcore *lcores[AIRLOCK_PIPELINE_MAX_LCORES];
	struct port *ports[AIRLOCK_FDB_MAX_UPLINKS];
	_Atomic(struct vm *) vms[AIRLOCK_FDB_MAX_VMS]; /* control publishes, lcores read */
	pthread_mutex_t lock; /* of control threads, for plans and the table of VMs */
	struct airlock_pipeline_share *shares;
	uint16_t nb_shares;
	struct retired retired;
};

/* plan.c */
int plan_place(struct airlock_pipeline *pl);
int plan_place_vm(struct airlock_pipeline *pl, struct vm *vm);
int plan_publish(struct airlock_pipeline *pl);
void plan_free(struct plan *plan);

/* policer.c */
int port_limit(struct port *port, uint32_t storm_pps);
int vm_limit(struct vm *vm, const struct airlock_limits *limits);
void vm_limit_free(struct vm *vm);

/* vm.c */
void vm_event(struct airlock_vnic *vnic, bool up, void *arg);
int vm_start(struct vm *vm);

/* vm_set.c */
struct vm_net *vm_net_create(const struct airlock_pipeline_vm_net *conf);

/* vm_window.c */
uint32_t vm_window_quota(const struct airlock_pipeline *pl, uint32_t pages);
int vm_window_create(struct vm *vm, const struct airlock_pipeline_vm *conf);
void vm_window_down(struct vm *vm);
void vm_window_stop(struct vm *vm);
void vm_window_destroy(struct vm *vm);
void vm_window_share_quotas(struct airlock_pipeline *pl);
void vm_window_quiesce(void *arg);

/* totals.c */
void vm_stats_read(const struct vm *vm, struct airlock_pipeline_vm_stats *stats);

/* hotplug.c */
void port_poll(struct airlock_pipeline *pl, struct port *port);

/* lcore.c */
int lcore_main(void *arg);

/* idle.c */
void idle_start(struct lcore *lc);
void idle_round(struct lcore *lc, const struct plan *plan, uint32_t moved);
void idle_signal(struct lcore *lc);

/* idle_watch.c */
int idle_create(struct lcore *lc, const struct airlock_idle *conf);
void idle_destroy(struct lcore *lc);
void idle_watch_port(struct airlock_pipeline *pl, struct port *port);
int idle_kick(struct airlock_vnic *vnic, uint16_t queue_id, int fd, bool on, void *arg);

/* classify.c: each consumes all packets. */
void classify_from_uplink(struct lcore *lc, struct port *port, struct rte_mbuf **mbufs, uint16_t n);
void classify_from_vm(
	struct lcore *lc, struct vm *vm, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/* deliver.c: each consumes all packets. */
void deliver_burst(struct lcore *lc, const uint16_t *vm_ids, struct rte_mbuf **mbufs, uint16_t n);
void deliver_from_inbox(struct lcore *lc, struct rte_mbuf **mbufs, uint16_t n);
void deliver_copies(struct lcore *lc, struct vm *vm, struct rte_mbuf **mbufs, uint16_t n);

/* flood.c: consumes the packet. */
void flood(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, const struct vm *source,
	const struct vm_net *source_net);
void flood_local(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, uint16_t source_id);

/* limit.c */
uint16_t limit_rate(struct lcore *lc, struct vm *vm, enum limit limit, struct rte_mbuf **mbufs,
	uint16_t n, uint64_t *dropped_bytes);

/* send.c: each consumes all packets. */
void send_to_uplink(
	struct lcore *lc, struct port *port, uint16_t vlan_id, struct rte_mbuf **mbufs, uint16_t n);
void send_from_inbox(struct lcore *lc, struct port *port, struct rte_mbuf **mbufs, uint16_t n);
uint16_t send_to_lcore(struct lcore *lc, uint16_t lcore_idx, const struct target *target,
	struct rte_mbuf **mbufs, uint16_t n);

static inline struct target *
target_of(const struct airlock_pipeline *pl, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, pl->target_offset, struct target *);
}

/* Valid until the lcore's next quiescent state. Pairs with the store in vm.c. */
static inline struct vm *
vm_get(struct airlock_pipeline *pl, uint16_t vm_id)
{
	return atomic_load_explicit(&pl->vms[vm_id], memory_order_acquire);
}

/* NULL: no limit. Valid until the lcore's next quiescent state. Pairs with the exchange in
 * vm_limit(). */
static inline struct policer *
policer_of(const struct vm *vm, enum limit limit)
{
	return atomic_load_explicit(&vm->policers[limit], memory_order_acquire);
}

/* Valid until the lcore's next quiescent state. Pairs with the store in vm_set.c. */
static inline const struct vm_net *
vm_net_get(const struct vm *vm)
{
	return atomic_load_explicit(&vm->net, memory_order_acquire);
}

/*
 * After something was put where the lcore will find it: inbox, plan, stop. Any thread.
 *
 * The fence pairs with that in arm() (idle.c): either the lcore's last look finds what was put, or
 * it is seen here that the lcore sleeps. One of those who come at once signals.
 */
static inline void
lcore_wake(struct lcore *lc)
{
	if (likely(!lc->idle.adaptive))
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&lc->idle.asleep, memory_order_relaxed)) &&
		atomic_exchange_explicit(&lc->idle.asleep, false, memory_order_acq_rel))
		idle_signal(lc);
}

static inline struct rte_mempool *
frames_of(const struct airlock_pipeline *pl)
{
	return airlock_pool_mempool(pl->pool, 0);
}

static inline void
drop(struct lcore *lc, struct airlock_drops *drops, enum airlock_drop reason,
	struct rte_mbuf **mbufs, uint16_t n)
{
	airlock_capture_drop(lc->handoff.tap, drops, reason, mbufs, n);
	airlock_handoff_free(frames_of(lc->pipeline), mbufs, n);
}

/* The cycles since the last call went into *work*, or into polls that found nothing before it. */
static inline void
work_done(struct lcore *lc, enum airlock_work work, uint64_t packets)
{
	uint64_t now = rte_rdtsc();

	airlock_count(&lc->work[work].packets, packets);
	airlock_count(&lc->work[work].tsc, now - lc->work_start);
	lc->work_start = now;
}

#endif /* AIRLOCK_PIPELINE_PRIV_H */
