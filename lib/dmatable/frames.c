/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Sets of frames, as the unmap thread keeps them: what is to be unmapped, what is in quarantine.
 *
 * A bit a frame, because then sorting and merging cost nothing: 64 neighbours are one word. A pool
 * of 64 Ki frames is 8 KiB.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"

int
frames_init(struct frames *set, uint32_t nb_frames)
{
	memset(set, 0, sizeof(*set));
	set->nb_words = (nb_frames + FRAMES_WORD - 1) / FRAMES_WORD;
	set->lowest = set->nb_words;
	set->words = calloc(set->nb_words, sizeof(set->words[0]));
	return set->words != NULL ? 0 : -ENOMEM;
}

void
frames_fini(struct frames *set)
{
	free(set->words);
	set->words = NULL;
}

void
frames_clear(struct frames *set)
{
	memset(set->words, 0, set->nb_words * sizeof(set->words[0]));
	set->lowest = set->nb_words;
	set->count = 0;
}

bool
frames_take_run(struct frames *set, struct airlock_run *run)
{
	uint32_t nb_frames = set->nb_words * FRAMES_WORD;
	uint32_t frame;

	while (set->lowest < set->nb_words && set->words[set->lowest] == 0)
		set->lowest++;
	if (set->lowest == set->nb_words)
		return false;
	frame = set->lowest * FRAMES_WORD + __builtin_ctzll(set->words[set->lowest]);
	run->first_frame = frame;
	while (frame < nb_frames && frames_has(set, frame)) {
		/* A whole extent at once. */
		if (frame % FRAMES_WORD == 0 && set->words[frame / FRAMES_WORD] == UINT64_MAX) {
			set->words[frame / FRAMES_WORD] = 0;
			set->count -= FRAMES_WORD;
			frame += FRAMES_WORD;
		} else {
			frames_del(set, frame++);
		}
	}
	run->nb_frames = frame - run->first_frame;
	return true;
}
