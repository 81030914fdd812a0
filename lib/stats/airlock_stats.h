/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_STATS_H
#define AIRLOCK_STATS_H

/**
 * @file
 * Counters that one lcore writes and anybody reads, and the names of all reasons for a drop.
 *
 * Thread rule: a counter has one writer, the lcore that owns the block it lies in; readers are
 * control threads. Relaxed loads and stores suffice: a reader sees a recent value of each counter,
 * never a torn one; sums over counters are exact once the lcores rest.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

/** Why a packet went no further. Every packet that airlock frees undelivered is counted in one. */
enum airlock_drop {
	AIRLOCK_DROP_RUNT, /**< shorter than an Ethernet header */
	AIRLOCK_DROP_TOO_LONG, /**< longer than the MTU, or than any buffer the VM posts */
	AIRLOCK_DROP_UNKNOWN_MAC, /**< from an uplink: no VM has this MAC and VLAN */
	AIRLOCK_DROP_NO_LISTENER, /**< broadcast or multicast that nobody else is there to get */
	AIRLOCK_DROP_SPOOFED, /**< from a VM: the source MAC is not the VM's */
	AIRLOCK_DROP_VLAN, /**< from a VM: carries a VLAN tag of its own */
	AIRLOCK_DROP_STORM, /**< broadcast or multicast above the source's limit */
	AIRLOCK_DROP_RATE, /**< above the rate limit of the VM that it is for, or from */
	AIRLOCK_DROP_BAD_OFFLOAD, /**< from a VM: offload request that does not fit the packet */
	AIRLOCK_DROP_NO_PAGE, /**< the pool had no page for a copy or a segment */
	AIRLOCK_DROP_LCORE_FULL, /**< the ring to the lcore that owns the destination was full */
	AIRLOCK_DROP_VM_DOWN, /**< the VM is not connected, or has no RX queue enabled */
	AIRLOCK_DROP_RING_FULL, /**< the VM posted too few buffers in its RX ring */
	AIRLOCK_DROP_QUOTA, /**< the VM holds all the pages that it may, and posted nothing else */
	AIRLOCK_DROP_UPLINK_DOWN, /**< the uplink has no link, or vanished */
	AIRLOCK_DROP_UPLINK_FULL, /**< the uplink's TX ring was full */
	AIRLOCK_DROP_MAX,
};

/** Packets and bytes of one direction. One writer. */
struct airlock_flow {
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
};

/** Bytes of a point's name, with its terminating zero. */
#define AIRLOCK_POINT_NAME_MAX 40

/** Which way a packet goes, seen from airlock. */
enum airlock_direction {
	AIRLOCK_IN, /**< from the VM, or received by the uplink */
	AIRLOCK_OUT, /**< to the VM, or sent by the uplink */
	AIRLOCK_DIRECTION_MAX,
};

/** Where packets come in and go out. Control writes it, before lcores see it. */
struct airlock_point {
	char name[AIRLOCK_POINT_NAME_MAX]; /**< "vm web", "uplink 0" */
	bool tags; /**< a packet's VLAN tag is part of it here */
};

/** Drops by reason, and whose they are. One writer. */
struct airlock_drops {
	_Atomic uint64_t by_reason[AIRLOCK_DROP_MAX];
	/** Where packets came in or would have gone out, or NULL. Control writes it once. */
	const struct airlock_point *point;
	enum airlock_direction direction;
};

/** The values of a struct airlock_flow or of a sum of several. */
struct airlock_flow_value {
	uint64_t packets;
	uint64_t bytes;
};

/** The values of a struct airlock_drops or of a sum of several. */
struct airlock_drops_value {
	uint64_t by_reason[AIRLOCK_DROP_MAX];
};

/**
 * Name of a reason, as in telemetry and tables: "unknown_mac".
 *
 * @param reason  less than AIRLOCK_DROP_MAX
 * @return a constant string
 */
const char *airlock_drop_name(enum airlock_drop reason);

/** Add *from* to *sum*. Any thread. */
void airlock_flow_sum(struct airlock_flow_value *sum, const struct airlock_flow *from);

/** Add *from* to *sum*. Any thread. */
void airlock_drops_sum(struct airlock_drops_value *sum, const struct airlock_drops *from);

/** All reasons of *drops* added up. Any thread. */
uint64_t airlock_drops_total(const struct airlock_drops_value *drops);

/** Say whose drops these are. Before lcores count. */
static inline void
airlock_drops_init(struct airlock_drops *drops, const struct airlock_point *point,
	enum airlock_direction direction)
{
	drops->point = point;
	drops->direction = direction;
}

/** Add *n* to a counter. Only its one writer. */
static inline void
airlock_count(_Atomic uint64_t *counter, uint64_t n)
{
	/* A single writer needs no read-modify-write instruction. */
	uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

/** Value of a counter. Any thread. */
static inline uint64_t
airlock_count_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/** Count *packets* packets of *bytes* bytes in all. Only the one writer. */
static inline void
airlock_flow_count(struct airlock_flow *flow, uint64_t packets, uint64_t bytes)
{
	airlock_count(&flow->packets, packets);
	airlock_count(&flow->bytes, bytes);
}

/** Count *packets* drops for *reason*. Only the one writer. */
static inline void
airlock_drop_count(struct airlock_drops *drops, enum airlock_drop reason, uint64_t packets)
{
	airlock_count(&drops->by_reason[reason], packets);
}

#endif /* AIRLOCK_STATS_H */
