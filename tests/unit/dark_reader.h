/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef DARK_READER_H
#define DARK_READER_H

/**
 * @file
 * A reader of one byte of a window. It waits while that is dark, so it is a thread of its own.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dark_reader {
	pthread_t thread;
	bool started;
	const char *at;
	_Atomic int value; /* -1: not read yet */
};

static inline void *
dark_reader_main(void *arg)
{
	struct dark_reader *reader = arg;
	int value = *(const _Atomic unsigned char *)reader->at;

	atomic_store_explicit(&reader->value, value, memory_order_release);
	return NULL;
}

/** 0; or what pthread_create(3) said. */
static inline int
dark_reader_start(struct dark_reader *reader, const char *at)
{
	int ret;

	reader->at = at;
	atomic_store_explicit(&reader->value, -1, memory_order_relaxed);
	ret = pthread_create(&reader->thread, NULL, dark_reader_main, reader);
	reader->started = ret == 0;
	return ret;
}

/** What it has read; -1: it waits. Any thread. */
static inline int
dark_reader_value(const struct dark_reader *reader)
{
	return atomic_load_explicit(&reader->value, memory_order_acquire);
}

/** Once it has read. */
static inline void
dark_reader_join(struct dark_reader *reader)
{
	pthread_join(reader->thread, NULL);
	reader->started = false;
}

#endif /* DARK_READER_H */
