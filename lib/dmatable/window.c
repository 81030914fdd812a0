/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A window comes and goes.
 *
 * It comes with HELLO: the agent has registered its mapping of the pool and made it dark. Where the
 * VMM's page table may be read, it is held against that: a window that shows a page is refused.
 * Each window has a tag of its own, so a frame that an earlier window of the same VM has not let go
 * of is not taken for this one's.
 *
 * The pool's last frame, if it holds the header of airlock_window_proto.h, is mapped for the VM to
 * read before anybody hears of the window.
 *
 * It goes in two steps. window_down(): nobody maps any more, the event callback has waited for the
 * lcores, what the VM still holds is UNMAPPING. window_lost(): the agent has gone, so no answer
 * will come, and what is UNMAPPING is in quarantine until it is seen to be dark (quarantine.c). The
 * agent hides the window by itself when it loses the connection.
 *
 * Thread rule: the unmap thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_errno.h>

#include "dmatable_priv.h"
#include "pagemap.h"

#define ENTRIES 512

void
window_free(struct window *window)
{
	window->ops->close(window->space);
	if (window->pagemap_fd >= 0)
		close(window->pagemap_fd);
	if (window->process_fd >= 0)
		close(window->process_fd);
	frames_fini(&window->lent);
	free(window);
}

/* Takes the descriptor in any case. NULL with rte_errno. */
static struct window *
window_create(struct airlock_dmatable *table, const struct airlock_window_hello *hello, int fd)
{
	const struct airlock_page_table *pages = table->pages;
	struct window *window;
	int ret = -ENOMEM;

	window = calloc(1, sizeof(*window));
	if (window == NULL)
		goto close_fd;
	if (frames_init(&window->lent, pages->nb_frames) < 0)
		goto free_window;
	ret = table->ops->open(fd, hello->base, hello->bytes, pages->frame.bytes, &window->space);
	if (ret < 0)
		goto free_frames;
	window->ops = table->ops;
	window->pages = table->pages;
	window->pid = table->agent_pid;
	window->pagemap_fd = pagemap_open(window->pid);
	window->pagemap_error = RTE_MIN(window->pagemap_fd, 0);
	window->process_fd = syscall(SYS_pidfd_open, window->pid, 0);
	window->place = (struct airlock_window_place){
		.base = hello->base,
		.bytes = hello->bytes,
		.in_process = hello->in_process != 0,
		.owner = pagemap_owner(window->pid),
	};
	return window;

free_frames:
	frames_fini(&window->lent);
free_window:
	free(window);
close_fd:
	close(fd);
	rte_errno = -ret;
	return NULL;
}

/* The first page that the VMM can see, or that it sees none (UINT32_MAX). */
static uint32_t
window_first_visible(const struct window *window)
{
	uint32_t nb_pages = window->place.bytes / AIRLOCK_PAGE_SIZE;
	uint64_t entries[ENTRIES];

	for (uint32_t page = 0; window->pagemap_fd >= 0 && page < nb_pages; page += ENTRIES) {
		uint32_t n = RTE_MIN(nb_pages - page, (uint32_t)ENTRIES);

		if (pagemap_read(window->pagemap_fd,
			    window->place.base + (uint64_t)page * AIRLOCK_PAGE_SIZE, entries,
			    n) < 0)
			break;
		for (uint32_t i = 0; i < n; i++) {
			if (pagemap_is_present(entries[i]))
				return page + i;
		}
	}
	return UINT32_MAX;
}

uint32_t
window_header_frame(const struct airlock_dmatable *table)
{
	return airlock_pool_header(table->pool) != NULL ? table->pages->nb_frames - 1 : UINT32_MAX;
}

/*
 * A kernel that cannot map and protect in one step lets the VM write for a moment: what it wrote is
 * put right again. All other VMs have the same page, but hold no packet yet that depends on it.
 */
static int
header_map(const struct airlock_dmatable *table, const struct window *window, uint32_t frame)
{
	struct airlock_run run = {.first_frame = frame, .nb_frames = 1};
	/* The last frame: it may be cut short. */
	size_t bytes = window->pages->bytes - airlock_frame_offset(&window->pages->frame, frame);
	void *now = airlock_page_addr(window->pages, frame);
	void *before = malloc(bytes);
	int ret;

	if (before == NULL)
		return -ENOMEM;
	memcpy(before, now, bytes);
	ret = window->ops->map_readonly(window->space, &run);
	if (ret == 0 && memcmp(before, now, bytes) != 0) {
		DMATABLE_LOG(WARNING, "%s: the VM wrote to the pool's header\n", table->name);
		memcpy(now, before, bytes);
	}
	free(before);
	return ret;
}

static void
window_show_header(const struct airlock_dmatable *table, const struct window *window)
{
	uint32_t frame = window_header_frame(table);
	int ret;

	if (frame == UINT32_MAX)
		return;
	ret = header_map(table, window, frame);
	if (ret < 0)
		DMATABLE_LOG(WARNING,
			"%s: the pool's header cannot be mapped read-only: %s; a guest in a VM "
			"will not find its window\n",
			table->name, rte_strerror(-ret));
}

/* Lcores may map from here on. */
static void
window_publish(struct airlock_dmatable *table, struct window *window)
{
	pthread_mutex_lock(&table->lock);
	table->window = window;
	atomic_store_explicit(&table->tag, window->tag, memory_order_relaxed);
	pthread_mutex_unlock(&table->lock);
	atomic_store_explicit(&table->pid, window->pid, memory_order_relaxed);
	airlock_count(&table->counters.nb_windows, 1);
	table->last_id = 0;
	table->nb_retries = 0;
	/* Pairs with airlock_dmatable_map(). */
	atomic_store_explicit(&table->space, window->space, memory_order_release);
}

/* What is wrong with the numbers, in words for both sides; false: nothing. */
static bool
hello_is_bad(struct airlock_dmatable *table, const struct airlock_window_hello *hello)
{
	uint64_t bytes = table->pages->bytes;

	if (hello->version != AIRLOCK_WINDOW_VERSION)
		agent_refuse(
			table, "version %u, expected %u", hello->version, AIRLOCK_WINDOW_VERSION);
	else if (hello->bytes != bytes)
		agent_refuse(table, "a window of %llu bytes, expected the pool's %llu",
			(unsigned long long)hello->bytes, (unsigned long long)bytes);
	else if (hello->base % AIRLOCK_PAGE_SIZE != 0 || hello->base == 0 ||
		hello->base > UINT64_MAX - bytes)
		agent_refuse(table, "a window at address 0x%llx, expected a page's",
			(unsigned long long)hello->base);
	else if (hello->in_process > 1)
		agent_refuse(table, "in_process is %u, expected 0 or 1", hello->in_process);
	else
		return false;
	return true;
}

/* False: refused. */
static bool
window_check(struct airlock_dmatable *table, const struct window *window)
{
	uint32_t page;

	if (table->agent_pid == 0) {
		agent_refuse(table, "a process that airlockd cannot see");
		return false;
	}
	page = window_first_visible(window);
	if (page != UINT32_MAX) {
		agent_refuse(
			table, "page %u of the window is mapped, expected a dark window", page);
		return false;
	}
	if (window->tag == 0) {
		agent_refuse(table, "airlockd has run out of tags for windows");
		return false;
	}
	return true;
}

bool
window_up(struct airlock_dmatable *table, const struct airlock_window_hello *hello, int fd)
{
	struct window *window;

	if (hello_is_bad(table, hello)) {
		close(fd);
		return false;
	}
	window = window_create(table, hello, fd);
	if (window == NULL) {
		agent_refuse(table,
			rte_errno == EINVAL ? "the descriptor is no userfaultfd: %s" : "%s",
			rte_strerror(rte_errno));
		return false;
	}
	window->tag = airlock_page_new_tag(table->pages);
	window->place.tag = window->tag;
	if (!window_check(table, window)) {
		window_free(window);
		return false;
	}
	/* The same process says now that all of it is dark. */
	quarantine_look_table(table, table->agent_pid);
	window_show_header(table, window);
	table->faults.fd = window->ops->poll_fd(window->space);
	if (watch_add(&table->faults, EPOLLIN) < 0) {
		table->faults.fd = -1;
		DMATABLE_LOG(
			WARNING, "%s: faults are not seen: %s\n", table->name, strerror(errno));
	}
	if (window->pagemap_fd < 0)
		DMATABLE_LOG(WARNING,
			"%s: /proc/%d/pagemap: %s; pages cannot be verified, and those of a window "
			"that breaks are kept until its process ends or comes back\n",
			table->name, window->pid, rte_strerror(-window->pagemap_error));
	window_publish(table, window);
	DMATABLE_LOG(INFO, "%s: window of process %d is up, tag %u\n", table->name, window->pid,
		window->tag);
	table->told = true;
	table->event(table, &window->place, table->arg);
	return true;
}

bool
window_take_back(struct airlock_page_table *pages, uint32_t frame, uint32_t tag)
{
	uint32_t word = airlock_page_word_get(pages, frame);

	if (word != airlock_page_word(AIRLOCK_PAGE_LEASED, tag) &&
		word != airlock_page_word(AIRLOCK_PAGE_RELEASED, tag))
		return false;
	airlock_page_withdraw(pages, frame, tag);
	return true;
}

void
window_down(struct airlock_dmatable *table)
{
	struct window *window = table->window;

	if (window == NULL)
		return;
	atomic_store_explicit(&table->space, NULL, memory_order_relaxed);
	/* What an lcore read before, it is through with when this returns. */
	if (table->told)
		table->event(table, NULL, table->arg);
	table->told = false;
	pthread_mutex_lock(&table->lock);
	for (uint32_t frame = 0; frame < table->pages->nb_frames; frame++) {
		if (window_take_back(table->pages, frame, window->tag))
			frames_add(&table->pending, frame);
	}
	pthread_mutex_unlock(&table->lock);
	window->stuck |= !device_down(table);
}

/* Everything of the window's that is UNMAPPING, wherever it waits. */
static void
window_quarantine(struct airlock_dmatable *table, struct window *window)
{
	uint32_t word = airlock_page_word(AIRLOCK_PAGE_UNMAPPING, window->tag);

	pthread_mutex_lock(&table->lock);
	for (uint32_t frame = 0; frame < table->pages->nb_frames; frame++) {
		window_take_back(table->pages, frame, window->tag);
		if (airlock_page_word_get(table->pages, frame) == word)
			frames_add(&window->lent, frame);
	}
	unmap_forget(table);
	device_forget(table);
	atomic_store_explicit(&table->tag, 0, memory_order_relaxed);
	table->window = NULL;
	TAILQ_INSERT_TAIL(&table->quarantine, window, next);
	pthread_mutex_unlock(&table->lock);
}

void
window_lost(struct airlock_dmatable *table)
{
	struct window *window = table->window;

	if (window != NULL) {
		window_down(table);
		watch_forget(&table->faults);
	}
	watch_close(&table->agent);
	if (window == NULL)
		return;
	window_quarantine(table, window);
	atomic_store_explicit(&table->pid, 0, memory_order_relaxed);
	DMATABLE_LOG(INFO, "%s: window of process %d is gone, %u frames may still be mapped\n",
		table->name, window->pid, window->lent.count);
	quarantine_look_table(table, 0);
}
