/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AGENT_FIND_H
#define AGENT_FIND_H

/**
 * @file
 * Finds a mapping of the pool that this process has already.
 *
 * Thread rule: none of its own; it reads /proc/self/maps.
 */

#include <stddef.h>

#include "airlock_window_proto.h"

struct found_mapping {
	void *base;
	size_t bytes;
};

/**
 * Find the one mapping of the pool, whole and shared.
 *
 * @return 0; -ENOENT (none); -EINVAL (part of the pool, or private); -EEXIST (more than one); or
 *         what open(2) said
 */
int find_mapping(const struct airlock_window_welcome *pool, struct found_mapping *found);

#endif /* AGENT_FIND_H */
