/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Names of drop reasons and sums over counters. The counters themselves lie with the objects that
 * they count (a VM's queue, an uplink, an lcore); this file knows none of them.
 *
 * Thread rule: everything here only reads counters; any thread.
 */

#include <assert.h>

#include "airlock_stats.h"

static const char *const drop_names[] = {
	[AIRLOCK_DROP_RUNT] = "runt",
	[AIRLOCK_DROP_TOO_LONG] = "too_long",
	[AIRLOCK_DROP_UNKNOWN_MAC] = "unknown_mac",
	[AIRLOCK_DROP_NO_LISTENER] = "no_listener",
	[AIRLOCK_DROP_SPOOFED] = "spoofed",
	[AIRLOCK_DROP_VLAN] = "vlan",
	[AIRLOCK_DROP_STORM] = "storm",
	[AIRLOCK_DROP_RATE] = "rate",
	[AIRLOCK_DROP_BAD_OFFLOAD] = "bad_offload",
	[AIRLOCK_DROP_NO_PAGE] = "no_page",
	[AIRLOCK_DROP_LCORE_FULL] = "lcore_full",
	[AIRLOCK_DROP_VM_DOWN] = "vm_down",
	[AIRLOCK_DROP_RING_FULL] = "ring_full",
	[AIRLOCK_DROP_QUOTA] = "quota",
	[AIRLOCK_DROP_UPLINK_DOWN] = "uplink_down",
	[AIRLOCK_DROP_UPLINK_FULL] = "uplink_full",
};
static_assert(RTE_DIM(drop_names) == AIRLOCK_DROP_MAX, "every drop reason has a name");

const char *
airlock_drop_name(enum airlock_drop reason)
{
	return drop_names[reason];
}

void
airlock_flow_sum(struct airlock_flow_value *sum, const struct airlock_flow *from)
{
	sum->packets += airlock_count_get(&from->packets);
	sum->bytes += airlock_count_get(&from->bytes);
}

void
airlock_drops_sum(struct airlock_drops_value *sum, const struct airlock_drops *from)
{
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		sum->by_reason[i] += airlock_count_get(&from->by_reason[i]);
}

uint64_t
airlock_drops_total(const struct airlock_drops_value *drops)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		total += drops->by_reason[i];
	return total;
}
