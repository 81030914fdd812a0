/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Methods that show lcores and pages. Names and values are those of telemetry (telemetry.c,
 * telemetry_pages.c).
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdio.h>

#include <rte_cycles.h>

#include <airlock_pipeline.h>

#include "rpc_priv.h"

static void
set_work(json_t *lcore, const struct airlock_pipeline_lcore_stats *stats)
{
	char key[64];

	for (unsigned int i = 0; i < AIRLOCK_WORK_MAX; i++) {
		uint64_t packets = stats->work[i].packets;

		snprintf(key, sizeof(key), "%s_packets", airlock_work_name(i));
		rpc_set_uint(lcore, key, packets);
		snprintf(key, sizeof(key), "%s_cycles_per_packet", airlock_work_name(i));
		rpc_set_uint(lcore, key, packets != 0 ? stats->work[i].tsc / packets : 0);
	}
}

static json_t *
make_lcore(const struct airlock_pipeline_lcore_stats *stats)
{
	uint64_t tsc = stats->busy_tsc + stats->idle_tsc;
	json_t *lcore = json_object(), *bursts = json_array();

	rpc_set_uint(lcore, "lcore", stats->lcore_id);
	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++)
		rpc_set_yes(lcore, airlock_stage_name(i), stats->stages[i]);
	rpc_set_uint(lcore, "uplink_queues", stats->nb_rx_queues);
	rpc_set_uint(lcore, "vm_queues", stats->nb_tx_queues);
	rpc_set_uint(lcore, "iterations", stats->iterations);
	rpc_set_uint(lcore, "idle_iterations", stats->idle_iterations);
	rpc_set_uint(lcore, "busy_percent", tsc != 0 ? stats->busy_tsc * 100 / tsc : 0);
	rpc_set_uint(lcore, "sleeps", stats->sleeps);
	rpc_set_uint(lcore, "sleep_percent", tsc != 0 ? stats->sleep_tsc * 100 / tsc : 0);
	set_work(lcore, stats);
	rpc_set_uint(lcore, "inbox", stats->inbox);
	rpc_set_drops(lcore, "drops", &stats->drops);
	for (unsigned int i = 1; i <= AIRLOCK_BURST; i++)
		json_array_append_new(bursts, json_integer(stats->bursts[i]));
	json_object_set_new(lcore, "bursts", bursts);
	return lcore;
}

int
rpc_lcore_list(struct rpc_call *call)
{
	struct airlock_pipeline_lcore_stats stats;

	call->result = json_array();
	for (uint16_t i = 0; i < airlock_pipeline_nb_lcores(call->env->pipeline); i++) {
		rpc_lcore_stats(call->env, i, &stats);
		json_array_append_new(call->result, make_lcore(&stats));
	}
	return 0;
}

/* What cards have of the pool, and what it costs that they have not all of it. */
static json_t *
make_cards(const struct airlock_pool_stats *stats, const struct airlock_pool_report *report)
{
	const struct airlock_card_stats *card = &stats->card;
	json_t *object = json_object();

	rpc_set_uint(object, "frames", card->nb_has);
	rpc_set_uint(object, "wrong", report->nb_card_wrong);
	rpc_set_uint(object, "stuck", card->nb_stuck);
	rpc_set_uint(object, "taken", card->taken);
	rpc_set_uint(object, "take_calls", card->take_calls);
	rpc_set_uint(object, "take_ns", card->take_tsc * 1e9 / rte_get_tsc_hz());
	rpc_set_uint(object, "given", card->given);
	rpc_set_uint(object, "give_ns", card->give_tsc * 1e9 / rte_get_tsc_hz());
	rpc_set_uint(object, "errors", card->errors);
	return object;
}

int
rpc_pages_get(struct rpc_call *call)
{
	const struct airlock_pool *pool = airlock_pipeline_pool(call->env->pipeline);
	struct airlock_pool_report report;
	struct airlock_pool_stats stats;
	int verdict = airlock_pool_verify(pool, &report);
	json_t *pages = json_object();

	airlock_pool_stats(pool, &stats);
	rpc_set_uint(pages, "pages", stats.nb_pages);
	rpc_set_uint(pages, "frame_pages", stats.frame_pages);
	rpc_set_yes(pages, "huge", stats.huge);
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		rpc_set_uint(pages, airlock_page_state_name(i), stats.pages[i]);
	rpc_set_uint(pages, "violations", stats.violations);
	rpc_set_uint(pages, "mempool_free", (uint64_t)report.free_by_mempool * stats.frame_pages);
	rpc_set_yes(pages, "agree", verdict == 0);
	rpc_set_text(pages, "dma", stats.dma == AIRLOCK_DMA_STRICT ? "strict" : "static");
	if (stats.dma == AIRLOCK_DMA_STRICT)
		json_object_set_new(pages, "cards", make_cards(&stats, &report));
	call->result = pages;
	return 0;
}

static const char *
verdict_text(int ret)
{
	if (ret == 0)
		return "clean";
	return ret == -EBADMSG ? "differs" : "a page table may not be read";
}

int
rpc_pages_verify(struct rpc_call *call)
{
	struct airlock_pipeline_verdict verdict;
	int ret = airlock_pipeline_verify(call->env->pipeline, &verdict);
	json_t *object = json_object();

	rpc_set_text(object, "verdict", verdict_text(ret));
	rpc_set_yes(object, "pool_agrees", verdict.pool_agrees);
	rpc_set_uint(object, "violations", verdict.pool.violations);
	rpc_set_uint(object, "wrong_card_frames", verdict.pool.nb_card_wrong);
	if (verdict.pool.nb_card_wrong != 0) {
		rpc_set_uint(object, "card_page", verdict.pool.card_page);
		rpc_set_text(
			object, "card_state", airlock_page_state_name(verdict.pool.card_state));
		rpc_set_yes(object, "card_present", verdict.pool.card_has);
	}
	rpc_set_uint(object, "windows", verdict.nb_windows);
	rpc_set_uint(object, "wrong_pages", verdict.nb_wrong);
	if (verdict.vm[0] != '\0') {
		rpc_set_text(object, "vm", verdict.vm);
		rpc_set_text(object, "table", verdict.fault.device ? "device" : "window");
		rpc_set_uint(object, "page", verdict.fault.page);
		rpc_set_text(object, "state", airlock_page_state_name(verdict.fault.state));
		rpc_set_yes(object, "present", verdict.fault.present);
	}
	call->result = object;
	return 0;
}
