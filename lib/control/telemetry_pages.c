/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool in telemetry: its pages by state, what cards have of it, and what differs between those
 * who know of its pages. The commands are in telemetry.c.
 *
 * Thread rule: telemetry's threads.
 */

#include <errno.h>

#include <rte_cycles.h>

#include <airlock_compat.h>

#include "telemetry_priv.h"

static void
add_yes(struct rte_tel_data *dict, const char *key, bool yes)
{
	rte_tel_data_add_dict_string(dict, key, yes ? "yes" : "no");
}

/* A dictionary of its own: what they have, and what it costs that they have not all of it. */
static void
add_cards(struct rte_tel_data *dict, const struct airlock_card_stats *card, uint32_t nb_wrong)
{
	struct rte_tel_data *inner = rte_tel_data_alloc();

	if (inner == NULL)
		return;
	rte_tel_data_start_dict(inner);
	airlock_compat_tel_dict_uint(inner, "frames", card->nb_has);
	airlock_compat_tel_dict_uint(inner, "wrong", nb_wrong);
	airlock_compat_tel_dict_uint(inner, "stuck", card->nb_stuck);
	airlock_compat_tel_dict_uint(inner, "taken", card->taken);
	airlock_compat_tel_dict_uint(inner, "take_calls", card->take_calls);
	airlock_compat_tel_dict_uint(inner, "take_ns", card->take_tsc * 1e9 / rte_get_tsc_hz());
	airlock_compat_tel_dict_uint(inner, "given", card->given);
	airlock_compat_tel_dict_uint(inner, "give_ns", card->give_tsc * 1e9 / rte_get_tsc_hz());
	airlock_compat_tel_dict_uint(inner, "errors", card->errors);
	rte_tel_data_add_dict_container(dict, "cards", inner, 0);
}

int
telemetry_answer_pages(struct airlock_pipeline *pipeline, struct rte_tel_data *dict)
{
	const struct airlock_pool *pool = airlock_pipeline_pool(pipeline);
	struct airlock_pool_report report;
	struct airlock_pool_stats stats;
	int verdict = airlock_pool_verify(pool, &report);

	airlock_pool_stats(pool, &stats);
	rte_tel_data_start_dict(dict);
	airlock_compat_tel_dict_uint(dict, "pages", stats.nb_pages);
	airlock_compat_tel_dict_uint(dict, "frame_pages", stats.frame_pages);
	add_yes(dict, "huge", stats.huge);
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		airlock_compat_tel_dict_uint(dict, airlock_page_state_name(i), stats.pages[i]);
	airlock_compat_tel_dict_uint(dict, "violations", stats.violations);
	airlock_compat_tel_dict_uint(
		dict, "mempool_free", (uint64_t)report.free_by_mempool * stats.frame_pages);
	add_yes(dict, "agree", verdict == 0);
	rte_tel_data_add_dict_string(
		dict, "dma", stats.dma == AIRLOCK_DMA_STRICT ? "strict" : "static");
	if (stats.dma == AIRLOCK_DMA_STRICT)
		add_cards(dict, &stats.card, report.nb_card_wrong);
	return 0;
}

int
telemetry_answer_verify(struct airlock_pipeline *pipeline, struct rte_tel_data *dict)
{
	struct airlock_pipeline_verdict verdict;
	int ret = airlock_pipeline_verify(pipeline, &verdict);

	rte_tel_data_start_dict(dict);
	rte_tel_data_add_dict_string(dict, "verdict",
		ret == 0		  ? "clean"
			: ret == -EBADMSG ? "differs"
					  : "a page table may not be read");
	add_yes(dict, "pool_agrees", verdict.pool_agrees);
	airlock_compat_tel_dict_uint(dict, "violations", verdict.pool.violations);
	airlock_compat_tel_dict_uint(dict, "wrong_card_frames", verdict.pool.nb_card_wrong);
	if (verdict.pool.nb_card_wrong != 0) {
		airlock_compat_tel_dict_uint(dict, "card_page", verdict.pool.card_page);
		rte_tel_data_add_dict_string(
			dict, "card_state", airlock_page_state_name(verdict.pool.card_state));
		add_yes(dict, "card_present", verdict.pool.card_has);
	}
	airlock_compat_tel_dict_uint(dict, "windows", verdict.nb_windows);
	airlock_compat_tel_dict_uint(dict, "wrong_pages", verdict.nb_wrong);
	if (verdict.vm[0] == '\0')
		return 0;
	rte_tel_data_add_dict_string(dict, "vm", verdict.vm);
	rte_tel_data_add_dict_string(dict, "table", verdict.fault.device ? "device" : "window");
	airlock_compat_tel_dict_uint(dict, "page", verdict.fault.page);
	rte_tel_data_add_dict_string(dict, "state", airlock_page_state_name(verdict.fault.state));
	add_yes(dict, "present", verdict.fault.present);
	return 0;
}
