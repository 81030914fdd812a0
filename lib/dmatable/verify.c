/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The table of page states against the VMM's own page table, and against that of the VM's device,
 * as its driver knows it: the kernel tells nobody what is in an IOMMU domain.
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

/* One of the VM's tables. */
struct view {
	const struct airlock_page_table *pages;
	/* Whether n neighbouring pages are present; 0 or -errno. */
	int (*look)(const struct view *view, uint32_t page, bool *present, uint32_t n);
	const struct device *device; /* whose table it is; NULL: the VMM's */
	int pagemap_fd;
	uint64_t base;
	uint32_t nb_pages;
	uint32_t header; /* frame that is always present; UINT32_MAX: none */
	uint32_t tags[MAX_TAGS]; /* the window's, then those of earlier ones that may have pages */
	uint32_t nb_tags;
};

static uint32_t
frame_of(const struct view *view, uint32_t page)
{
	return airlock_frame_of_page(&view->pages->frame, page);
}

static int
look_vmm(const struct view *view, uint32_t page, bool *present, uint32_t n)
{
	uint64_t entries[ENTRIES];
	int ret = pagemap_read(
		view->pagemap_fd, view->base + (uint64_t)page * AIRLOCK_PAGE_SIZE, entries, n);

	for (uint32_t i = 0; ret == 0 && i < n; i++)
		present[i] = pagemap_is_present(entries[i]);
	return ret;
}

static int
look_device(const struct view *view, uint32_t page, bool *present, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		present[i] = view->device->ops->has(view->device->space, frame_of(view, page + i));
	return 0;
}

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

static bool
differs(const struct view *view, uint32_t page, uint32_t word, bool present)
{
	if (present)
		return !may_be_present(view, frame_of(view, page), word);
	return word == airlock_page_word(AIRLOCK_PAGE_LEASED, view->tags[0]);
}

static uint32_t
word_of(const struct view *view, uint32_t page)
{
	return airlock_page_word_get(view->pages, frame_of(view, page));
}

/* 0 or -errno. */
static int
first_look(const struct view *view, struct frames *suspects)
{
	bool present[ENTRIES];

	for (uint32_t page = 0; page < view->nb_pages; page += ENTRIES) {
		uint32_t n = RTE_MIN(view->nb_pages - page, (uint32_t)ENTRIES);
		int ret = view->look(view, page, present, n);

		if (ret < 0)
			return ret;
		for (uint32_t i = 0; i < n; i++) {
			if (differs(view, page + i, word_of(view, page + i), present[i]))
				frames_add(suspects, page + i);
		}
	}
	return 0;
}

static int
look_again(const struct view *view, struct frames *suspects)
{
	for (uint32_t page = 0; page < view->nb_pages; page++) {
		uint32_t before, after;
		bool present;
		int ret;

		if (!frames_has(suspects, page))
			continue;
		before = word_of(view, page);
		ret = view->look(view, page, &present, 1);
		if (ret < 0)
			return ret;
		after = word_of(view, page);
		if (before != after || !differs(view, page, after, present))
			frames_del(suspects, page);
	}
	return 0;
}

static void
fault_fill(const struct view *view, struct frames *suspects, struct airlock_dmatable_fault *fault)
{
	struct airlock_run run;
	bool present = false;
	uint32_t word;

	if (fault == NULL || !frames_take_run(suspects, &run))
		return;
	word = word_of(view, run.first_frame);
	view->look(view, run.first_frame, &present, 1);
	*fault = (struct airlock_dmatable_fault){
		.page = run.first_frame,
		.state = word & 0xff,
		.tag = word >> 8,
		.device = view->device != NULL,
		.present = present,
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

/* Of windows that are gone, those that may still have pages. Under the table's lock. */
static void
view_add_quarantine(struct view *view, const struct airlock_dmatable *table)
{
	const struct window *window;

	TAILQ_FOREACH (window, &table->quarantine, next) {
		bool may_have =
			view->device != NULL ? window->stuck : window->pid == table->window->pid;

		if (may_have && view->nb_tags < MAX_TAGS)
			view->tags[view->nb_tags++] = window->tag;
	}
}

static struct view
view_of(const struct airlock_dmatable *table)
{
	return (struct view){
		.pages = table->pages,
		.nb_pages = table->pages->bytes >> AIRLOCK_PAGE_SHIFT,
		.pagemap_fd = -1,
		.header = UINT32_MAX,
	};
}

/* 1; 0: there is no window; or -errno. */
static int
view_open_vmm(struct airlock_dmatable *table, struct view *view)
{
	const struct window *window;
	int ret = 0;

	*view = view_of(table);
	view->look = look_vmm;
	view->header = window_header_frame(table);
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

/* 1; 0: there is no window, or no device. The driver's object is there as long as the table. */
static int
view_open_device(struct airlock_dmatable *table, struct view *view)
{
	bool open;

	*view = view_of(table);
	view->look = look_device;
	view->device = &table->device;
	pthread_mutex_lock(&table->lock);
	open = table->window != NULL && device_is_present(table);
	if (open) {
		view->tags[view->nb_tags++] = table->window->tag;
		view_add_quarantine(view, table);
	}
	pthread_mutex_unlock(&table->lock);
	return open;
}

/* The window, or the device, that was looked at went meanwhile: what differs then means nothing. */
static bool
view_is_old(const struct airlock_dmatable *table, const struct view *view)
{
	return !airlock_dmatable_is_up(table) ||
		atomic_load_explicit(&table->tag, memory_order_relaxed) != view->tags[0] ||
		(view->device != NULL && !device_is_present(table));
}

/* Pages, or -errno. */
static int
table_verify(struct airlock_dmatable *table,
	int (*open)(struct airlock_dmatable *table, struct view *view),
	struct airlock_dmatable_fault *fault)
{
	struct view view;
	int ret;

	ret = open(table, &view);
	if (ret <= 0)
		return ret;
	ret = view_check(&view, fault);
	if (ret > 0 && view_is_old(table, &view))
		ret = 0;
	if (view.pagemap_fd >= 0)
		close(view.pagemap_fd);
	return ret;
}

int
airlock_dmatable_verify(struct airlock_dmatable *table, struct airlock_dmatable_fault *fault)
{
	int nb_vmm, nb_device;

	if (!airlock_dmatable_is_up(table))
		return 0;
	nb_vmm = table_verify(table, view_open_vmm, fault);
	if (nb_vmm < 0)
		return nb_vmm;
	nb_device = table_verify(table, view_open_device, nb_vmm == 0 ? fault : NULL);
	return nb_device < 0 ? nb_device : nb_vmm + nb_device;
}
