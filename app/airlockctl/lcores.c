/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What lcore.list tells, in the manner of Open vSwitch's pmd-perf-show: how busy each lcore is,
 * what a packet costs in each stage, and how full its bursts are.
 *
 * Stages are those of which there is a "<stage>_cycles_per_packet".
 *
 * Thread rule: one thread.
 */

#include <inttypes.h>
#include <string.h>

#include "fields.h"
#include "show.h"
#include "table.h"

#define CYCLES "_cycles_per_packet"

static void
show_stage_names(FILE *out, const json_t *lcore)
{
	static const char *const stages[] = {"rx", "handoff", "tx"};

	for (unsigned int i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (field_yes(lcore, stages[i]))
			fprintf(out, " %s", stages[i]);
	}
}

static void
show_head(FILE *out, const json_t *lcore)
{
	uint64_t iterations = field_count(lcore, "iterations");
	uint64_t idle = field_count(lcore, "idle_iterations");
	uint64_t busy = field_count(lcore, "busy_percent");
	struct table table;

	fprintf(out, "lcore %" PRIu64 ":", field_count(lcore, "lcore"));
	show_stage_names(out, lcore);
	fputc('\n', out);
	table_init_pairs(&table);
	table_add(&table, "busy");
	table_add(&table, "%" PRIu64 " %% %s", busy, table_bar(busy, 100));
	if (field_count(lcore, "sleeps") != 0) {
		table_add(&table, "asleep");
		table_add(&table, "%" PRIu64 " %%, %" PRIu64 " times",
			field_count(lcore, "sleep_percent"), field_count(lcore, "sleeps"));
	}
	table_add(&table, "iterations");
	table_add(&table, "%" PRIu64 ", %.1f %% of them idle", iterations,
		100 * per(idle, iterations));
	table_add(&table, "polls");
	table_add(&table, "uplink queues %" PRIu64 ", VM queues %" PRIu64,
		field_count(lcore, "uplink_queues"), field_count(lcore, "vm_queues"));
	table_add(&table, "waiting in its inbox");
	table_add_count(&table, field_count(lcore, "inbox"));
	table_print(&table, out, 2);
}

static void
show_stages(FILE *out, json_t *lcore)
{
	static const char *const columns[] = {"STAGE", ">PACKETS", ">CYCLES/PACKET"};
	struct table table;
	const char *key;
	json_t *value;

	table_init(&table, 3, columns);
	json_object_foreach(lcore, key, value)
	{
		const char *end = strstr(key, CYCLES);
		char packets[64];

		if (end == NULL)
			continue;
		snprintf(packets, sizeof(packets), "%.*s_packets", (int)(end - key), key);
		table_add(&table, "%.*s", (int)(end - key), key);
		table_add_count(&table, field_count(lcore, packets));
		table_add_value(&table, value);
	}
	table_print(&table, out, 2);
}

static uint64_t
sum_bursts(const json_t *bursts, size_t first, size_t last)
{
	uint64_t sum = 0;

	for (size_t i = first; i <= last && i <= json_array_size(bursts); i++)
		sum += json_integer_value(json_array_get(bursts, i - 1));
	return sum;
}

/* Sizes by powers of two; full bursts by themselves: those tell of an lcore that is behind. */
static void
show_bursts(FILE *out, const json_t *bursts)
{
	static const char *const columns[] = {"BURST OF", ">BURSTS", ">SHARE %", ""};
	size_t full = json_array_size(bursts), next;
	uint64_t all = sum_bursts(bursts, 1, full);
	struct table table;

	if (all == 0)
		return;
	table_init(&table, 4, columns);
	for (size_t first = 1; first <= full; first = next) {
		size_t last = first * 2 - 1;
		uint64_t nb_bursts;

		if (last >= full)
			last = first == full ? full : full - 1;
		next = last + 1;
		nb_bursts = sum_bursts(bursts, first, last);
		if (first == last)
			table_add(&table, "%zu", first);
		else
			table_add(&table, "%zu-%zu", first, last);
		table_add_count(&table, nb_bursts);
		table_add(&table, "%.1f", 100 * per(nb_bursts, all));
		table_add(&table, "%s", table_bar(nb_bursts, all));
	}
	table_print(&table, out, 2);
}

void
show_lcores(FILE *out, json_t *lcores)
{
	json_t *lcore;
	size_t i;

	json_array_foreach(lcores, i, lcore)
	{
		if (i != 0)
			fputc('\n', out);
		show_head(out, lcore);
		show_stages(out, lcore);
		show_bursts(out, json_object_get(lcore, "bursts"));
		show_drops(out, "dropped", json_object_get(lcore, "drops"));
	}
}
