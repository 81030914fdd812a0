/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_PAGE_H
#define AIRLOCK_PAGE_H

/**
 * @file
 * States of the pool's pages: who may write a page now, changed by one function per transition.
 *
 * A packet takes a frame, which is one page of 4 KiB or, for jumbo frames, 2^n of them; the pages
 * of a frame share its state. The way of a frame is FREE -> CARD -> HOST -> FREE:
 *
 *     airlock_page_take()     FREE -> CARD          the mempool driver, when it hands a frame out
 *     airlock_page_receive()  CARD -> HOST          whoever gets a filled frame from a device
 *     airlock_page_give()     CARD or HOST -> FREE  the mempool driver, when a frame comes back
 *
 * A frame that waits for transmission stays HOST: the card reads it but does not write it.
 *
 * Thread rule: the state of a frame is written by the thread that holds the frame's mbuf, and read
 * by anybody. Two threads never hold one frame, so there is no race to win; a transition from the
 * wrong state is a fault of the program and is counted, not repaired.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define AIRLOCK_PAGE_SIZE  4096
#define AIRLOCK_PAGE_SHIFT 12

/** Who may write a frame. */
enum airlock_page_state {
	AIRLOCK_PAGE_FREE, /**< nobody: it lies in the mempool */
	AIRLOCK_PAGE_CARD, /**< a device: it is in an RX ring, or is being filled */
	AIRLOCK_PAGE_HOST, /**< airlock: it holds a packet */
	AIRLOCK_PAGE_STATES,
};

/** States of all frames of a pool. Fields but *states* and *violations* never change once live. */
struct airlock_page_table {
	uintptr_t base; /**< address of frame 0 */
	uint32_t nb_frames;
	uint32_t frame_shift; /**< log2 of a frame's bytes */
	bool live; /**< false while the mempool is being filled for the first time */
	_Atomic uint64_t violations; /**< transitions from a wrong state; written by any lcore */
	_Atomic uint8_t *states; /**< nb_frames of enum airlock_page_state */
	char name[RTE_MEMPOOL_NAMESIZE];
	TAILQ_ENTRY(airlock_page_table) next;
};

/** Name of a state: "free". @param state less than AIRLOCK_PAGE_STATES */
const char *airlock_page_state_name(enum airlock_page_state state);

/**
 * Create a table, all frames FREE, that the mempool driver finds by its name.
 *
 * @param name         the mempool's name
 * @param base         address of frame 0
 * @param nb_frames    1 or more
 * @param frame_shift  12 or more
 * @return the table, to be given to airlock_page_table_destroy(); NULL with rte_errno ENOMEM
 */
struct airlock_page_table *airlock_page_table_create(
	const char *name, void *base, uint32_t nb_frames, uint32_t frame_shift);

/** Destroy; the mempool must be gone. NULL is ignored. */
void airlock_page_table_destroy(struct airlock_page_table *table);

/** The table made for a mempool. @return NULL with rte_errno ENOENT */
struct airlock_page_table *airlock_page_table_find(const char *name);

/** Count frames by state. Any thread; exact while the lcores rest. */
void airlock_page_table_count(
	const struct airlock_page_table *table, uint32_t counts[static AIRLOCK_PAGE_STATES]);

/** Count one transition from a wrong state. */
void airlock_page_violation(struct airlock_page_table *table);

/** Frame that a buffer lies in; nb_frames or more: in none (a foreign mempool's). */
static inline uint32_t
airlock_page_frame(const struct airlock_page_table *table, const void *buf_addr)
{
	uintptr_t frame = ((uintptr_t)buf_addr - table->base) >> table->frame_shift;

	return frame < table->nb_frames ? (uint32_t)frame : UINT32_MAX;
}

/** State of a frame. Any thread. */
static inline enum airlock_page_state
airlock_page_state_get(const struct airlock_page_table *table, uint32_t frame)
{
	return atomic_load_explicit(&table->states[frame], memory_order_relaxed);
}

/**
 * Set the state of the frame of *m*.
 *
 * @return the state it had; *state* itself for a buffer of a foreign mempool
 */
static inline uint8_t
airlock_page_set(
	struct airlock_page_table *table, const struct rte_mbuf *m, uint8_t state, uint8_t foreign)
{
	uint32_t frame = airlock_page_frame(table, m->buf_addr);
	uint8_t before;

	if (unlikely(frame == UINT32_MAX))
		return foreign;
	before = atomic_load_explicit(&table->states[frame], memory_order_relaxed);
	atomic_store_explicit(&table->states[frame], state, memory_order_relaxed);
	return before;
}

/** FREE -> CARD. @param mbufs n of the pool's own, single */
static inline void
airlock_page_take(struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	uint8_t wrong = 0;

	for (uint32_t i = 0; i < n; i++)
		wrong |= airlock_page_set(table, mbufs[i], AIRLOCK_PAGE_CARD, AIRLOCK_PAGE_FREE) ^
			AIRLOCK_PAGE_FREE;
	if (unlikely(wrong != 0))
		airlock_page_violation(table);
}

/** CARD or HOST -> FREE. @param mbufs n of the pool's own, single */
static inline void
airlock_page_give(struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	uint8_t wrong = 0;

	for (uint32_t i = 0; i < n; i++)
		wrong |= airlock_page_set(table, mbufs[i], AIRLOCK_PAGE_FREE, AIRLOCK_PAGE_CARD) ==
			AIRLOCK_PAGE_FREE;
	if (unlikely(wrong != 0))
		airlock_page_violation(table);
}

/** CARD -> HOST. @param mbufs n packets, single or chains; buffers of other mempools are ignored */
static inline void
airlock_page_receive(struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	uint8_t wrong = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = mbufs[i];

		wrong |= airlock_page_set(table, m, AIRLOCK_PAGE_HOST, AIRLOCK_PAGE_CARD) ^
			AIRLOCK_PAGE_CARD;
		if (likely(m->nb_segs == 1))
			continue;
		for (m = m->next; m != NULL; m = m->next)
			wrong |= airlock_page_set(table, m, AIRLOCK_PAGE_HOST, AIRLOCK_PAGE_CARD) ^
				AIRLOCK_PAGE_CARD;
	}
	if (unlikely(wrong != 0))
		airlock_page_violation(table);
}

#endif /* AIRLOCK_PAGE_H */
