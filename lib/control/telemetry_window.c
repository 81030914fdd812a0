/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The part of a VM's telemetry that is about its window: what was remapped and copied, what it
 * cost, what the VM holds; and what it costs on this host. The commands are in telemetry.c.
 *
 * Thread rule: telemetry's threads.
 */

#include <rte_cycles.h>

#include <airlock_compat.h>

#include "telemetry_priv.h"

static uint64_t
tsc_to_ns(uint64_t tsc)
{
	return tsc * 1e9 / rte_get_tsc_hz();
}

static void
add_thresholds(struct rte_tel_data *dict, const struct airlock_remap_stats *window)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_array(inner, AIRLOCK_COMPAT_TEL_UINT);
	for (unsigned int i = 0; i < AIRLOCK_REMAP_RUNS; i++)
		airlock_compat_tel_array_uint(inner, window->copy_below[i]);
	rte_tel_data_add_dict_container(dict, "copy_below", inner, 0);
}

static void
add_refused(struct rte_tel_data *dict, const struct airlock_remap_stats *window)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	for (unsigned int i = 0; i < AIRLOCK_RXRING_REFUSALS; i++) {
		if (window->refused[i] != 0)
			airlock_compat_tel_dict_uint(
				inner, airlock_rxring_refusal_name(i), window->refused[i]);
	}
	rte_tel_data_add_dict_container(dict, "refused", inner, 0);
}

void
telemetry_add_window(struct rte_tel_data *dict, const struct airlock_remap_stats *window)
{
	const struct airlock_dmatable_stats *table = &window->table;
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	rte_tel_data_add_dict_string(inner, "state", window->up ? "up" : "down");
	airlock_compat_tel_dict_uint(inner, "pid", table->pid);
	airlock_compat_tel_dict_uint(inner, "windows", table->nb_windows);
	airlock_compat_tel_dict_uint(inner, "resumed", table->resumed);
	airlock_compat_tel_dict_uint(inner, "agents_refused", table->refused);
	airlock_compat_tel_dict_uint(inner, "quota", window->quota);
	airlock_compat_tel_dict_uint(inner, "held", table->held);
	airlock_compat_tel_dict_uint(inner, "quarantined", table->quarantined);
	add_thresholds(inner, window);
	telemetry_add_flow(inner, "remapped", &window->remapped);
	telemetry_add_flow(inner, "copied", &window->copied);
	airlock_compat_tel_dict_uint(inner, "timed_copies", window->timed.packets);
	airlock_compat_tel_dict_uint(inner, "copy_ns", tsc_to_ns(window->copy_tsc));
	airlock_compat_tel_dict_uint(inner, "renewed", window->renewed);
	airlock_compat_tel_dict_uint(inner, "scrubbed_bytes", window->scrubbed_bytes);
	airlock_compat_tel_dict_uint(inner, "scrub_ns", tsc_to_ns(window->scrub_tsc));
	airlock_compat_tel_dict_uint(inner, "interrupts", window->interrupts);
	airlock_compat_tel_dict_uint(inner, "over_quota", window->over_quota);
	airlock_compat_tel_dict_uint(inner, "mapped", table->mapped);
	airlock_compat_tel_dict_uint(inner, "map_calls", table->map_calls);
	airlock_compat_tel_dict_uint(inner, "map_ns", tsc_to_ns(table->map_tsc));
	airlock_compat_tel_dict_uint(inner, "map_errors", table->map_errors);
	airlock_compat_tel_dict_uint(inner, "unmapped", table->unmapped);
	airlock_compat_tel_dict_uint(inner, "unmap_runs", table->unmap_runs);
	airlock_compat_tel_dict_uint(inner, "unmap_requests", table->unmap_requests);
	airlock_compat_tel_dict_uint(inner, "unmap_ns", table->unmap_ns);
	airlock_compat_tel_dict_uint(inner, "strays", table->strays);
	airlock_compat_tel_dict_uint(inner, "device", table->device);
	airlock_compat_tel_dict_uint(inner, "held_back", table->held_back);
	add_refused(inner, window);
	rte_tel_data_add_dict_container(dict, "window", inner, 0);
}

static void
add_ps(struct rte_tel_data *dict, const char *name, const double *costs_ns, unsigned int nb)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_array(inner, AIRLOCK_COMPAT_TEL_UINT);
	for (unsigned int i = 0; i < nb; i++)
		airlock_compat_tel_array_uint(inner, costs_ns[i] * 1000 + 0.5);
	rte_tel_data_add_dict_container(dict, name, inner, 0);
}

static void
add_numbers(struct rte_tel_data *dict, const char *name, const uint32_t *numbers, unsigned int nb)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_array(inner, AIRLOCK_COMPAT_TEL_UINT);
	for (unsigned int i = 0; i < nb; i++)
		airlock_compat_tel_array_uint(inner, numbers[i]);
	rte_tel_data_add_dict_container(dict, name, inner, 0);
}

/* Telemetry has no fractions, and a nanosecond is too coarse for a short copy. */
void
telemetry_add_cost(struct rte_tel_data *dict, const struct airlock_cost *cost)
{
	double map_page_ns[AIRLOCK_COST_RUNS], unmap_page_ns[AIRLOCK_COST_RUNS];
	uint32_t run_pages[AIRLOCK_COST_RUNS];

	for (unsigned int i = 0; i < AIRLOCK_COST_RUNS; i++) {
		run_pages[i] = 1u << i;
		map_page_ns[i] = cost->map_ns[i] / run_pages[i];
		unmap_page_ns[i] = cost->unmap_ns[i] / run_pages[i];
	}
	add_numbers(dict, "run_pages", run_pages, AIRLOCK_COST_RUNS);
	add_ps(dict, "map_page_ps", map_page_ns, AIRLOCK_COST_RUNS);
	add_ps(dict, "unmap_page_ps", unmap_page_ns, AIRLOCK_COST_RUNS);
	add_numbers(dict, "copy_bytes", airlock_cost_sizes, AIRLOCK_COST_SIZES);
	add_ps(dict, "copy_warm_ps", cost->copy_warm_ns, AIRLOCK_COST_SIZES);
	add_ps(dict, "copy_cold_ps", cost->copy_cold_ns, AIRLOCK_COST_SIZES);
	airlock_compat_tel_dict_uint(
		dict, "scrub_page_ps", cost->scrub_byte_ns * AIRLOCK_PAGE_SIZE * 1000 + 0.5);
}
