/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_VNIC_H
#define AIRLOCK_VNIC_H

/**
 * @file
 * A VM's virtual NIC: the back end of one vhost-user socket, by copy, over rte_vhost.
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

struct airlock_vnic_conf {
	const char *name; /**< for logs */
	const char *path; /**< of the socket */
	bool server; /**< listen; else connect, and again whenever the other side is back */
	uint16_t nb_queues; /**< queue pairs, 1 to AIRLOCK_VNIC_MAX_QUEUES */
	struct rte_mempool *frames; /**< that packets out of the VM are put into */
	struct airlock_page_table *pages; /**< the states of those frames */
	airlock_vnic_event_fn event;
	void *arg; /**< for *event* */
};

/** An RX ring's counters; the lcore that enqueues writes them. */
struct airlock_vnic_rx {
	struct airlock_flow delivered;
	struct airlock_drops drops; /**< of packets that came as far as this ring */
} __rte_cache_aligned;

/** A TX ring's counters; the lcore that dequeues writes them. */
struct airlock_vnic_tx {
	struct airlock_flow taken;
} __rte_cache_aligned;

/** What lcores look at. Written by rte_vhost's thread, but for the counters. */
struct airlock_vnic {
	_Atomic int vid; /**< rte_vhost's device; -1: the VM is not there. Written last (release) */
	_Atomic uint32_t rx_mask; /**< bit q: RX ring of pair q is enabled */
	_Atomic uint32_t tx_mask; /**< bit q: TX ring of pair q is enabled */
	_Atomic uint32_t caps; /**< enum airlock_offload_cap of the guest */
	struct rte_mempool *frames;
	struct airlock_page_table *pages;
	uint16_t nb_queues;
	struct airlock_vnic_rx rx[AIRLOCK_VNIC_MAX_QUEUES];
	struct airlock_vnic_tx tx[AIRLOCK_VNIC_MAX_QUEUES];
	/* The rest is the library's. */
	char name[AIRLOCK_VNIC_NAME_MAX];
	char path[AIRLOCK_VNIC_PATH_MAX];
	bool server;
	bool registered;
	_Atomic uint64_t features;
	_Atomic uint64_t nb_connects; /**< times that the VM came */
	_Atomic uint64_t down_tsc; /**< when it went last; 0: never */
	airlock_vnic_event_fn event;
	void *arg;
	TAILQ_ENTRY(airlock_vnic) next;
};

/**
 * Create a virtual NIC; nobody can connect yet.
 *
 * @return the NIC, to be given to airlock_vnic_destroy(); NULL with rte_errno ENOMEM, EINVAL (a
 *         value out of range), EEXIST (path in use by another NIC), or ENOSPC (rte_vhost takes no
 *         more sockets)
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

/**
 * Copy packets into the VM and kick it if it wants that.
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
bool airlock_vnic_is_too_long(const struct airlock_vnic *vnic, uint16_t queue_id);

/**
 * Take packets out of the VM, as it left them: see airlock_offload_accept().
 *
 * @return packets, which the caller owns; their frames are HOST. Nothing is counted.
 */
uint16_t airlock_vnic_dequeue_burst(
	struct airlock_vnic *vnic, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

#endif /* AIRLOCK_VNIC_H */
