/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table of page states against the VMM's own page table.
 *
 * Two tables that others are changing cannot be read at one moment. So a page that differs is a
 * suspect, and is looked at again until it has been right once, or wrong every time for longer than
 * any change takes, an lcore that lost its CPU in the middle of one included. While the lcores rest
 * the first look is exact already.
 *
 * Thread rule: control. Waits for no lcore and not for the unmap thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dmatable_priv.h"
#include "pagemap.h"

#define ENTRIES	     512
#define LOOKS	     20
#define LOOK_WAIT_US 5000
#define MAX_TAGS     16

struct view {
	const struct airlock_page_table *pages;
	int pagemap_fd;
	uint64_t base;
	uint32_t nb_pages;
	uint32_t header; /* frame */
	uint32_t tags[MAX_TAGS]; /* the window's, then those of earlier ones in the same process */
	uint32_t nb_tags;
};

static bool
may_be_present(const struct view *view, uint32_t frame, uint32_t word)
{
	enum airlock_page_state state = word & 0xff;

	if (frame == view->header)
		return true;
	if (word >> 8 == view->tags[0])
		return state == AIRLOCK_PAGE_LEASED || state == AIRLOCK_PAGE_RELEASED ||
			state == AIRLOCK_PAGE_UNMAPPING;
	for (uint32_t i = 1; i < view->nb_tags; i++) {
		if (word == airlock_page_word(AIRLOCK_PAGE_UNMAPPING, view->tags[i]))
			return true;
	}
	return false;
}

static uint32_t
frame_of(const struct view *view, uint32_t page)
{
	return airlock_frame_of_page(&view->pages->frame, page);
}

static bool
differs(const struct view *view, uint32_t page, uint32_t word, uint64_t entry)
{
	if (pagemap_is_present(entry))
		return !may_be_present(view, frame_of(view, page), word);
	return word == airlock_page_word(AIRLOCK_PAGE_LEASED, view->tags[0]);
}

/* 0 or -errno. */
static int
first_look(const struct view *view, struct frames *suspects)
{
	uint64_t entries[ENTRIES];

	for (uint32_t page = 0; page < view->nb_pages; page += ENTRIES) {
		uint32_t n = RTE_MIN(view->nb_pages - page, (uint32_t)ENTRIES);
		int ret = pagemap_read(view->pagemap_fd,
			view->base + (uint64_t)page * AIRLOCK_PAGE_SIZE, entries, n);

		if (ret < 0)
			return ret;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t word =
				airlock_page_word_get(view->pages, frame_of(view, page + i));

			if (differs(view, page + i, word, entries[i]))
				frames_add(suspects, page + i);
		}
	}
	return 0;
}

static int
look_again(const struct view *view, struct frames *suspects)
{
	for (uint32_t page = 0; page < view->nb_pages; page++) {
		uint32_t frame = frame_of(view, page);
		uint32_t before, after;
		uint64_t entry;
		int ret;

		if (!frames_has(suspects, page))
			continue;
		before = airlock_page_word_get(view->pages, frame);
		ret = pagemap_read(view->pagemap_fd,
			view->base + (uint64_t)page * AIRLOCK_PAGE_SIZE, &entry, 1);
		if (ret < 0)
			return ret;
		after = airlock_page_word_get(view->pages, frame);
		if (before != after || !differs(view, page, after, entry))
			frames_del(suspects, page);
	}
	return 0;
}

static void
fault_fill(const struct view *view, struct frames *suspects, struct airlock_dmatable_fault *fault)
{
	uint32_t word;
	struct airlock_run run;
	uint64_t entry = 0;

	if (fault == NULL || !frames_take_run(suspects, &run))
		return;
	word = airlock_page_word_get(view->pages, frame_of(view, run.first_frame));
	pagemap_read(view->pagemap_fd, view->base + (uint64_t)run.first_frame * AIRLOCK_PAGE_SIZE,
		&entry, 1);
	*fault = (struct airlock_dmatable_fault){
		.page = run.first_frame,
		.state = word & 0xff,
		.tag = word >> 8,
		.present = pagemap_is_present(entry),
	};
}

/* Pages, or -errno. */
static int
view_check(const struct view *view, struct airlock_dmatable_fault *fault)
{
	struct frames suspects;
	int ret;

	ret = frames_init(&suspects, view->nb_pages);
	if (ret < 0)
		return ret;
	ret = first_look(view, &suspects);
	for (int i = 1; i < LOOKS && ret == 0 && suspects.count != 0; i++) {
		rte_delay_us_sleep(LOOK_WAIT_US);
		ret = look_again(view, &suspects);
	}
	/* The VMM died meanwhile: the window is going. */
	if (ret == -ESRCH)
		ret = 0;
	else if (ret == 0)
		ret = suspects.count;
	if (ret > 0)
		fault_fill(view, &suspects, fault);
	frames_fini(&suspects);
	return ret;
}

static void
view_add_quarantine(struct view *view, const struct airlock_dmatable *table)
{
	const struct window *window;

	TAILQ_FOREACH (window, &table->quarantine, next) {
		if (window->pid == table->window->pid && view->nb_tags < MAX_TAGS)
			view->tags[view->nb_tags++] = window->tag;
	}
}

/* 1; 0: there is no window; or -errno. */
static int
view_open(struct airlock_dmatable *table, struct view *view)
{
	const struct window *window;
	int ret = 0;

	*view = (struct view){
		.pages = table->pages,
		.nb_pages = table->pages->bytes >> AIRLOCK_PAGE_SHIFT,
		.header = window_header_frame(table),
	};
	pthread_mutex_lock(&table->lock);
	window = table->window;
	if (window == NULL)
		goto unlock;
	if (window->pagemap_fd < 0) {
		ret = -EACCES;
		goto unlock;
	}
	/* A copy: the window may go while it is looked at. */
	view->pagemap_fd = fcntl(window->pagemap_fd, F_DUPFD_CLOEXEC, 0);
	if (view->pagemap_fd < 0) {
		ret = -errno;
		goto unlock;
	}
	ret = 1;
	view->base = window->place.base;
	view->tags[view->nb_tags++] = window->tag;
	view_add_quarantine(view, table);
unlock:
	pthread_mutex_unlock(&table->lock);
	return ret;
}

/* The window that was looked at went meanwhile: what differs then means nothing. */
static bool
view_is_old(const struct airlock_dmatable *table, const struct view *view)
{
	return !airlock_dmatable_is_up(table) ||
		atomic_load_explicit(&table->tag, memory_order_relaxed) != view->tags[0];
}

int
airlock_dmatable_verify(struct airlock_dmatable *table, struct airlock_dmatable_fault *fault)
{
	struct view view;
	int ret;

	if (!airlock_dmatable_is_up(table))
		return 0;
	ret = view_open(table, &view);
	if (ret <= 0)
		return ret;
	ret = view_check(&view, fault);
	if (ret > 0 && view_is_old(table, &view))
		ret = 0;
	close(view.pagemap_fd);
	return ret;
}
