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
 * One byte a frame, so that 64 neighbouring frames share one cache line and no other.
 *
 * Thread rule: the list of tables is changed by the main thread alone, while no mempool is created.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_string_fns.h>

#include "airlock_page.h"

static const char *const state_names[] = {
	[AIRLOCK_PAGE_FREE] = "free",
	[AIRLOCK_PAGE_CARD] = "card",
	[AIRLOCK_PAGE_HOST] = "host",
};
static_assert(RTE_DIM(state_names) == AIRLOCK_PAGE_STATES, "every state has a name");

static TAILQ_HEAD(, airlock_page_table) tables = TAILQ_HEAD_INITIALIZER(tables);

const char *
airlock_page_state_name(enum airlock_page_state state)
{
	return state_names[state];
}

struct airlock_page_table *
airlock_page_table_create(const char *name, void *base, uint32_t nb_frames, uint32_t frame_shift)
{
	size_t bytes = RTE_ALIGN_CEIL((size_t)nb_frames, RTE_CACHE_LINE_SIZE);
	struct airlock_page_table *table;

	table = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_CACHE_LINE_ROUNDUP(sizeof(*table)));
	if (table == NULL)
		goto no_table;
	memset(table, 0, sizeof(*table));
	table->states = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	if (table->states == NULL)
		goto free_table;
	memset((void *)table->states, AIRLOCK_PAGE_FREE, bytes);
	table->base = (uintptr_t)base;
	table->nb_frames = nb_frames;
	table->frame_shift = frame_shift;
	rte_strscpy(table->name, name, sizeof(table->name));
	TAILQ_INSERT_TAIL(&tables, table, next);
	return table;

free_table:
	free(table);
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
	free((void *)table->states);
	free(table);
}

struct airlock_page_table *
airlock_page_table_find(const char *name)
{
	struct airlock_page_table *table;

	TAILQ_FOREACH (table, &tables, next) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	rte_errno = ENOENT;
	return NULL;
}

void
airlock_page_table_count(
	const struct airlock_page_table *table, uint32_t counts[static AIRLOCK_PAGE_STATES])
{
	memset(counts, 0, AIRLOCK_PAGE_STATES * sizeof(counts[0]));
	for (uint32_t i = 0; i < table->nb_frames; i++)
		counts[airlock_page_state_get(table, i)]++;
}

void
airlock_page_violation(struct airlock_page_table *table)
{
	atomic_fetch_add_explicit(&table->violations, 1, memory_order_relaxed);
}
