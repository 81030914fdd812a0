/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_UPLINK_H
#define AIRLOCK_UPLINK_H

/**
 * @file
 * An uplink: one Ethernet port of DPDK, with its queues, offloads and link state.
 *
 * The device of a port may vanish: it is unplugged, or taken back by its driver. The uplink is GONE
 * from then on, and whoever polls it sees to it that lcores leave it, has it let go of the device
 * (airlock_uplink_detach()), and asks for it (airlock_uplink_attach()) until it is there again.
 *
 * Thread rule: created, started, stopped, detached, attached and destroyed by the main thread; an
 * RX queue belongs to one lcore, a TX queue too; link state is written by one control thread (poll)
 * and the EAL's interrupt thread (events), and read by anybody.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_ethdev.h>

#include <airlock_pool.h>
#include <airlock_stats.h>

#define AIRLOCK_UPLINK_MAX_QUEUES 16
#define AIRLOCK_UPLINK_MIN_MTU	  68
/** Bytes on the wire that an MTU does not count and a frame must hold: header and two tags. */
#define AIRLOCK_UPLINK_OVERHEAD (RTE_ETHER_HDR_LEN + 2 * 4 + RTE_ETHER_CRC_LEN)
/** What fits a frame of 64 KiB: 65381. */
#define AIRLOCK_UPLINK_MAX_MTU (UINT16_MAX - RTE_PKTMBUF_HEADROOM - AIRLOCK_UPLINK_OVERHEAD)

enum airlock_uplink_state {
	AIRLOCK_UPLINK_DOWN, /**< no link */
	AIRLOCK_UPLINK_UP,
	AIRLOCK_UPLINK_GONE, /**< the device vanished */
};

struct airlock_uplink_conf {
	uint16_t port_id;
	uint16_t nb_rxq; /**< 1 to AIRLOCK_UPLINK_MAX_QUEUES */
	uint16_t nb_txq; /**< wished for; fewer if the port has fewer */
	uint16_t nb_desc; /**< descriptors of a queue; adjusted to what the port allows */
	uint16_t mtu; /**< bytes */
	bool interrupts; /**< prepare the port for them, if it has any */
	struct airlock_pool *pool; /**< frames for reception; mapped for the port's DMA */
};

/**
 * An uplink. Lcores may read its fields: all but *state* are written while no lcore has a queue of
 * it, at its creation and when it is attached again.
 */
struct airlock_uplink {
	uint16_t port_id;
	uint16_t nb_rxq;
	uint16_t nb_txq;
	uint16_t mtu;
	uint32_t max_frame_bytes; /**< longest packet that the MTU allows, without a tag */
	uint32_t tx_caps; /**< enum airlock_offload_cap */
	int socket_id;
	char name[RTE_ETH_NAME_MAX_LEN];
	struct airlock_point point; /**< "uplink PORT" */
	_Atomic enum airlock_uplink_state state; /**< see the file's thread rule */
	uint32_t interrupt_mask; /**< bit q: RX queue q can be armed; set while no plan has it */
	/* The rest is the library's, and the main thread's but for what lcores read. */
	struct airlock_pool *pool;
	bool dma_mapped;
	bool writes_exactly; /**< nothing but the packet, into a frame */
	bool interrupts; /**< the port was prepared for them */
	bool always_armed; /**< its interrupts need no enabling */
	struct airlock_uplink_conf conf; /**< to attach it again */
	char *probe; /**< what the device was probed with; NULL: it is not of a kind that returns */
	bool refused; /**< the device is back, and of no use: not before it was away again */
	struct rte_device *device; /**< NULL: let go of */
	bool is_watched; /**< among those that are told when their device is to go */
	TAILQ_ENTRY(airlock_uplink) next; /**< of these; under their lock */
	pthread_mutex_t port_lock; /**< what any thread asks for, against detach and attach */
	bool has_port; /**< under port_lock */
};

/** What the port itself counted. */
struct airlock_uplink_hw_stats {
	uint64_t missed; /**< packets it had no descriptor for */
	uint64_t rx_error; /**< packets it found broken */
	uint64_t no_page; /**< packets it had no page for */
	uint64_t tx_error; /**< packets it failed to send */
};

/** Which port it is, and what was set up. */
struct airlock_uplink_setup {
	uint16_t port_id;
	uint16_t nb_rxq;
	uint16_t nb_txq;
	uint16_t mtu; /**< bytes */
	char name[RTE_ETH_NAME_MAX_LEN];
};

/** Pages that a frame needs for an MTU: 1 to AIRLOCK_FRAME_MAX_PAGES. */
uint32_t airlock_uplink_frame_pages(uint16_t mtu);

/**
 * Pages that a frame needs for a port whatever its MTU, because its driver asks for so much room: 1
 * to AIRLOCK_FRAME_MAX_PAGES. @param info  the port's
 */
uint32_t airlock_uplink_port_pages(const struct rte_eth_dev_info *info);

/** Largest MTU that a port can be given, bytes. @param info  the port's */
uint16_t airlock_uplink_max_mtu(const struct rte_eth_dev_info *info);

/**
 * Configure a port; it does not receive yet.
 *
 * @return the uplink, to be given to airlock_uplink_destroy(); NULL with rte_errno ENODEV (no such
 *         port), EINVAL (more queues or a larger MTU than the port has), ENOMEM, or what the port
 *         answered. What was wrong is logged.
 */
struct airlock_uplink *airlock_uplink_create(const struct airlock_uplink_conf *conf);

/** Start receiving. @return 0 or what the port answered, logged */
int airlock_uplink_start(struct airlock_uplink *uplink);

/** Stop; no lcore may be in a burst. Frames in the port's rings return to the pool. */
void airlock_uplink_stop(struct airlock_uplink *uplink);

/**
 * Let go of the device of an uplink that is GONE; no lcore may have a queue of it.
 *
 * @return 0; -EAGAIN: to be called again a little later
 */
int airlock_uplink_detach(struct airlock_uplink *uplink);

/**
 * Take the device of an uplink that was detached, if it is there and on vfio-pci again, and start
 * receiving; the number of the port may be another one. The uplink stays GONE until
 * airlock_uplink_resume().
 *
 * @return 0; -ENODEV: it is not there; or what the port answered, logged
 */
int airlock_uplink_attach(struct airlock_uplink *uplink);

/** What lcores knew of the uplink before it was attached they have forgotten: it may be up. */
void airlock_uplink_resume(struct airlock_uplink *uplink);

/** Close the port and free. It must be stopped. NULL is ignored. */
void airlock_uplink_destroy(struct airlock_uplink *uplink);

/** Look at the link; log a change once. One control thread, about once a second. */
void airlock_uplink_poll(struct airlock_uplink *uplink);

/** Copy the set-up; that before or that after, while it is attached again. Any control thread. */
void airlock_uplink_setup_get(struct airlock_uplink *uplink, struct airlock_uplink_setup *setup);

/** What the port counted. Any control thread. */
void airlock_uplink_hw_stats(struct airlock_uplink *uplink, struct airlock_uplink_hw_stats *stats);

/**
 * The descriptor that gets readable when an RX queue has packets, if the queue can be armed.
 * Control, between the start of the port and the plans that have it.
 *
 * @return the port's own, to be watched edge-triggered; -1: the queue has no interrupts
 */
int airlock_uplink_interrupt_fd(const struct airlock_uplink *uplink, uint16_t queue_id);

/** Say whether an RX queue's interrupts are watched. Control, as above. */
void airlock_uplink_set_interrupt(struct airlock_uplink *uplink, uint16_t queue_id, bool watched);

/** State, for lcores and others. */
static inline enum airlock_uplink_state
airlock_uplink_state_get(const struct airlock_uplink *uplink)
{
	return atomic_load_explicit(&uplink->state, memory_order_relaxed);
}

/** Name of a state: "up". */
const char *airlock_uplink_state_name(enum airlock_uplink_state state);

/**
 * Receive a burst; its frames are HOST then.
 *
 * @return packets, which the caller owns
 */
uint16_t airlock_uplink_rx_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Make a burst of packets that fit tx_caps ready for this port.
 *
 * @return packets that are ready, from the first on. If those are not all, the port will never take
 *         the next one. The caller owns all of them.
 */
uint16_t airlock_uplink_prepare_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Send a burst of packets that airlock_uplink_prepare_burst() made ready.
 *
 * @return packets that the port took, from the first on; the caller owns the rest
 */
uint16_t airlock_uplink_tx_burst(
	struct airlock_uplink *uplink, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/**
 * Have the port interrupt at the next packet of an RX queue. For the lcore that owns it, which has
 * to look at the queue once more then.
 *
 * @return whether that will wake; also true of a port that vanished
 */
bool airlock_uplink_arm(struct airlock_uplink *uplink, uint16_t queue_id);

/** Have the port interrupt no more. For the lcore that owns the queue. */
void airlock_uplink_disarm(struct airlock_uplink *uplink, uint16_t queue_id);

#endif /* AIRLOCK_UPLINK_H */
