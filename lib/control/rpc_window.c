/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The part of a VM that is about its window, under the names that telemetry has
 * (telemetry_window.c).
 *
 * Thread rule: main thread.
 */

#include <rte_cycles.h>

#include "rpc_priv.h"
#include "rpc_window.h"

static uint64_t
tsc_to_ns(uint64_t tsc)
{
	return tsc * 1e9 / rte_get_tsc_hz();
}

static void
set_table(json_t *object, const struct airlock_dmatable_stats *table)
{
	rpc_set_uint(object, "pid", table->pid);
	rpc_set_uint(object, "windows", table->nb_windows);
	rpc_set_uint(object, "resumed", table->resumed);
	rpc_set_uint(object, "agents_refused", table->refused);
	rpc_set_uint(object, "held", table->held);
	rpc_set_uint(object, "quarantined", table->quarantined);
	rpc_set_uint(object, "mapped", table->mapped);
	rpc_set_uint(object, "map_calls", table->map_calls);
	rpc_set_uint(object, "map_ns", tsc_to_ns(table->map_tsc));
	rpc_set_uint(object, "map_errors", table->map_errors);
	rpc_set_uint(object, "unmapped", table->unmapped);
	rpc_set_uint(object, "unmap_runs", table->unmap_runs);
	rpc_set_uint(object, "unmap_requests", table->unmap_requests);
	rpc_set_uint(object, "unmap_ns", table->unmap_ns);
	rpc_set_uint(object, "strays", table->strays);
	rpc_set_uint(object, "device", table->device);
	rpc_set_uint(object, "held_back", table->held_back);
}

void
rpc_set_window(json_t *vm, const struct airlock_remap_stats *window)
{
	json_t *object = json_object(), *copy_below = json_array(), *refused = json_object();

	rpc_set_text(object, "state", window->up ? "up" : "down");
	rpc_set_uint(object, "quota", window->quota);
	set_table(object, &window->table);
	for (unsigned int i = 0; i < AIRLOCK_REMAP_RUNS; i++)
		json_array_append_new(copy_below, json_integer(window->copy_below[i]));
	json_object_set_new(object, "copy_below", copy_below);
	rpc_set_flow(object, "remapped", &window->remapped);
	rpc_set_flow(object, "copied", &window->copied);
	rpc_set_uint(object, "timed_copies", window->timed.packets);
	rpc_set_uint(object, "copy_ns", tsc_to_ns(window->copy_tsc));
	rpc_set_uint(object, "renewed", window->renewed);
	rpc_set_uint(object, "scrubbed_bytes", window->scrubbed_bytes);
	rpc_set_uint(object, "scrub_ns", tsc_to_ns(window->scrub_tsc));
	rpc_set_uint(object, "interrupts", window->interrupts);
	rpc_set_uint(object, "over_quota", window->over_quota);
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++)
		if (window->refused[i] != 0)
			rpc_set_uint(refused, airlock_rxring_refusal_name(i), window->refused[i]);
	json_object_set_new(object, "refused", refused);
	json_object_set_new(vm, "window", object);
}
