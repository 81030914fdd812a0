/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The window that test_window_*.c share.
 *
 * Thread rule: main thread.
 */

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_window.h"

struct airlock_window *
test_window_open(unsigned int frame_pages)
{
	const size_t bytes = (size_t)TEST_WINDOW_NB_FRAMES * frame_pages * 4096;
	struct airlock_window_layout layout = {
		.pool_bytes = bytes,
		.frame_pages = frame_pages,
		.nb_partitions = 2,
		.partitions = {{0, TEST_WINDOW_FRAMES},
			{TEST_WINDOW_FRAMES, TEST_WINDOW_MORE_FRAMES}},
	};
	uint8_t *base = MAP_FAILED;
	int fd;

	fd = memfd_create("airlock-test", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED)
		return NULL;
	return window_create(base, bytes, (uintptr_t)base, &layout);
}

void
test_window_close(struct airlock_window *window)
{
	if (window == NULL)
		return;
	munmap(window->base, window->bytes);
	free(window);
}

uint32_t
test_window_frame(const struct airlock_window *window, const void *addr)
{
	uintptr_t offset = (uintptr_t)addr - (uintptr_t)window->base;

	return offset < window->bytes ? (uint32_t)(offset / window_frame_bytes(window))
				      : UINT32_MAX;
}
