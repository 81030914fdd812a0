/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_PIPELINE_H
#define AIRLOCK_PIPELINE_H

/**
 * @file
 * The switch: uplinks, VMs, and the lcores that move packets between them.
 *
 * An lcore runs stages: *rx* takes packets from uplink queues and classifies them, *tx* takes them
 * out of VMs and classifies them, *handoff* gives them to VMs. An lcore that runs all three runs a
 * packet to completion; where another lcore owns the destination, the packet goes to it by a ring.
 *
 * Thread rule: control threads call everything here, one at a time where the text does not say
 * otherwise; readers of statistics may be any thread at any time. No caller may be an lcore.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include <airlock_capture.h>
#include <airlock_fdb.h>
#include <airlock_handoff.h>
#include <airlock_page.h>
#include <airlock_pool.h>
#include <airlock_stats.h>
#include <airlock_uplink.h>
#include <airlock_vnic.h>

/** Packets in a burst at most. */
#define AIRLOCK_BURST 64
/** Lcores that run stages, at most. */
#define AIRLOCK_PIPELINE_MAX_LCORES 64

/** Least burst of a rate, in bytes: the longest packet, not yet segmented, has 65549. */
#define AIRLOCK_LIMIT_MIN_BURST 100000
/** Highest rate, in bits a second. */
#define AIRLOCK_LIMIT_MAX_BPS 1000000000000

struct airlock_pipeline;

/** What an lcore can be told to do. */
enum airlock_stage {
	AIRLOCK_STAGE_RX,
	AIRLOCK_STAGE_HANDOFF,
	AIRLOCK_STAGE_TX,
	AIRLOCK_STAGE_MAX,
};

/** Where an lcore's cycles go. */
enum airlock_work {
	AIRLOCK_WORK_RX, /**< receiving from uplinks */
	AIRLOCK_WORK_TX, /**< taking out of VMs, checking offload requests */
	AIRLOCK_WORK_CLASSIFY, /**< finding the destination */
	AIRLOCK_WORK_HANDOFF, /**< giving to VMs, uplinks and other lcores */
	AIRLOCK_WORK_MAX,
};

/** What lcores do that find no packets; times are microseconds without a packet. */
struct airlock_idle {
	bool adaptive; /**< else they poll for ever, and the rest is not used */
	uint32_t pause_us; /**< then they pause between rounds */
	uint32_t sleep_us; /**< then they take short naps; not less than pause_us */
	uint32_t wait_us; /**< then they wait to be woken; not less than sleep_us */
};

/** Who may use a socket that airlock makes. */
struct airlock_socket_access {
	uint32_t uid; /**< of its owner; UINT32_MAX: as it was made */
	uint32_t gid; /**< of its group; UINT32_MAX: as it was made */
	uint16_t mode; /**< as of chmod(2) */
};

struct airlock_pipeline_conf {
	struct airlock_pool *pool;
	const unsigned int *lcore_ids; /**< EAL lcores that run stages */
	uint16_t nb_lcores; /**< 1 to AIRLOCK_PIPELINE_MAX_LCORES */
	uint32_t retries; /**< further tries on a full VM ring */
	/** Shortest packet that VMs get by remap: bytes, or an AIRLOCK_COPY_BELOW_*. */
	uint32_t copy_below;
	const struct airlock_cost *cost; /**< of this host, copied; NULL: no VM has a window */
	struct airlock_idle idle;
	/** Of VMs' sockets that airlock makes, copied; NULL: as they are made. */
	const struct airlock_socket_access *socket_access;
};

struct airlock_pipeline_uplink {
	uint16_t port_id;
	uint16_t nb_queues;
	uint16_t nb_desc;
	uint16_t mtu;
	uint32_t storm_pps; /**< flooded packets a second taken from it; 0: no limit */
};

/**
 * Limits of a VM; what is above one is dropped. They are the VM's, over all queues and lcores.
 *
 * Bytes are those of the frame as the VM has it: from the destination address to the end of the
 * payload, without FCS and without the VLAN tag of the uplink. A packet that is still to be
 * segmented counts once.
 */
struct airlock_limits {
	uint64_t rx_bps; /**< bits a second for the VM, to AIRLOCK_LIMIT_MAX_BPS; 0: no limit */
	uint64_t rx_burst_bytes; /**< AIRLOCK_LIMIT_MIN_BURST and more; 0: 10 ms, or that */
	uint64_t tx_bps; /**< bits a second from the VM */
	uint64_t tx_burst_bytes;
	uint32_t storm_pps; /**< flooded packets a second that it may send; 0: no limit */
};

/** Where a VM is in the network. */
struct airlock_pipeline_vm_net {
	struct rte_ether_addr mac;
	uint16_t vlan_id; /**< 0: untagged */
	uint16_t uplink_id; /**< as airlock_pipeline_add_uplink() returned it */
	bool antispoof; /**< drop what it sends from another MAC */
};

/** Which of a VM's packets are mirrored. */
enum airlock_mirror_direction {
	AIRLOCK_MIRROR_BOTH,
	AIRLOCK_MIRROR_RX, /**< for the VM */
	AIRLOCK_MIRROR_TX, /**< from it */
};

struct airlock_pipeline_vm {
	const char *name; /**< 1 to 31 characters */
	const char *socket;
	bool server;
	uint16_t nb_queues;
	struct airlock_pipeline_vm_net net;
	struct airlock_limits limits;
	enum airlock_deliver deliver; /**< other than COPY: the VM has a window */
	const char *window; /**< socket of the window; NULL without one */
	const char *record; /**< file for what outlives airlock of the RX rings; NULL: none */
	uint32_t quota_pages; /**< that it may hold; 0: a fair share */
	enum airlock_stray stray; /**< what becomes of a guest that touches a hidden page */
	const char *device; /**< PCI address of one that works for the VM; NULL: none */
	const char *device_socket; /**< where that is to be had */
	enum airlock_iommu iommu;
};

/** A stage's queues: of all objects, of one, or one queue. */
struct airlock_pipeline_share {
	uint16_t lcore_idx; /**< into the conf's lcore_ids */
	enum airlock_stage stage;
	bool all; /**< every object */
	uint16_t uplink_id; /**< rx */
	char vm[AIRLOCK_VNIC_NAME_MAX]; /**< handoff, tx: name, whether it is there or not */
	bool all_queues;
	uint16_t queue_id;
};

/** A VM as control threads see it. */
struct airlock_pipeline_vm_stats {
	char name[AIRLOCK_VNIC_NAME_MAX];
	struct rte_ether_addr mac;
	uint16_t vlan_id;
	uint16_t uplink_id;
	uint16_t nb_queues;
	bool up;
	uint64_t features;
	uint64_t nb_connects;
	uint64_t nb_memory_lost; /**< times that its memory was gone while it was used */
	struct airlock_limits limits;
	char mirror[AIRLOCK_VNIC_NAME_MAX]; /**< VM that gets copies; empty: none */
	enum airlock_mirror_direction mirror_direction;
	enum airlock_deliver deliver;
	struct airlock_remap_stats window; /**< all zeroes without a window */
	struct airlock_flow_value delivered; /**< into the VM */
	struct airlock_flow_value taken; /**< out of the VM */
	struct airlock_drops_value rx_drops; /**< of packets for the VM */
	struct airlock_drops_value tx_drops; /**< of packets from the VM, before a destination was
						  found */
	struct {
		struct airlock_flow_value delivered;
		struct airlock_flow_value taken;
		struct airlock_drops_value rx_drops;
	} queues[AIRLOCK_VNIC_MAX_QUEUES];
};

/** An uplink as control threads see it. */
struct airlock_pipeline_uplink_stats {
	struct airlock_uplink_setup setup;
	enum airlock_uplink_state state;
	struct airlock_flow_value received;
	struct airlock_flow_value sent;
	struct airlock_drops_value
		rx_drops; /**< of packets from it, before a destination was found */
	struct airlock_drops_value tx_drops; /**< of packets for it */
	struct airlock_uplink_hw_stats hw;
};

/** An lcore as control threads see it. */
struct airlock_pipeline_lcore_stats {
	unsigned int lcore_id;
	bool stages[AIRLOCK_STAGE_MAX];
	uint16_t nb_rx_queues; /**< uplink queues that it polls now */
	uint16_t nb_tx_queues; /**< VM queues that it polls now */
	uint64_t iterations;
	uint64_t idle_iterations;
	uint64_t busy_tsc; /**< cycles of iterations that moved a packet */
	uint64_t idle_tsc;
	uint64_t sleeps; /**< naps and waits */
	uint64_t sleep_tsc; /**< cycles of idle_tsc that it slept */
	struct {
		uint64_t packets;
		uint64_t tsc;
	} work[AIRLOCK_WORK_MAX];
	uint64_t bursts[AIRLOCK_BURST + 1]; /**< bursts taken, by number of packets, 1 and more */
	struct airlock_drops_value drops; /**< of packets whose VM was deleted, or is unknown */
	uint64_t inbox; /**< packets waiting in its ring */
};

/**
 * All that went in against all that came out.
 *
 * received + parts = delivered + dropped + split + in_flight, exactly, while the lcores rest.
 */
struct airlock_pipeline_balance {
	uint64_t received; /**< from uplinks and VMs */
	uint64_t split; /**< packets that became several: flooded, segmented */
	uint64_t parts; /**< what those became */
	uint64_t delivered; /**< to VMs and uplinks */
	uint64_t dropped; /**< for all reasons */
	uint64_t in_flight; /**< in rings between lcores */
};

/**
 * Create a pipeline of resting lcores.
 *
 * @return the pipeline, to be given to airlock_pipeline_destroy(); NULL with rte_errno EINVAL or
 *         ENOMEM
 */
struct airlock_pipeline *airlock_pipeline_create(const struct airlock_pipeline_conf *conf);

/** Destroy, with its uplinks and VMs; it must have been stopped. NULL is ignored. */
void airlock_pipeline_destroy(struct airlock_pipeline *pipeline);

/**
 * Add an uplink, before the start.
 *
 * @return its identifier, counted from 0; -ENOSPC, or what airlock_uplink_create() said
 */
int airlock_pipeline_add_uplink(
	struct airlock_pipeline *pipeline, const struct airlock_pipeline_uplink *conf);

/**
 * Add a VM, at any time. Nobody can connect before airlock_pipeline_start().
 *
 * @return its identifier, 0 to AIRLOCK_FDB_MAX_VMS - 1; -EEXIST (MAC in the domain, or socket),
 *         -ENOSPC, -ENOMEM, -EINVAL, or what airlock_vnic_start() or airlock_dmatable_start() said
 */
int airlock_pipeline_add_vm(
	struct airlock_pipeline *pipeline, const struct airlock_pipeline_vm *conf);

/**
 * Give a VM other limits, at any time. One that stays the same goes on as it was.
 *
 * @return 0; -ENOENT; -ENOMEM with the limits as they were
 */
int airlock_pipeline_limit_vm(
	struct airlock_pipeline *pipeline, uint16_t vm_id, const struct airlock_limits *limits);

/**
 * Have copies of a VM's packets delivered to another VM, at any time, in place of what was before.
 *
 * For the VM are those that are within its limit, whether its ring then has room or not; from the
 * VM those that are within its limit and not refused. The copies are as the VM has them, untagged,
 * whatever VLAN and uplink the other one has, and are subject to that one's own limit. A VM that is
 * mirrored gets no copies, and one that gets copies is not mirrored. If it is deleted, the mirror
 * ends.
 *
 * @param to_id  the one that gets the copies; negative: nobody
 * @return 0; -ENOENT; -EINVAL: to itself; -ELOOP: a mirror of a mirror. On error nothing has
 *         changed.
 */
int airlock_pipeline_mirror_vm(struct airlock_pipeline *pipeline, uint16_t vm_id, int to_id,
	enum airlock_mirror_direction direction);

/** Delete a VM, at any time. @return 0, or -ENOENT */
int airlock_pipeline_del_vm(struct airlock_pipeline *pipeline, uint16_t vm_id);

/**
 * Give a VM another place in the network, at any time: all of it at once.
 *
 * A packet for the place before and one for the new place both find the VM meanwhile, so neither it
 * nor another loses one by the change. On return no lcore uses what was before.
 *
 * @return 0; -ENOENT; -EEXIST (MAC in the domain); -EINVAL; -ENOSPC; -ENOMEM. On error nothing has
 *         changed.
 */
int airlock_pipeline_set_vm_net(struct airlock_pipeline *pipeline, uint16_t vm_id,
	const struct airlock_pipeline_vm_net *net);

/**
 * Give a VM another quota, at any time; of no use to one without a window.
 *
 * A VM that holds more than its new quota keeps that, and gets no more before it has released it.
 *
 * @return 0, or -ENOENT
 */
int airlock_pipeline_set_vm_quota(
	struct airlock_pipeline *pipeline, uint16_t vm_id, uint32_t quota_pages);

/**
 * Deliver to a VM in another way, at any time.
 *
 * @return 0; -ENOENT; -ENOTSUP: COPY for a VM with a window, or another way for one without
 */
int airlock_pipeline_set_vm_deliver(
	struct airlock_pipeline *pipeline, uint16_t vm_id, enum airlock_deliver deliver);

/**
 * Treat a guest that touches hidden pages in another way from now on, at any time; of no use to a
 * VM without a window.
 *
 * @return 0, or -ENOENT
 */
int airlock_pipeline_set_vm_stray(
	struct airlock_pipeline *pipeline, uint16_t vm_id, enum airlock_stray stray);

/**
 * Tell an lcore what to run, before the start. What nobody is told to run is spread evenly over the
 * lcores that run the stage for all; with no share at all, every lcore runs all stages.
 *
 * @return 0; -EINVAL (out of range); -EEXIST (another lcore was told so already; or this one, to
 *         run the stage for all)
 */
int airlock_pipeline_share(
	struct airlock_pipeline *pipeline, const struct airlock_pipeline_share *share);

/**
 * Start uplinks, lcores and sockets.
 *
 * @return 0; -EINVAL: a queue that no lcore runs (logged); or what an uplink or socket said. On
 *         error nothing runs.
 */
int airlock_pipeline_start(struct airlock_pipeline *pipeline);

/**
 * Stop: take no more packets, let those under way arrive, then rest.
 *
 * Afterwards statistics and balance are exact.
 */
void airlock_pipeline_stop(struct airlock_pipeline *pipeline);

/** Look at the links, correct the thresholds of remap; a control thread, about once a second. */
void airlock_pipeline_poll(struct airlock_pipeline *pipeline);

/** Number of uplinks; identifiers are 0 to that. */
uint16_t airlock_pipeline_nb_uplinks(const struct airlock_pipeline *pipeline);

/** What copying and remapping cost on this host; NULL: no VM can have a window. */
const struct airlock_cost *airlock_pipeline_cost(const struct airlock_pipeline *pipeline);

/** Number of lcores; indexes are 0 to that. */
uint16_t airlock_pipeline_nb_lcores(const struct airlock_pipeline *pipeline);

/** The pool. */
const struct airlock_pool *airlock_pipeline_pool(const struct airlock_pipeline *pipeline);

/** Its captures; each waits for, and is looked at by, the pipeline's lcores. */
struct airlock_captures *airlock_pipeline_captures(const struct airlock_pipeline *pipeline);

/** Where a VM's packets pass, until it is deleted. @return NULL: there is no such VM */
const struct airlock_point *airlock_pipeline_vm_point(
	struct airlock_pipeline *pipeline, uint16_t vm_id);

/** Where an uplink's packets pass. @param uplink_id less than airlock_pipeline_nb_uplinks() */
const struct airlock_point *airlock_pipeline_uplink_point(
	const struct airlock_pipeline *pipeline, uint16_t uplink_id);

/** The first VM whose identifier is *from* or more. @return identifier, or -ENOENT */
int airlock_pipeline_next_vm(struct airlock_pipeline *pipeline, unsigned int from);

/** The VM of a name. @return identifier, or -ENOENT */
int airlock_pipeline_find_vm(struct airlock_pipeline *pipeline, const char *name);

/** @return 0, or -ENOENT */
int airlock_pipeline_vm_stats(
	struct airlock_pipeline *pipeline, uint16_t vm_id, struct airlock_pipeline_vm_stats *stats);

/** @param uplink_id less than airlock_pipeline_nb_uplinks() */
void airlock_pipeline_uplink_stats(const struct airlock_pipeline *pipeline, uint16_t uplink_id,
	struct airlock_pipeline_uplink_stats *stats);

/** @param lcore_idx less than airlock_pipeline_nb_lcores() */
void airlock_pipeline_lcore_stats(struct airlock_pipeline *pipeline, uint16_t lcore_idx,
	struct airlock_pipeline_lcore_stats *stats);

/**
 * Hold what went in against what came out. Exact while the lcores rest, approximate while they run.
 *
 * @param balance  receives the figures; may be NULL
 * @return 0; -EBADMSG if they differ
 */
int airlock_pipeline_balance(
	struct airlock_pipeline *pipeline, struct airlock_pipeline_balance *balance);

/** What airlock_pipeline_verify() found. */
struct airlock_pipeline_verdict {
	struct airlock_pool_report pool;
	bool pool_agrees;
	uint32_t nb_windows; /**< that were looked at */
	uint32_t nb_wrong; /**< pages that differ, over all windows and devices */
	char vm[AIRLOCK_VNIC_NAME_MAX]; /**< whose table differs first; empty: none */
	struct airlock_dmatable_fault fault; /**< the first page there */
};

/**
 * Hold the pool's table against its mempools and what cards have, and against each VMM's page table
 * and each VM's device.
 *
 * The windows are exact while the lcores run, too (airlock_dmatable_verify()); for the pool see
 * airlock_pool_verify().
 *
 * @return 0; -EBADMSG: something differs; -EACCES: a VMM's page table may not be read
 */
int airlock_pipeline_verify(
	struct airlock_pipeline *pipeline, struct airlock_pipeline_verdict *verdict);

/** Let those have a socket who may. Any thread. @return 0, or -errno of chown(2) or chmod(2) */
int airlock_socket_allow(const char *path, const struct airlock_socket_access *access);

/** Name of a way to deliver: "auto". */
const char *airlock_deliver_name(enum airlock_deliver deliver);

/** Name of a mirror's direction: "both". */
const char *airlock_mirror_direction_name(enum airlock_mirror_direction direction);

/** Name of a stage: "rx". */
const char *airlock_stage_name(enum airlock_stage stage);

/** Name of a kind of work: "classify". */
const char *airlock_work_name(enum airlock_work work);

#endif /* AIRLOCK_PIPELINE_H */
