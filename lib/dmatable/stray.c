/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Accesses to pages that are not mapped for the VM.
 *
 * The vCPU waits. A page that becomes the VM's own is mapped by an lcore, which wakes it. One that
 * was the VM's own when an earlier window was lost, which the VM cannot know, is given to it again,
 * empty, as soon as it is free: it is taken out of its mempool, cleared, leased and mapped. If that
 * takes longer than a second, a line says so: another VM may have it, or an idle lcore. Any other
 * is a stray: counted, logged at most once a second for a VM, and, if the VM is to be killed for
 * it, the page is poisoned.
 *
 * A page that is the VM's by now may have been mapped since the fault; then nobody waits any
 * more. Or the lcore is about to map it. Or the kernel took a mapped page out, as it may to move or
 * to swap it: then nobody would map it again. So such a page is looked at again at the next look,
 * and mapped if it is the VM's still. That cannot undo an unmap: it is this thread that sends the
 * requests, and one for this page can only be sent later.
 *
 * Thread rule: the unmap thread.
 */

#include <rte_cycles.h>

#include <airlock_card.h>
#include <airlock_scrub.h>

#include "dmatable_priv.h"

#define STRAYS_PER_TURN 16

static uint32_t
frame_of(const struct airlock_dmatable *table, uint32_t page)
{
	return airlock_frame_of_page(&table->pages->frame, page);
}

static bool
is_the_vms(const struct airlock_dmatable *table, uint32_t page)
{
	uint32_t word = airlock_page_word_get(table->pages, frame_of(table, page));
	uint32_t tag = table->window->tag;

	/* Pairs with airlock_page_lease(): a frame that is mapped here has been scrubbed. */
	atomic_thread_fence(memory_order_acquire);
	return word == airlock_page_word(AIRLOCK_PAGE_LEASED, tag) ||
		word == airlock_page_word(AIRLOCK_PAGE_RELEASED, tag);
}

/* It had a packet for the VM when the window was lost, say with the airlock that ran before. */
static bool
may_resume(struct airlock_dmatable *table, uint32_t page)
{
	uint32_t frame = frame_of(table, page);

	return table->resume != NULL && table->resume(table, frame, table->arg);
}

/* The frame becomes the VM's, all zero. False: not now. */
static bool
stray_resume(struct airlock_dmatable *table, uint32_t page)
{
	struct airlock_page_table *pages = table->pages;
	uint32_t frame = frame_of(table, page);
	struct airlock_run run = {.first_frame = frame, .nb_frames = 1};
	int error = 0;
	bool claimed;

	/* Control takes back what is leased, under this lock. */
	pthread_mutex_lock(&table->lock);
	claimed = airlock_page_claim(pages, frame);
	if (claimed) {
		airlock_page_receive_inexact(pages, &pages->mbufs[frame], 1);
		airlock_scrub(airlock_page_addr(pages, frame), pages->frame.bytes, 0, 0);
		airlock_page_lease(pages, frame, table->window->tag);
		airlock_count(&table->counters.resumed, 1);
		/* Not all: none. It comes back, and is asked for again. */
		if ((pages->card != NULL && airlock_card_take(pages->card, &run, 1) == 0) ||
			device_map(table, &run, 1, &error) == 0) {
			airlock_dmatable_unmap(table, &frame, 1);
			claimed = false;
		}
	}
	pthread_mutex_unlock(&table->lock);
	return claimed;
}

static void
stray_log(struct airlock_dmatable *table, uint32_t page)
{
	uint64_t now = rte_rdtsc();
	enum airlock_page_state state = airlock_page_state_get(table->pages, frame_of(table, page));

	if (table->stray_logged_tsc != 0 && now - table->stray_logged_tsc < rte_get_tsc_hz()) {
		table->strays_unlogged++;
		return;
	}
	DMATABLE_LOG(WARNING,
		"%s: the VM touched page %u, which is %s and not its own (%llu more since the last "
		"line)\n",
		table->name, page, airlock_page_state_name(state),
		(unsigned long long)table->strays_unlogged);
	table->stray_logged_tsc = now;
	table->strays_unlogged = 0;
}

/* Once for each wait. */
static void
wait_log(struct airlock_dmatable *table, struct retry *retry)
{
	uint32_t frame = frame_of(table, retry->page);

	if (retry->logged || rte_rdtsc() - retry->start_tsc < rte_get_tsc_hz())
		return;
	retry->logged = true;
	DMATABLE_LOG(WARNING, "%s: the VM waits for page %u, which is or was its own, and is %s\n",
		table->name, retry->page,
		airlock_page_state_name(airlock_page_state_get(table->pages, frame)));
}

static void
stray_punish(struct airlock_dmatable *table, uint32_t page)
{
	enum airlock_stray stray = atomic_load_explicit(&table->stray, memory_order_relaxed);
	struct window *window = table->window;

	if (stray != AIRLOCK_STRAY_KILL || window->ops->poison(window->space, page) == 0)
		return;
	if (!table->warned)
		DMATABLE_LOG(WARNING,
			"%s: the kernel cannot poison a page, expected Linux 6.6; the VM waits\n",
			table->name);
	table->warned = true;
}

static void
stray_handle(struct airlock_dmatable *table, uint32_t page)
{
	struct window *window = table->window;

	/* On its way out: the agent wakes all who wait when it has made the window dark. */
	if (!table->told)
		return;
	if (is_the_vms(table, page) || may_resume(table, page)) {
		if (table->nb_retries < MAX_RETRIES)
			table->retries[table->nb_retries++] =
				(struct retry){.page = page, .start_tsc = rte_rdtsc()};
		else /* it comes again, if need be */
			window->ops->wake(window->space, page);
		return;
	}
	airlock_count(&table->counters.strays, 1);
	stray_log(table, page);
	stray_punish(table, page);
}

void
stray_ready(struct watch *faults, uint32_t events)
{
	struct airlock_dmatable *table = faults->arg;
	uint32_t pages[STRAYS_PER_TURN];
	uint16_t n;

	n = table->window->ops->strays(table->window->space, pages, STRAYS_PER_TURN);
	for (uint16_t i = 0; i < n; i++)
		stray_handle(table, pages[i]);
}

/* Whether the access was let go on. False: to be looked at again. */
static bool
retry_end(struct airlock_dmatable *table, uint32_t page)
{
	struct window *window = table->window;
	const struct airlock_card *card = table->pages->card;
	struct airlock_run run = {.first_frame = frame_of(table, page), .nb_frames = 1};
	int error;

	if (!is_the_vms(table, page) && may_resume(table, page) && !stray_resume(table, page))
		return false;
	if (is_the_vms(table, page)) {
		/* An lcore has leased it, and not taken it from the cards yet. */
		if (card != NULL && !airlock_card_is_taken(card, run.first_frame))
			return false;
		if (window->ops->map(window->space, &run, 1, &error) != 1)
			return false;
	}
	window->ops->wake(window->space, page);
	return true;
}

bool
stray_look(struct airlock_dmatable *table)
{
	uint32_t nb_retries = table->nb_retries;

	/* See stray_handle(). */
	if (!table->told)
		return false;
	table->nb_retries = 0;
	for (uint32_t i = 0; i < nb_retries; i++) {
		struct retry retry = table->retries[i];

		if (retry_end(table, retry.page))
			continue;
		wait_log(table, &retry);
		table->retries[table->nb_retries++] = retry;
	}
	return table->nb_retries != nb_retries;
}
