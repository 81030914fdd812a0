/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table of page states. The transitions are inline functions in airlock_page.h, because each
 * packet passes through three of them; here is what the control side does with a table.
 *
 * A table is made before its mempool, and the mempool driver finds it by the mempool's name: the
 * mbuf library creates the mempool and leaves no way to hand the driver an argument.
 *
 * One word a frame, state and tag together, so that both change in one store.
 *
 * Thread rule: the list of tables is changed by the main thread alone, while no mempool is created.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "airlock_page.h"

static const char *const state_names[] = {
	[AIRLOCK_PAGE_FREE] = "free",
	[AIRLOCK_PAGE_CARD] = "card",
	[AIRLOCK_PAGE_HOST] = "host",
	[AIRLOCK_PAGE_LEASED] = "leased",
	[AIRLOCK_PAGE_RELEASED] = "released",
	[AIRLOCK_PAGE_UNMAPPING] = "unmapping",
};
static_assert(RTE_DIM(state_names) == AIRLOCK_PAGE_STATES, "every state has a name");

static TAILQ_HEAD(, airlock_page_table) tables = TAILQ_HEAD_INITIALIZER(tables);

const char *
airlock_page_state_name(enum airlock_page_state state)
{
	return state_names[state];
}

static void
table_free(struct airlock_page_table *table)
{
	free(table->partitions);
	free(table->mbufs);
	free((void *)table->words);
	free((void *)table->owed);
	free(table);
}

/* Frames that no partition has are airlock's own. */
static void
words_init(struct airlock_page_table *table)
{
	const struct airlock_page_partition *last = &table->partitions[table->nb_partitions - 1];

	for (uint32_t i = 0; i < table->nb_frames; i++)
		airlock_page_word_set(table, i,
			i < last->first_frame + last->nb_frames ? AIRLOCK_PAGE_FREE
								: AIRLOCK_PAGE_HOST);
}

struct airlock_page_table *
airlock_page_table_create(void *base, uint32_t nb_pages, uint32_t frame_pages,
	const struct airlock_page_partition *partitions, uint32_t nb_partitions)
{
	struct airlock_page_table *table;
	struct airlock_frame_size frame;
	uint32_t nb_frames;
	size_t bytes;

	if (nb_pages == 0 || nb_pages > AIRLOCK_FRAME_MAX_POOL_PAGES || frame_pages == 0 ||
		frame_pages > AIRLOCK_FRAME_MAX_PAGES) {
		rte_errno = EINVAL;
		return NULL;
	}
	frame = airlock_frame_size(frame_pages);
	nb_frames = airlock_frame_count(&frame, nb_pages);
	bytes = RTE_ALIGN_CEIL(nb_frames * sizeof(uint32_t), RTE_CACHE_LINE_SIZE);
	table = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*table)));
	if (table == NULL)
		goto no_table;
	memset(table, 0, sizeof(*table));
	table->words = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	table->owed = calloc(nb_frames, sizeof(table->owed[0]));
	table->mbufs = calloc(nb_frames, sizeof(table->mbufs[0]));
	table->partitions = calloc(nb_partitions, sizeof(partitions[0]));
	if (table->words == NULL || table->owed == NULL || table->mbufs == NULL ||
		table->partitions == NULL)
		goto free_table;
	memcpy(table->partitions, partitions, nb_partitions * sizeof(partitions[0]));
	table->nb_partitions = nb_partitions;
	table->base = (uintptr_t)base;
	table->bytes = (uint64_t)nb_pages * AIRLOCK_PAGE_SIZE;
	table->nb_frames = nb_frames;
	table->frame = frame;
	words_init(table);
	TAILQ_INSERT_TAIL(&tables, table, next);
	return table;

free_table:
	table_free(table);
no_table:
	rte_errno = ENOMEM;
	return NULL;
}

void
airlock_page_table_destroy(struct airlock_page_table *table)
{
	if (table == NULL)
		return;
	TAILQ_REMOVE(&tables, table, next);
	table_free(table);
}

struct airlock_page_table *
airlock_page_table_find(const char *name, const struct airlock_page_partition **partition)
{
	struct airlock_page_table *table;

	TAILQ_FOREACH (table, &tables, next) {
		for (uint32_t i = 0; i < table->nb_partitions; i++) {
			if (strcmp(table->partitions[i].name, name) != 0)
				continue;
			if (partition != NULL)
				*partition = &table->partitions[i];
			return table;
		}
	}
	rte_errno = ENOENT;
	return NULL;
}

uint32_t
airlock_page_new_tag(struct airlock_page_table *table)
{
	uint32_t tag = atomic_load_explicit(&table->last_tag, memory_order_relaxed);

	do {
		if (tag == AIRLOCK_PAGE_MAX_TAG)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(
		&table->last_tag, &tag, tag + 1, memory_order_relaxed, memory_order_relaxed));
	return tag + 1;
}

void
airlock_page_table_count(
	const struct airlock_page_table *table, uint32_t counts[static AIRLOCK_PAGE_STATES])
{
	memset(counts, 0, AIRLOCK_PAGE_STATES * sizeof(counts[0]));
	for (uint32_t i = 0; i < table->nb_frames; i++) {
		uint32_t state = airlock_page_state_get(table, i);

		if (likely(state < AIRLOCK_PAGE_STATES))
			counts[state]++;
	}
}

void
airlock_page_violation(struct airlock_page_table *table)
{
	atomic_fetch_add_explicit(&table->violations, 1, memory_order_relaxed);
}
