/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What is in a pool, and whether those who count it agree: the table of states, the mempools, and
 * the cards' side, where it is strict.
 *
 * Thread rule: any thread.
 */

#include <errno.h>

#include <rte_cycles.h>

#include "pool_priv.h"

/* Counts that are taken until they agree. */
#define VERIFY_TRIES	50
#define VERIFY_PAUSE_US 100

void
airlock_pool_stats(const struct airlock_pool *pool, struct airlock_pool_stats *stats)
{
	uint32_t frames[AIRLOCK_PAGE_STATES], frame_pages = pool->table->frame.pages;

	airlock_page_table_count(pool->table, frames);
	stats->nb_pages = pool->nb_pages;
	stats->frame_pages = frame_pages;
	stats->header_pages = pool->nb_pages - pool->nb_frames * frame_pages;
	stats->huge = pool->file.huge;
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		stats->pages[i] = frames[i] * frame_pages;
	/* The last frame, which is HOST, may have fewer. */
	stats->pages[AIRLOCK_PAGE_HOST] -= pool->table->nb_frames * frame_pages - pool->nb_pages;
	if (pool->table->card != NULL) {
		stats->dma = AIRLOCK_DMA_STRICT;
		airlock_card_stats(pool->table->card, &stats->card);
	} else {
		stats->dma = AIRLOCK_DMA_STATIC;
		stats->card = (struct airlock_card_stats){0};
	}
	stats->violations = atomic_load_explicit(&pool->table->violations, memory_order_relaxed);
}

static uint32_t
free_by_table(const struct airlock_page_table *table, const struct airlock_page_partition *p)
{
	uint32_t nb_free = 0;

	for (uint32_t i = p->first_frame; i < p->first_frame + p->nb_frames; i++)
		nb_free += airlock_page_state_get(table, i) == AIRLOCK_PAGE_FREE;
	return nb_free;
}

/*
 * Frames that lcores take or free between the two counts are a difference that is another one, or
 * none, a moment later. One that is real stays.
 *
 * @return whether table and mempool have the same number of free frames
 */
static bool
partition_verify(
	const struct airlock_pool *pool, uint32_t partition, struct airlock_pool_report *report)
{
	const struct airlock_page_partition *p = &pool->table->partitions[partition];
	uint32_t by_table, by_mempool, tries = VERIFY_TRIES;

	for (;;) {
		by_mempool = rte_mempool_avail_count(pool->mempools[partition]);
		by_table = free_by_table(pool->table, p);
		if (by_table == by_mempool || --tries == 0)
			break;
		rte_delay_us_sleep(VERIFY_PAUSE_US);
	}
	report->free_by_table += by_table;
	report->free_by_mempool += by_mempool;
	return by_table == by_mempool;
}

/*
 * A frame that the card fills, or may be given next, has to be mapped; one that a VM has, or that
 * is not dark yet, must not be. What is on its way from one to the other is wrong for a moment.
 */
static bool
card_is_wrong(enum airlock_page_state state, bool has)
{
	switch (state) {
	case AIRLOCK_PAGE_FREE:
	case AIRLOCK_PAGE_CARD:
		return !has;
	case AIRLOCK_PAGE_HOST:
		return false;
	default:
		return has;
	}
}

static void
card_verify_frame(
	const struct airlock_page_table *table, uint32_t frame, struct airlock_pool_report *report)
{
	enum airlock_page_state state;
	bool has;

	for (uint32_t tries = 0; tries < VERIFY_TRIES; tries++) {
		if (tries != 0)
			rte_delay_us_sleep(VERIFY_PAUSE_US);
		state = airlock_page_state_get(table, frame);
		has = airlock_card_has(table->card, frame);
		if (!card_is_wrong(state, has))
			return;
	}
	if (report->nb_card_wrong++ != 0)
		return;
	report->card_page = frame * table->frame.pages;
	report->card_state = state;
	report->card_has = has;
}

static void
card_verify(const struct airlock_page_table *table, struct airlock_pool_report *report)
{
	if (table->card == NULL || !airlock_card_is_attached(table->card))
		return;
	for (uint32_t frame = 0; frame < table->nb_frames; frame++)
		card_verify_frame(table, frame, report);
}

int
airlock_pool_verify(const struct airlock_pool *pool, struct airlock_pool_report *report)
{
	struct airlock_pool_report found = {.nb_lost = pool->table->nb_frames};
	uint32_t frames[AIRLOCK_PAGE_STATES];
	bool agree = true;

	for (uint32_t i = 0; i < pool->table->nb_partitions; i++)
		agree &= partition_verify(pool, i, &found);
	airlock_page_table_count(pool->table, frames);
	for (unsigned int i = 0; i < AIRLOCK_PAGE_STATES; i++)
		found.nb_lost -= frames[i];
	card_verify(pool->table, &found);
	found.violations = atomic_load_explicit(&pool->table->violations, memory_order_relaxed);
	if (report != NULL)
		*report = found;
	return agree && found.nb_lost == 0 && found.violations == 0 && found.nb_card_wrong == 0
		? 0
		: -EBADMSG;
}
