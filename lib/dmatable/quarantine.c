/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Frames of windows that went without a word: they stay UNMAPPING until they are known to be dark.
 *
 * Nobody maps in such a window any more, so a page that is dark stays so. It is dark when the
 * VMM's address space is gone, when the VMM's page table says so, or, where that may not be read,
 * when the same process says HELLO again: its agent does so only with a dark window. The window's
 * driver object lives until the last frame is back: with the last descriptor of a userfaultfd its
 * registration would go, and the window would show everything.
 *
 * A VMM that is killed may leave an address space that does not end: the kernel waits there for a
 * page on the VMM's behalf. Nobody will ever map that page, so the kernel is told not to wait when
 * no thread of the VMM runs any more. What it then finds there nobody can read.
 *
 * Thread rule: the unmap thread.
 */

#include <poll.h>

#include "dmatable_priv.h"
#include "pagemap.h"

/* Pages of the frames of one word, at most. */
#define WORD_PAGES (FRAMES_WORD * AIRLOCK_FRAME_MAX_PAGES)

static uint32_t
release_all(struct window *window)
{
	uint32_t nb_released = 0;
	struct airlock_run run;

	while (frames_take_run(&window->lent, &run))
		nb_released += unmap_give_back(window->pages, &run);
	return nb_released;
}

static bool
frame_is_dark(const uint64_t *entries, uint32_t nb_pages)
{
	for (uint32_t i = 0; i < nb_pages; i++) {
		if (!pagemap_is_dark(entries[i]))
			return false;
	}
	return true;
}

/* Frames of one word of the set. */
static uint32_t
release_dark_word(struct window *window, uint32_t word)
{
	const struct airlock_frame_size *size = &window->pages->frame;
	uint32_t first = word * FRAMES_WORD;
	uint32_t nb_frames = RTE_MIN(window->pages->nb_frames - first, (uint32_t)FRAMES_WORD);
	uint32_t nb_pages = RTE_MIN(nb_frames * size->pages,
		(uint32_t)(window->pages->bytes >> AIRLOCK_PAGE_SHIFT) - first * size->pages);
	uint64_t entries[WORD_PAGES];
	uint32_t nb_released = 0;

	if (pagemap_read(window->pagemap_fd, window->place.base + airlock_frame_offset(size, first),
		    entries, nb_pages) < 0)
		return 0;
	for (uint32_t i = 0; i < nb_frames; i++) {
		struct airlock_run run = {.first_frame = first + i, .nb_frames = 1};

		if (!frames_has(&window->lent, first + i) ||
			!frame_is_dark(&entries[i * size->pages], size->pages))
			continue;
		frames_del(&window->lent, first + i);
		nb_released += unmap_give_back(window->pages, &run);
	}
	return nb_released;
}

/* All threads of the VMM. */
static bool
has_ended(const struct window *window)
{
	struct pollfd process = {.fd = window->process_fd, .events = POLLIN};

	return window->process_fd >= 0 && poll(&process, 1, 0) == 1;
}

static uint32_t
window_look(struct window *window)
{
	uint32_t nb_released = 0;

	if (window->lent.count == 0 || window->stuck)
		return 0;
	if (!window->ops->is_alive(window->space))
		return release_all(window);
	if (has_ended(window))
		window->ops->abandon(window->space);
	for (uint32_t word = 0; window->pagemap_fd >= 0 && word < window->lent.nb_words; word++) {
		if (window->lent.words[word] != 0)
			nb_released += release_dark_word(window, word);
	}
	return nb_released;
}

/* Those that have nothing left. */
static void
windows_free(struct window_list *windows)
{
	struct window *window, *next;

	for (window = TAILQ_FIRST(windows); window != NULL; window = next) {
		next = TAILQ_NEXT(window, next);
		if (window->lent.count != 0)
			continue;
		TAILQ_REMOVE(windows, window, next);
		window_free(window);
	}
}

uint32_t
quarantine_look(struct window_list *windows)
{
	uint32_t nb_released = 0;
	struct window *window;

	TAILQ_FOREACH (window, windows, next)
		nb_released += window_look(window);
	windows_free(windows);
	return nb_released;
}

static uint32_t
quarantine_count(const struct window_list *windows)
{
	const struct window *window;
	uint32_t count = 0;

	TAILQ_FOREACH (window, windows, next)
		count += window->lent.count;
	return count;
}

void
quarantine_look_table(struct airlock_dmatable *table, int confirmed_pid)
{
	uint32_t nb_released = 0;
	struct window *window;

	/* Control reads the list. */
	pthread_mutex_lock(&table->lock);
	TAILQ_FOREACH (window, &table->quarantine, next) {
		if (window->pid == confirmed_pid && window->pagemap_fd < 0 && !window->stuck)
			nb_released += release_all(window);
	}
	nb_released += quarantine_look(&table->quarantine);
	atomic_store_explicit(&table->counters.quarantined, quarantine_count(&table->quarantine),
		memory_order_relaxed);
	pthread_mutex_unlock(&table->lock);
	airlock_count(&table->counters.returned, nb_released);
	if (nb_released != 0)
		DMATABLE_LOG(INFO, "%s: %u frames of lost windows are dark and back\n", table->name,
			nb_released);
}
