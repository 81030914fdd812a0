/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table that --stats prints: the same figures as telemetry's (telemetry.c), for people.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <airlock_pipeline.h>

#include "airlock_table.h"

static void
print_row(FILE *out, const char *kind, const char *name, const char *state,
	const struct airlock_flow_value *in, const struct airlock_flow_value *to, uint64_t drops)
{
	fprintf(out,
		"%-7s %-16s %-5s %12" PRIu64 " %14" PRIu64 " %12" PRIu64 " %14" PRIu64 " %12" PRIu64
		"\n",
		kind, name, state, in->packets, in->bytes, to->packets, to->bytes, drops);
}

static void
add_drops(struct airlock_drops_value *sum, const struct airlock_drops_value *drops)
{
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		sum->by_reason[i] += drops->by_reason[i];
}

static void
print_uplinks(struct airlock_pipeline *pl, FILE *out, struct airlock_drops_value *sum)
{
	struct airlock_pipeline_uplink_stats stats;

	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(pl); i++) {
		airlock_pipeline_uplink_stats(pl, i, &stats);
		print_row(out, "uplink", stats.setup.name, airlock_uplink_state_name(stats.state),
			&stats.received, &stats.sent,
			airlock_drops_total(&stats.rx_drops) +
				airlock_drops_total(&stats.tx_drops));
		add_drops(sum, &stats.rx_drops);
		add_drops(sum, &stats.tx_drops);
	}
}

/* With a thousand VMs configured, those that never came would hide the others. */
static void
print_vms(struct airlock_pipeline *pl, FILE *out, struct airlock_drops_value *sum)
{
	struct airlock_pipeline_vm_stats stats;
	unsigned int nb_silent = 0;

	for (int id = 0; (id = airlock_pipeline_next_vm(pl, id)) >= 0; id++) {
		if (airlock_pipeline_vm_stats(pl, id, &stats) < 0)
			continue;
		add_drops(sum, &stats.rx_drops);
		add_drops(sum, &stats.tx_drops);
		if (!stats.up && stats.nb_connects == 0) {
			nb_silent++;
			continue;
		}
		print_row(out, "vm", stats.name, stats.up ? "up" : "down", &stats.taken,
			&stats.delivered,
			airlock_drops_total(&stats.rx_drops) +
				airlock_drops_total(&stats.tx_drops));
	}
	if (nb_silent > 0)
		fprintf(out, "        (%u more VMs that never connected)\n", nb_silent);
}

static void
print_windows(struct airlock_pipeline *pl, FILE *out)
{
	struct airlock_pipeline_vm_stats stats;

	for (int id = 0; (id = airlock_pipeline_next_vm(pl, id)) >= 0; id++) {
		if (airlock_pipeline_vm_stats(pl, id, &stats) < 0 ||
			stats.deliver == AIRLOCK_DELIVER_COPY)
			continue;
		fprintf(out,
			"window  %-16s %-5s remapped %" PRIu64 " copied %" PRIu64
			" frames held %u of %u, per run %.1f\n",
			stats.name, stats.window.up ? "up" : "down", stats.window.remapped.packets,
			stats.window.copied.packets, stats.window.table.held, stats.window.quota,
			stats.window.table.map_calls != 0
				? (double)stats.window.table.mapped / stats.window.table.map_calls
				: 0.0);
	}
}

/* What no uplink's and no VM's counters hold. */
static void
add_lcore_drops(struct airlock_pipeline *pl, struct airlock_drops_value *sum)
{
	struct airlock_pipeline_lcore_stats stats;

	for (uint16_t i = 0; i < airlock_pipeline_nb_lcores(pl); i++) {
		airlock_pipeline_lcore_stats(pl, i, &stats);
		add_drops(sum, &stats.drops);
	}
}

static void
print_drops(FILE *out, const struct airlock_drops_value *sum)
{
	fprintf(out, "drops  ");
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++) {
		if (sum->by_reason[i] != 0)
			fprintf(out, " %s %" PRIu64, airlock_drop_name(i), sum->by_reason[i]);
	}
	fprintf(out, "%s\n", airlock_drops_total(sum) == 0 ? " none" : "");
}

static void
print_pages(const struct airlock_pipeline *pl, FILE *out)
{
	struct airlock_pool_stats stats;

	airlock_pool_stats(airlock_pipeline_pool(pl), &stats);
	fprintf(out, "pages  ");
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		fprintf(out, " %s %u", airlock_page_state_name(i), stats.pages[i]);
	fprintf(out, " of %u%s\n", stats.nb_pages, stats.huge ? "" : " (no huge folios)");
}

static void
print_lcores(struct airlock_pipeline *pl, FILE *out)
{
	struct airlock_pipeline_lcore_stats stats;

	for (uint16_t i = 0; i < airlock_pipeline_nb_lcores(pl); i++) {
		uint64_t tsc;

		airlock_pipeline_lcore_stats(pl, i, &stats);
		tsc = stats.busy_tsc + stats.idle_tsc;
		fprintf(out,
			"lcore   %-3u busy %3" PRIu64 " %%, cycles per packet:", stats.lcore_id,
			tsc != 0 ? stats.busy_tsc * 100 / tsc : 0);
		for (unsigned int w = 0; w < AIRLOCK_WORK_MAX; w++) {
			uint64_t packets = stats.work[w].packets;

			fprintf(out, " %s %" PRIu64, airlock_work_name(w),
				packets != 0 ? stats.work[w].tsc / packets : 0);
		}
		fprintf(out, "\n");
	}
}

void
airlock_table_print(struct airlock_pipeline *pl, FILE *out)
{
	struct airlock_drops_value sum = {0};

	fprintf(out, "%-7s %-16s %-5s %12s %14s %12s %14s %12s\n", "", "name", "state",
		"in packets", "in bytes", "out packets", "out bytes", "drops");
	print_uplinks(pl, out, &sum);
	print_vms(pl, out, &sum);
	print_windows(pl, out);
	add_lcore_drops(pl, &sum);
	print_drops(out, &sum);
	print_pages(pl, out);
	print_lcores(pl, out);
	fprintf(out, "\n");
	fflush(out);
}
