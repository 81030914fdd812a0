/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The tables of all metrics but the histograms (metrics.c): the names and help texts, and where the
 * figure lies in the pipeline's statistics, which are those that telemetry and RPC tell.
 *
 * Thread rule: constant data; any thread.
 */

#include <airlock_pipeline.h>

#include "metrics_tables.h"

static const char *
reason_name(unsigned int i)
{
	return airlock_drop_name(i);
}

static const char *
refusal_name(unsigned int i)
{
	return airlock_rxring_refusal_name(i);
}

static const char *
work_name(unsigned int i)
{
	return airlock_work_name(i);
}

static const char *
state_name(unsigned int i)
{
	return airlock_page_state_name(i);
}

static const char *
run_name(unsigned int i)
{
	static const char *const names[AIRLOCK_REMAP_RUNS] = {"1", "2", "4", "8", "16", "32", "64"};

	return names[i];
}

#define SEVERAL(n, bytes, by, name) \
	.nb = (n), .stride = (bytes), .label = (by), .label_value = (name)
#define DROPS_BY_REASON SEVERAL(AIRLOCK_DROP_MAX, sizeof(uint64_t), "reason", reason_name)
#define REFUSALS	SEVERAL(AIRLOCK_RXRING_REFUSALS, sizeof(uint64_t), "reason", refusal_name)
#define STATES		SEVERAL(AIRLOCK_PAGE_STATES, sizeof(uint32_t), "state", state_name)
#define RUNS		SEVERAL(AIRLOCK_REMAP_RUNS, sizeof(uint32_t), "run", run_name)
#define WORKS \
	SEVERAL(AIRLOCK_WORK_MAX, RTE_SIZEOF_FIELD(struct airlock_pipeline_lcore_stats, work[0]), \
		"work", work_name)

const struct metrics_metric metrics_vm[] = {
	{"airlock_vm_up", "Whether the VM is connected and its driver is up", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, up)},
	{"airlock_vm_rx_limit_bytes_per_second", "What the VM may get at most; +Inf: any",
		METRICS_GAUGE, .value = METRICS_BITS_LIMIT,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, limits.rx_bps)},
	{"airlock_vm_tx_limit_bytes_per_second", "What the VM may send at most; +Inf: any",
		METRICS_GAUGE, .value = METRICS_BITS_LIMIT,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, limits.tx_bps)},
	{"airlock_vm_storm_limit_packets_per_second",
		"Flooded packets that the VM may send at most; +Inf: any", METRICS_GAUGE,
		.value = METRICS_LIMIT,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, limits.storm_pps)},
	{"airlock_vm_connects", "Times that the VM came", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, nb_connects)},
	{"airlock_vm_memory_lost", "Times that the VM's memory was gone while it was used",
		METRICS_COUNTER, METRICS_FIELD(struct airlock_pipeline_vm_stats, nb_memory_lost)},
	{"airlock_vm_delivered_packets", "Packets into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, delivered.packets)},
	{"airlock_vm_delivered_bytes", "Bytes into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, delivered.bytes)},
	{"airlock_vm_taken_packets", "Packets out of the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, taken.packets)},
	{"airlock_vm_taken_bytes", "Bytes out of the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, taken.bytes)},
	{"airlock_vm_rx_drops", "Packets for the VM that were dropped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, rx_drops.by_reason[0]),
		DROPS_BY_REASON},
	{"airlock_vm_tx_drops",
		"Packets from the VM that were dropped before a destination was found",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, tx_drops.by_reason[0]),
		DROPS_BY_REASON},
};
const unsigned int metrics_nb_vm = RTE_DIM(metrics_vm);

const struct metrics_metric metrics_queue[] = {
	{"airlock_vm_queue_delivered_packets", "Packets into the queue pair", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, queues[0].delivered.packets)},
	{"airlock_vm_queue_delivered_bytes", "Bytes into the queue pair", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, queues[0].delivered.bytes)},
	{"airlock_vm_queue_taken_packets", "Packets out of the queue pair", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, queues[0].taken.packets)},
	{"airlock_vm_queue_taken_bytes", "Bytes out of the queue pair", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, queues[0].taken.bytes)},
	{"airlock_vm_queue_rx_drops", "Packets for the queue pair that were dropped",
		METRICS_COUNTER, .value = METRICS_DROPS,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, queues[0].rx_drops)},
};
const unsigned int metrics_nb_queue = RTE_DIM(metrics_queue);

const struct metrics_metric metrics_window[] = {
	{"airlock_window_up", "Whether the VM has its window", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.up)},
	{"airlock_window_quota_frames", "Frames that the VM may hold", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.quota)},
	{"airlock_window_held_frames", "Frames that the VM holds", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.held)},
	{"airlock_window_quarantined_frames",
		"Frames held by windows that are gone, but perhaps still mapped", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.quarantined)},
	{"airlock_window_copy_below_bytes",
		"Packets shorter than this are copied, by the length of the run of frames",
		METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.copy_below[0]), RUNS},
	{"airlock_window_device", "Whether a device works for the VM", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.device)},
	{"airlock_window_held_back_frames",
		"Frames that the VM's device may still reach, and nobody else", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.held_back)},
	{"airlock_window_windows", "Times that an agent handed over a window", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.nb_windows)},
	{"airlock_window_agents_refused", "Agents that were turned away", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.refused)},
	{"airlock_window_remapped_packets", "Packets that were mapped into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.remapped.packets)},
	{"airlock_window_remapped_bytes", "Bytes that were mapped into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.remapped.bytes)},
	{"airlock_window_copied_packets", "Packets that were copied into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.copied.packets)},
	{"airlock_window_copied_bytes", "Bytes that were copied into the VM", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.copied.bytes)},
	{"airlock_window_renewed_packets", "Packets copied into frames that the VM had given back",
		METRICS_COUNTER, METRICS_FIELD(struct airlock_pipeline_vm_stats, window.renewed)},
	{"airlock_window_over_quota_packets", "Packets that were not mapped because of the quota",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.over_quota)},
	{"airlock_window_interrupts", "Times that the VM was told to give frames back",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.interrupts)},
	{"airlock_window_scrubbed_bytes",
		"Bytes of others that were cleared before a frame was mapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.scrubbed_bytes)},
	{"airlock_window_scrub_seconds", "Time spent clearing", METRICS_COUNTER,
		.value = METRICS_TSC,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.scrub_tsc)},
	{"airlock_window_mapped_frames", "Frames that were mapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.mapped)},
	{"airlock_window_map_calls", "Runs of frames that were mapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.map_calls)},
	{"airlock_window_map_seconds", "Time spent mapping", METRICS_COUNTER, .value = METRICS_TSC,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.map_tsc)},
	{"airlock_window_map_errors", "Runs that could not be mapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.map_errors)},
	{"airlock_window_unmapped_frames", "Frames that were unmapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.unmapped)},
	{"airlock_window_unmap_runs", "Runs of frames that were unmapped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.unmap_runs)},
	{"airlock_window_unmap_requests", "Requests to the agent to unmap", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.unmap_requests)},
	{"airlock_window_unmap_seconds", "Time that unmapping took, as the agent says",
		METRICS_COUNTER, .value = METRICS_NS,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.unmap_ns)},
	{"airlock_window_resumed_frames", "Frames given to the VM because it touched them",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.resumed)},
	{"airlock_window_strays", "Times that the guest touched a frame that was not its own",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.table.strays)},
	{"airlock_window_refused_buffers", "Buffers that the guest posted in vain", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_vm_stats, window.refused[0]), REFUSALS},
};
const unsigned int metrics_nb_window = RTE_DIM(metrics_window);

const struct metrics_metric metrics_uplink[] = {
	{"airlock_uplink_mtu_bytes", "MTU", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, setup.mtu)},
	{"airlock_uplink_received_packets", "Packets that the uplink received", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, received.packets)},
	{"airlock_uplink_received_bytes", "Bytes that the uplink received", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, received.bytes)},
	{"airlock_uplink_sent_packets", "Packets that the uplink sent", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, sent.packets)},
	{"airlock_uplink_sent_bytes", "Bytes that the uplink sent", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, sent.bytes)},
	{"airlock_uplink_rx_drops",
		"Packets from the uplink that were dropped before a destination was found",
		METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, rx_drops.by_reason[0]),
		DROPS_BY_REASON},
	{"airlock_uplink_tx_drops", "Packets for the uplink that were dropped", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, tx_drops.by_reason[0]),
		DROPS_BY_REASON},
	{"airlock_uplink_port_missed", "Packets that the port had no descriptor for",
		METRICS_COUNTER, METRICS_FIELD(struct airlock_pipeline_uplink_stats, hw.missed)},
	{"airlock_uplink_port_rx_errors", "Packets that the port found broken", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, hw.rx_error)},
	{"airlock_uplink_port_no_page", "Packets that the port had no page for", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, hw.no_page)},
	{"airlock_uplink_port_tx_errors", "Packets that the port failed to send", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_uplink_stats, hw.tx_error)},
};
const unsigned int metrics_nb_uplink = RTE_DIM(metrics_uplink);

const struct metrics_metric metrics_lcore[] = {
	{"airlock_lcore_uplink_queues", "Queues of uplinks that the lcore polls", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, nb_rx_queues)},
	{"airlock_lcore_vm_queues", "Queues of VMs that the lcore polls", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, nb_tx_queues)},
	{"airlock_lcore_inbox_packets", "Packets that wait for the lcore", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, inbox)},
	{"airlock_lcore_iterations", "Rounds over all that the lcore polls", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, iterations)},
	{"airlock_lcore_idle_iterations", "Rounds that moved no packet", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, idle_iterations)},
	{"airlock_lcore_busy_seconds", "Time of rounds that moved a packet", METRICS_COUNTER,
		.value = METRICS_TSC, METRICS_FIELD(struct airlock_pipeline_lcore_stats, busy_tsc)},
	{"airlock_lcore_idle_seconds", "Time of rounds that moved none", METRICS_COUNTER,
		.value = METRICS_TSC, METRICS_FIELD(struct airlock_pipeline_lcore_stats, idle_tsc)},
	{"airlock_lcore_sleeps", "Times that the lcore slept", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, sleeps)},
	{"airlock_lcore_sleep_seconds", "Time that it slept, a part of its idle time",
		METRICS_COUNTER, .value = METRICS_TSC,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, sleep_tsc)},
	{"airlock_lcore_work_packets", "Packets that a kind of work was done for", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, work[0].packets), WORKS},
	{"airlock_lcore_work_seconds", "Time spent on a kind of work", METRICS_COUNTER,
		.value = METRICS_TSC,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, work[0].tsc), WORKS},
	{"airlock_lcore_drops", "Packets whose VM was deleted, or is unknown", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_lcore_stats, drops.by_reason[0]),
		DROPS_BY_REASON},
};
const unsigned int metrics_nb_lcore = RTE_DIM(metrics_lcore);

const struct metrics_metric metrics_pool[] = {
	{"airlock_pool_pages", "Pages of 4 KiB by state", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pool_stats, pages[0]), STATES},
	{"airlock_pool_frame_pages", "Pages of a frame", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pool_stats, frame_pages)},
	{"airlock_pool_violations", "Transitions from a wrong state", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pool_stats, violations)},
};
const unsigned int metrics_nb_pool = RTE_DIM(metrics_pool);

const struct metrics_metric metrics_cards[] = {
	{"airlock_cards_frames", "Frames that the cards have", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pool_stats, card.nb_has)},
	{"airlock_cards_stuck_frames", "Frames that the cards could not be given back",
		METRICS_GAUGE, METRICS_FIELD(struct airlock_pool_stats, card.nb_stuck)},
	{"airlock_cards_taken_frames", "Frames that were taken from the cards", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pool_stats, card.taken)},
	{"airlock_cards_take_calls", "Calls of the kernel that took them", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pool_stats, card.take_calls)},
	{"airlock_cards_take_seconds", "Time spent taking", METRICS_COUNTER, .value = METRICS_TSC,
		METRICS_FIELD(struct airlock_pool_stats, card.take_tsc)},
	{"airlock_cards_given_frames", "Frames that were given back to the cards", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pool_stats, card.given)},
	{"airlock_cards_give_seconds", "Time spent giving back", METRICS_COUNTER,
		.value = METRICS_TSC, METRICS_FIELD(struct airlock_pool_stats, card.give_tsc)},
	{"airlock_cards_error_frames", "Frames that could not be taken or given back",
		METRICS_COUNTER, METRICS_FIELD(struct airlock_pool_stats, card.errors)},
};
const unsigned int metrics_nb_cards = RTE_DIM(metrics_cards);

const struct metrics_metric metrics_balance[] = {
	{"airlock_balance_received_packets",
		"Packets from uplinks and VMs, also those that are gone", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_balance, received)},
	{"airlock_balance_split_packets", "Packets that became several", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_balance, split)},
	{"airlock_balance_part_packets", "What those became", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_balance, parts)},
	{"airlock_balance_delivered_packets", "Packets to VMs and uplinks", METRICS_COUNTER,
		METRICS_FIELD(struct airlock_pipeline_balance, delivered)},
	{"airlock_balance_dropped_packets", "Packets that were dropped, for whatever reason",
		METRICS_COUNTER, METRICS_FIELD(struct airlock_pipeline_balance, dropped)},
	{"airlock_balance_in_flight_packets", "Packets between lcores", METRICS_GAUGE,
		METRICS_FIELD(struct airlock_pipeline_balance, in_flight)},
};
const unsigned int metrics_nb_balance = RTE_DIM(metrics_balance);
