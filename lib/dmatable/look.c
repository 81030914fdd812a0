/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What the unmap thread (thread.c) looks at, and when: the chains of frames to be unmapped of all
 * tables, and the windows in quarantine. How often it looks is what it costs:
 *
 *     frames came at the last look     after 50 us (a timer's slack makes it about 100)
 *     none came                        twice as long as before, up to 1 ms
 *     no table is up                   never; every 100 ms if frames are in quarantine
 *
 * A look that finds nothing costs a load for each table, and a wake-up (some 5 us). So beside idle
 * VMs the thread takes about half a percent of a CPU, and with traffic some 5 percent and what
 * the requests cost. Where it shares a CPU with an lcore, that lcore is interrupted as often.
 * Answers of agents wake the thread, but do not make it look earlier: what gathers meanwhile makes
 * a better request.
 *
 * What a request costs, in the agent: 1000 ns for a page alone, 12 to 75 ns a page for runs of an
 * extent. So those who give frames should wait until whole extents are given; here is only merged
 * what came within one look.
 *
 * Thread rule: the unmap thread; look_begin() before it runs.
 */

#include <time.h>

#include "dmatable_priv.h"

#define ONE_S_NS      INT64_C(1000000000)
#define MIN_LOOK_NS   INT64_C(50000)
#define MAX_LOOK_NS   INT64_C(1000000)
#define QUARANTINE_NS INT64_C(100000000)

static struct {
	TAILQ_HEAD(, airlock_dmatable) tables;
	struct window_list orphans; /* windows of tables that are no more */
	int64_t look_ns; /* from one look to the next */
	int64_t looked_ns;
	int64_t quarantine_looked_ns;
} looking = {
	.tables = TAILQ_HEAD_INITIALIZER(looking.tables),
	.orphans = TAILQ_HEAD_INITIALIZER(looking.orphans),
};

void
look_begin(void)
{
	looking.look_ns = MIN_LOOK_NS;
}

int64_t
look_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * ONE_S_NS + ts.tv_nsec;
}

void
look_add_table(struct airlock_dmatable *table)
{
	TAILQ_INSERT_TAIL(&looking.tables, table, next);
}

void
look_del_table(struct airlock_dmatable *table)
{
	TAILQ_REMOVE(&looking.tables, table, next);
	TAILQ_CONCAT(&looking.orphans, &table->quarantine, next);
}

static bool
any_up(void)
{
	const struct airlock_dmatable *table;

	TAILQ_FOREACH (table, &looking.tables, next) {
		if (table->window != NULL)
			return true;
	}
	return false;
}

static bool
any_in_quarantine(void)
{
	const struct airlock_dmatable *table;

	if (!TAILQ_EMPTY(&looking.orphans))
		return true;
	TAILQ_FOREACH (table, &looking.tables, next) {
		if (!TAILQ_EMPTY(&table->quarantine))
			return true;
	}
	return false;
}

static void
look_at_quarantine(void)
{
	struct airlock_dmatable *table;

	quarantine_look(&looking.orphans);
	TAILQ_FOREACH (table, &looking.tables, next)
		quarantine_look_table(table, 0);
}

static void
look_at_tables(void)
{
	struct airlock_dmatable *table;
	bool busy = false;

	TAILQ_FOREACH (table, &looking.tables, next) {
		if (table->window == NULL)
			continue;
		busy |= unmap_look(table);
		busy |= stray_look(table);
	}
	looking.look_ns = busy ? MIN_LOOK_NS : RTE_MIN(2 * looking.look_ns, MAX_LOOK_NS);
}

int64_t
look_at_due(void)
{
	int64_t now = look_now_ns(), due_ns = INT64_MAX;

	if (any_up()) {
		if (now >= looking.looked_ns + looking.look_ns) {
			look_at_tables();
			looking.looked_ns = now;
		}
		due_ns = looking.looked_ns + looking.look_ns;
	}
	if (any_in_quarantine()) {
		if (now >= looking.quarantine_looked_ns + QUARANTINE_NS) {
			look_at_quarantine();
			looking.quarantine_looked_ns = now;
		}
		due_ns = RTE_MIN(due_ns, looking.quarantine_looked_ns + QUARANTINE_NS);
	}
	return due_ns;
}

bool
look_is_idle(void)
{
	return TAILQ_EMPTY(&looking.tables) && TAILQ_EMPTY(&looking.orphans);
}

uint32_t
look_forget(const struct airlock_page_table *pages)
{
	struct window *window, *next;
	uint32_t nb_left = 0;

	quarantine_look(&looking.orphans);
	for (window = TAILQ_FIRST(&looking.orphans); window != NULL; window = next) {
		next = TAILQ_NEXT(window, next);
		if (window->pages != pages)
			continue;
		nb_left += window->lent.count;
		TAILQ_REMOVE(&looking.orphans, window, next);
		window_free(window);
	}
	return nb_left;
}
