/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef MIRROR_H
#define MIRROR_H

/*
 * Port mirrors, for those who make them (vm_mirror.c), those who have packets to be copied, and
 * mirror.c, which copies them.
 *
 * Thread rule: control sets a mirror, under the pipeline's lock; any lcore reads it.
 */

#include <assert.h>
#include <string.h>

#include "pipeline_priv.h"

/* Bits of a mirror's directions. */
#define MIRROR_RX 1
#define MIRROR_TX 2

/* Who gets copies of a VM's packets. One word, so that it changes as a whole. */
struct mirror {
	uint16_t vm_id;
	uint16_t stamp;
	uint32_t directions; /* 0: no mirror */
};
static_assert(sizeof(struct mirror) == sizeof(uint64_t), "a mirror is one word");

/* Copies of n packets, at most a burst, for whoever the mirror names. */
void mirror_copies(
	struct lcore *lc, const struct mirror *mirror, struct rte_mbuf *const *mbufs, uint16_t n);

static inline struct mirror
mirror_get(const struct vm *vm)
{
	uint64_t word = atomic_load_explicit(&vm->mirror, memory_order_relaxed);
	struct mirror mirror;

	memcpy(&mirror, &word, sizeof(mirror));
	return mirror;
}

/* Copies for whoever gets those of this direction. The packets stay the caller's. */
static inline void
mirror_burst(struct lcore *lc, const struct vm *vm, uint32_t direction,
	struct rte_mbuf *const *mbufs, uint16_t n)
{
	const struct mirror mirror = mirror_get(vm);

	if (unlikely((mirror.directions & direction) != 0))
		mirror_copies(lc, &mirror, mbufs, n);
}

#endif /* MIRROR_H */
