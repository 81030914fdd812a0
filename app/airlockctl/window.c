/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's window: what it holds, how its packets came to it, and what that cost.
 *
 * Thread rule: one thread.
 */

#include <inttypes.h>

#include "fields.h"
#include "show.h"
#include "table.h"

/* Only of a VM that has one: few have. */
static void
add_device(struct table *table, const json_t *window)
{
	if (field_count(window, "device") != 0) {
		table_add(table, "device");
		table_add(table, "yes");
	}
	if (field_count(window, "held_back") != 0) {
		table_add(table, "held back for the device");
		table_add_count(table, field_count(window, "held_back"));
	}
}

static void
add_lease(struct table *table, const json_t *window)
{
	uint64_t held = field_count(window, "held"), quota = field_count(window, "quota");

	table_add(table, "state");
	table_add(table, "%s, process %" PRIu64 ", windows %" PRIu64, field_text(window, "state"),
		field_count(window, "pid"), field_count(window, "windows"));
	table_add(table, "held of quota");
	table_add(table, "%" PRIu64 " of %" PRIu64 " (%.0f %%) %s", held, quota,
		100 * per(held, quota), table_bar(held, quota));
	table_add(table, "quarantined");
	table_add_count(table, field_count(window, "quarantined"));
	add_device(table, window);
	table_add(table, "interrupted, over quota");
	table_add(table, "%" PRIu64 ", %" PRIu64, field_count(window, "interrupts"),
		field_count(window, "over_quota"));
	table_add(table, "copied if shorter than");
	table_add_value(table, json_object_get(window, "copy_below"));
}

/* How often, how much at a time, and the time of one. */
static void
add_costs(struct table *table, const json_t *window)
{
	uint64_t mapped = field_count(window, "mapped"), calls = field_count(window, "map_calls");
	uint64_t unmapped = field_count(window, "unmapped");

	table_add(table, "mapped");
	table_add(table, "%" PRIu64 " frames, %.1f a call, %.0f ns a frame", mapped,
		per(mapped, calls), per(field_count(window, "map_ns"), mapped));
	table_add(table, "unmapped");
	table_add(table, "%" PRIu64 " frames, %.1f a run, %.0f ns a frame", unmapped,
		per(unmapped, field_count(window, "unmap_runs")),
		per(field_count(window, "unmap_ns"), unmapped));
	table_add(table, "copied");
	table_add(table, "%.0f ns a packet (of %" PRIu64 " timed)",
		per(field_count(window, "copy_ns"), field_count(window, "timed_copies")),
		field_count(window, "timed_copies"));
	table_add(table, "renewed");
	table_add_count(table, field_count(window, "renewed"));
	table_add(table, "scrubbed");
	table_add(table, "%" PRIu64 " bytes in %.0f us", field_count(window, "scrubbed_bytes"),
		field_count(window, "scrub_ns") / 1e3);
	table_add(table, "errors: map, stray, agent");
	table_add(table, "%" PRIu64 ", %" PRIu64 ", %" PRIu64, field_count(window, "map_errors"),
		field_count(window, "strays"), field_count(window, "agents_refused"));
}

static void
show_ways(FILE *out, const json_t *window)
{
	static const char *const columns[] = {"", ">PACKETS", ">BYTES", ">SHARE %"};
	uint64_t remapped = field_count(window, "remapped_packets");
	uint64_t copied = field_count(window, "copied_packets");
	struct table table;

	table_init(&table, 4, columns);
	table_add(&table, "remapped");
	table_add_count(&table, remapped);
	table_add_count(&table, field_count(window, "remapped_bytes"));
	table_add(&table, "%.1f", 100 * per(remapped, remapped + copied));
	table_add(&table, "copied");
	table_add_count(&table, copied);
	table_add_count(&table, field_count(window, "copied_bytes"));
	table_add(&table, "%.1f", 100 * per(copied, remapped + copied));
	table_print(&table, out, 2);
}

void
show_window(FILE *out, json_t *window)
{
	json_t *refused = json_object_get(window, "refused");
	struct table table;

	fprintf(out, "\nwindow\n");
	table_init_pairs(&table);
	add_lease(&table, window);
	add_costs(&table, window);
	table_print(&table, out, 2);
	show_ways(out, window);
	show_drops(out, "posted buffers refused", refused);
}
