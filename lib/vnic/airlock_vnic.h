/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_VNIC_H
#define AIRLOCK_VNIC_H

/**
 * @file
 * A VM's virtual NIC: the back end of one vhost-user socket, over rte_vhost. The RX rings of a VM
 * with a window are airlock's own to serve (airlock_rxring.h), so that pages can be handed over.
 *
 * Queue pairs are numbered from 0; pair q has the VM's RX ring at vring 2q and its TX ring at vring
 * 2q + 1 (VIRTIO 1.2, 5.1.2). Packets go *into* the VM by enqueue and come *out* by dequeue.
 *
 * Thread rule: created, started and destroyed by control threads. rte_vhost's thread tells of the
 * VM's coming and going through the conf's callbacks. A ring belongs to one lcore at a time: one
 * enqueues into the RX ring of a pair, one (the same or another) dequeues from its TX ring.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_mbuf.h>

#include <airlock_page.h>
#include <airlock_stats.h>

#include "airlock_rxring.h"

/** Queue pairs of a VM at most. */
#define AIRLOCK_VNIC_MAX_QUEUES 16
/** Bytes of a name, with its terminating zero. */
#define AIRLOCK_VNIC_NAME_MAX 32
/** Bytes of a socket's path, with its terminating zero: as many as sun_path has. */
#define AIRLOCK_VNIC_PATH_MAX 108

struct airlock_vnic;

/**
 * The VM came or went. In rte_vhost's thread.
 *
 * When the VM has gone, the callee must not return before no lcore is in a burst on this VM: what
 * the burst uses is freed afterwards.
 */
typedef void (*airlock_vnic_event_fn)(struct airlock_vnic *vnic, bool up, void *arg);

/**
 * Wait until every lcore has passed a quiescent state. In rte_vhost's thread, which may hold
 * rte_vhost's locks of this NIC's rings, or in the thread that sets a window: the callee must take
 * no lock that is held while rte_vhost's callbacks are waited for. Only for a NIC with a window:
 * into the RX rings of any other lcores copy by rte_vhost, and wait for those locks.
 */
typedef void (*airlock_vnic_quiesce_fn)(struct airlock_vnic *vnic, void *arg);

/**
 * What a TX ring can wake its lcore by has changed. In rte_vhost's thread, or in the one that stops
 * the NIC.
 *
 * @param fd  the ring's kick, an eventfd of airlock's own that nobody has to read; -1: of this ring
 *            there is none, but its lcore has to look at it
 * @param on  watch it from now on; else no more, and it is closed on return
 * @return 0, or -errno: it cannot be watched
 */
typedef int (*airlock_vnic_kick_fn)(
	struct airlock_vnic *vnic, uint16_t queue_id, int fd, bool on, void *arg);

struct airlock_vnic_conf {
	const char *name; /**< for logs */
	const char *path; /**< of the socket */
	bool server; /**< listen; else connect, and again whenever the other side is back */
	uint16_t nb_queues; /**< queue pairs, 1 to AIRLOCK_VNIC_MAX_QUEUES */
	struct rte_mempool *frames; /**< that packets out of the VM are put into */
	struct airlock_page_table *pages; /**< the states of those frames */
	airlock_vnic_event_fn event;
	bool window; /**< the VM may get one: airlock serves the RX rings, no VIRTIO_F_IN_ORDER */
	/** File for what is to outlive airlock of the RX rings of a *window*; NULL: nothing */
	const char *record;
	airlock_vnic_quiesce_fn quiesce; /**< needed with *window*, and only then */
	airlock_vnic_kick_fn kick; /**< NULL: lcores never sleep; needs *pool_ino* */
	/** The pool's file: rte_vhost gets no access to it. pool_ino 0: there is none */
	uint64_t pool_dev;
	uint64_t pool_ino;
	void *arg; /**< for *event*, *quiesce* and *kick* */
};

/** What is an RX ring's; the lcore that enqueues writes it. */
struct airlock_vnic_rx {
	struct airlock_flow delivered;
	struct airlock_drops drops; /**< of packets that came as far as this ring */
	_Atomic bool looks; /**< as that of a TX ring */
} __rte_cache_aligned;

/** What is a TX ring's; the lcore that dequeues writes it. */
struct airlock_vnic_tx {
	struct airlock_flow taken;
	_Atomic bool looks; /**< the lcore is looking at the ring itself; control reads */
} __rte_cache_aligned;

/**
 * An RX ring that airlock serves. Control writes (release) while no lcore has it; the lcore that
 * enqueues reads (acquire).
 */
struct airlock_vnic_ring {
	_Atomic(struct airlock_rxring *) engine; /**< NULL: none to use now */
	int callfd; /**< airlock's own copy; negative: none. Written before *engine* */
} __rte_cache_aligned;

struct vnic_rings;
struct vnic_guard;

/**
 * What lcores look at. Written by rte_vhost's thread, but for what is a ring's; a ring that the
 * guest broke is taken out of rx_mask by control, all rings of a VM whose memory is gone by whoever
 * finds that.
 */
struct airlock_vnic {
	_Atomic int vid; /**< rte_vhost's device; -1: the VM is not there. Written last (release) */
	_Atomic uint32_t rx_mask; /**< bit q: RX ring of pair q is enabled */
	_Atomic uint32_t tx_mask; /**< bit q: TX ring of pair q is enabled */
	_Atomic uint32_t caps; /**< enum airlock_offload_cap of the guest */
	_Atomic uint32_t kick_mask; /**< bit q: TX ring of pair q can be armed */
	_Atomic uint32_t look_mask; /**< bit q: RX ring of pair q can be looked at */
	struct rte_mempool *frames;
	struct airlock_page_table *pages;
	uint16_t nb_queues;
	struct airlock_vnic_rx rx[AIRLOCK_VNIC_MAX_QUEUES];
	struct airlock_vnic_tx tx[AIRLOCK_VNIC_MAX_QUEUES];
	struct airlock_vnic_ring rings[AIRLOCK_VNIC_MAX_QUEUES];
	struct airlock_point point; /**< "vm NAME"; never changes */
	struct vnic_rings *own; /**< never changes; NULL: rte_vhost serves the RX rings */
	/* The rest is the library's. */
	char name[AIRLOCK_VNIC_NAME_MAX];
	char path[AIRLOCK_VNIC_PATH_MAX];
	bool server;
	bool registered;
	_Atomic uint64_t features;
	_Atomic uint64_t nb_connects; /**< times that the VM came */
	_Atomic uint64_t down_tsc; /**< when it went last; 0: never */
	_Atomic uint64_t nb_refused; /**< VMs turned away because rte_vhost was shown the pool */
	bool refused; /**< the one that is connected is such a VM; rte_vhost's thread alone */
	uint32_t need_reply; /**< flag of the message that is handled; rte_vhost's thread alone */
	_Atomic int latest_vid; /**< of the connection that came last; rte_vhost's threads alone */
	uint64_t pool_dev;
	uint64_t pool_ino;
	struct vnic_guard *guard; /**< never changes */
	int kick_vid; /**< the device whose kicks are watched; -1: none. rte_vhost's thread */
	int kickfds[AIRLOCK_VNIC_MAX_QUEUES]; /**< airlock's own copies; -1: none. As kick_vid */
	airlock_vnic_event_fn event;
	airlock_vnic_quiesce_fn quiesce;
	airlock_vnic_kick_fn kick;
	void *arg;
	TAILQ_ENTRY(airlock_vnic) next;
};

/**
 * Create a virtual NIC; nobody can connect yet.
 *
 * @return the NIC, to be given to airlock_vnic_destroy(); NULL with rte_errno ENOMEM, EINVAL (a
 *         value out of range), EEXIST (path in use by another NIC), or ENOSPC (rte_vhost takes no
 *         more sockets)
 *
 * The first one takes SIGBUS: of an access to a VM's memory that is gone the VM is stopped, and the
 * access goes on; any other goes to whoever had the signal before. No thread that creates, stops or
 * polls a NIC, and no lcore, may block it.
 */
struct airlock_vnic *airlock_vnic_create(const struct airlock_vnic_conf *conf);

/**
 * Listen on the socket, or begin to connect to it.
 *
 * A socket that a dead process left behind is replaced in server mode.
 *
 * @return 0; -EADDRINUSE (server: somebody listens there, or it is no socket); -EIO (rte_vhost
 *         could not, and has logged why)
 */
int airlock_vnic_start(struct airlock_vnic *vnic);

/** Close the socket for good; calls *event* if the VM is there. Counters stay readable. */
void airlock_vnic_stop(struct airlock_vnic *vnic);

/** Stop if it was not stopped, and free. NULL is ignored. */
void airlock_vnic_destroy(struct airlock_vnic *vnic);

/** Features that the guest accepted (VIRTIO feature bits); 0 while it is not there. Any thread. */
uint64_t airlock_vnic_features(const struct airlock_vnic *vnic);

/** Whether the VM is there. Any thread. */
static inline bool
airlock_vnic_is_up(const struct airlock_vnic *vnic)
{
	return atomic_load_explicit(&vnic->vid, memory_order_relaxed) >= 0;
}

/**
 * RX rings that take packets now: bit q for pair q; 0 if the VM is not there. Any thread.
 */
static inline uint32_t
airlock_vnic_rx_mask(const struct airlock_vnic *vnic)
{
	if (!airlock_vnic_is_up(vnic))
		return 0;
	return atomic_load_explicit(&vnic->rx_mask, memory_order_relaxed);
}

/** What the guest can do with a packet (enum airlock_offload_cap). Any thread. */
static inline uint32_t
airlock_vnic_caps(const struct airlock_vnic *vnic)
{
	return atomic_load_explicit(&vnic->caps, memory_order_relaxed);
}

/** Where a VM's window is, and which frames each RX ring may post. */
struct airlock_vnic_window {
	uint64_t base; /**< its address in the VMM; 0: there is no window */
	uint64_t bytes;
	bool in_process; /**< the guest's descriptors hold addresses of the VMM */
	uint64_t owner; /**< see struct airlock_rxring_window */
	const struct airlock_page_partition *partitions; /**< of RX ring 0, 1, ...; copied */
	uint32_t nb_partitions; /**< rings that have none post no frames */
};

/**
 * The window came or went: frames that were posted before go back empty. Control, at any time, also
 * before the VM is there; not from a callback of this NIC. Waits for the lcores.
 *
 * @return 0; -ENOTSUP: the NIC was not made for a window
 */
int airlock_vnic_set_window(struct airlock_vnic *vnic, const struct airlock_vnic_window *window);

/**
 * Whether the VM may still read a packet that was put into this frame: also one that was put there
 * before airlock was killed. Any thread, for the NIC's life.
 */
bool airlock_vnic_was_given(const struct airlock_vnic *vnic, uint32_t frame);

/**
 * Look for a VM whose memory is gone, and for rings that the guest broke: log, and count those as
 * down. Control, once a second.
 */
void airlock_vnic_poll(struct airlock_vnic *vnic);

/** Whether the memory of the VM that is there is gone: down until it connects anew. Any thread. */
bool airlock_vnic_is_lost(const struct airlock_vnic *vnic);

/** Times that a VM's memory was gone while it was used. Any thread. */
uint64_t airlock_vnic_memory_lost(const struct airlock_vnic *vnic);

/** Buffers refused in an RX ring, by reason; 0 without a window. Any thread. */
uint64_t airlock_vnic_refused_buffers(
	const struct airlock_vnic *vnic, uint16_t queue_id, enum airlock_rxring_refusal refusal);

/**
 * The engine of an RX ring, for the lcore that owns the ring, until its next quiescent state.
 *
 * @return NULL: there is none to use (the NIC was not made for a window, the VM is not there, its
 *         ring is disabled or broken)
 */
static inline struct airlock_rxring *
airlock_vnic_rxring(struct airlock_vnic *vnic, uint16_t queue_id)
{
	/* Pairs with the store in vnic_ring.c, after the ring was attached. */
	struct airlock_rxring *engine =
		atomic_load_explicit(&vnic->rings[queue_id].engine, memory_order_acquire);

	if (unlikely(engine != NULL && airlock_rxring_is_broken(engine)))
		return NULL;
	return engine;
}

/**
 * Tell the guest that its RX ring has news, whether it wants to know or not; ends what
 * airlock_rxring_publish() asks for. The lcore that has airlock_vnic_rxring().
 */
void airlock_vnic_kick(struct airlock_vnic *vnic, uint16_t queue_id);

/**
 * Copy packets into the VM and kick it if it wants that. Of a NIC that was not made for a window;
 * the rings of any other are filled by airlock_vnic_rxring().
 *
 * @return packets copied, from the first on; all mbufs stay the caller's. Nothing is counted.
 */
uint16_t airlock_vnic_enqueue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Whether a packet that did not go into the ring never will: the guest takes one buffer a packet
 * (it has not negotiated mergeable buffers), and has posted some, so they are all too short.
 *
 * With mergeable buffers the answer is no: the guest may just have posted too few. For the lcore
 * that owns the ring, after airlock_vnic_enqueue_burst() took less than it was given.
 */
bool airlock_vnic_is_too_long(struct airlock_vnic *vnic, uint16_t queue_id);

/**
 * Take packets out of the VM, as it left them: see airlock_offload_accept().
 *
 * @return packets, which the caller owns; their frames are HOST. Nothing is counted.
 */
uint16_t airlock_vnic_dequeue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Have the guest kick when it next puts a packet into its TX ring. For the lcore that dequeues,
 * which has to look at the ring once more then: what is there already makes no kick.
 *
 * @return whether a kick will wake; also true of a ring that is not in use
 */
bool airlock_vnic_arm(struct airlock_vnic *vnic, uint16_t queue_id);

/** Have the guest kick no more. For the lcore that dequeues. */
void airlock_vnic_disarm(struct airlock_vnic *vnic, uint16_t queue_id);

/** Whether a TX ring that can be armed has packets. For the lcore that dequeues. */
bool airlock_vnic_tx_pending(struct airlock_vnic *vnic, uint16_t queue_id);

#endif /* AIRLOCK_VNIC_H */
