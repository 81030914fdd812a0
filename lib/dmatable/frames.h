/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_FRAMES_H
#define AIRLOCK_DMATABLE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "airlock_dmatable.h"

/* Frames of a word: those of an extent. */
#define FRAMES_WORD 64

/*
 * A set of frames, a bit each: what goes in comes out in order and merged, and neither end is sorted.
 * One thread.
 */
struct frames {
	uint64_t *words;
	uint32_t nb_words;
	uint32_t lowest; /* no bit is set in a word before this one */
	uint32_t count;
};

/* 0 or -ENOMEM. */
int frames_init(struct frames *set, uint32_t nb_frames);
void frames_fini(struct frames *set);

/* Empty it. */
void frames_clear(struct frames *set);

static inline bool
frames_has(const struct frames *set, uint32_t frame)
{
	return (set->words[frame / FRAMES_WORD] >> frame % FRAMES_WORD & 1) != 0;
}

/* Put a frame in. It may be there already. */
static inline void
frames_add(struct frames *set, uint32_t frame)
{
	uint32_t word = frame / FRAMES_WORD;
	uint64_t bit = UINT64_C(1) << frame % FRAMES_WORD;

	set->count += (set->words[word] & bit) == 0;
	set->words[word] |= bit;
	if (word < set->lowest)
		set->lowest = word;
}

/* Take a frame out. It may not be there. */
static inline void
frames_del(struct frames *set, uint32_t frame)
{
	uint64_t bit = UINT64_C(1) << frame % FRAMES_WORD;

	set->count -= (set->words[frame / FRAMES_WORD] & bit) != 0;
	set->words[frame / FRAMES_WORD] &= ~bit;
}

/* Take the lowest run out. False: the set is empty. */
bool frames_take_run(struct frames *set, struct airlock_run *run);

#endif /* AIRLOCK_DMATABLE_FRAMES_H */
