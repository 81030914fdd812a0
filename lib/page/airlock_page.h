/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_PAGE_H
#define AIRLOCK_PAGE_H

/**
 * @file
 * States of the pool's pages: who may read and write a page now, and whose data is in it; changed
 * by one function per transition.
 *
 * A packet takes a frame, which is one page of 4 KiB or, for jumbo frames, a few of them
 * (airlock_frame.h); the pages of a frame share its state.
 *
 *     airlock_page_take()      FREE -> CARD               the mempool driver hands a frame out
 *     airlock_page_claim()     FREE -> CARD               a certain frame, on demand
 *     airlock_page_receive()   CARD -> HOST               a device filled it; _inexact() likewise
 *     airlock_page_give()      CARD, HOST, UNMAPPING -> FREE    the mempool driver gets it back
 *     airlock_page_lease()     HOST -> LEASED(vm)         before it is mapped for the VM
 *     airlock_page_release()   LEASED(vm) -> RELEASED(vm) the VM posted it again
 *     airlock_page_renew()     RELEASED(vm) -> LEASED(vm) a packet was copied into it for the VM
 *     airlock_page_withdraw()  LEASED(vm), RELEASED(vm) -> UNMAPPING(vm)   before it is unmapped
 *
 * A frame that waits for transmission stays HOST: the card reads it but does not write it.
 *
 * A VM goes by a tag, a number that no other window ever had or will have: not by its place in a
 * table, which another VM may have next. While a frame is LEASED, RELEASED or UNMAPPING its tag
 * names the VM that holds it. Otherwise the tag says whose bytes are in it: of that VM alone, or
 * AIRLOCK_PAGE_NOBODY, which is to say of anybody. A frame is scrubbed before it is leased to a VM
 * of another tag.
 *
 * Thread rule: the word of a frame is written by the thread that holds the frame's mbuf, and read
 * by anybody; of a LEASED or RELEASED frame, by the lcore that owns the RX ring in which it went to
 * the VM, or by control while no lcore can have that ring. Two threads never hold one frame, so
 * there is no race to win; a transition from the wrong state is a fault of the program and is
 * counted, not repaired.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "airlock_frame.h"

/** Frames of an extent: neighbours that the mempool driver keeps together. */
#define AIRLOCK_PAGE_EXTENT 64

/** Owner of bytes that may be anybody's. */
#define AIRLOCK_PAGE_NOBODY 0
/** Tags of VMs: 1 to this. */
#define AIRLOCK_PAGE_MAX_TAG 0xffffff

struct airlock_card;

/** Who may read and write a frame. */
enum airlock_page_state {
	AIRLOCK_PAGE_FREE, /**< nobody: it lies in the mempool */
	AIRLOCK_PAGE_CARD, /**< a device: it is in an RX ring, or is being filled */
	AIRLOCK_PAGE_HOST, /**< airlock: it holds a packet */
	AIRLOCK_PAGE_LEASED, /**< a VM: it holds a packet for it, and is mapped for it */
	AIRLOCK_PAGE_RELEASED, /**< a VM: it gave the frame back, which is still mapped for it */
	AIRLOCK_PAGE_UNMAPPING, /**< a VM, until its agent has unmapped the frame */
	AIRLOCK_PAGE_STATES,
};

/** Neighbouring frames. */
struct airlock_run {
	uint32_t first_frame;
	uint32_t nb_frames; /**< 1 or more */
};

/** Frames of one mempool: neighbours. */
struct airlock_page_partition {
	char name[RTE_MEMPOOL_NAMESIZE]; /**< of the mempool */
	uint32_t first_frame;
	uint32_t nb_frames;
};

/** States of all frames of a pool. What is not _Atomic never changes once live. */
struct airlock_page_table {
	uintptr_t base; /**< address of frame 0 */
	uint64_t bytes; /**< of the pool: of all frames, the last of which may be cut short */
	uint32_t nb_frames;
	struct airlock_frame_size frame;
	bool live; /**< false while the mempools are being filled for the first time */
	_Atomic uint32_t last_tag; /**< given out last */
	_Atomic uint64_t violations; /**< transitions from a wrong state; written by any lcore */
	_Atomic uint32_t *words; /**< nb_frames: a state in the low byte, a tag above it */
	/** The mempool driver's part of airlock_page_put_cold(). */
	void (*put_cold)(struct rte_mempool *mp, struct rte_mbuf *const *mbufs, unsigned int n);
	/** The mempool driver's part of airlock_page_claim(). */
	bool (*claim)(struct rte_mempool *mp, uint32_t frame);
	/** nb_frames: 1 for a frame that is kept for the VM that held it, see airlock_page_owe().
	 * Who exchanges a 1 has the frame. */
	_Atomic uint8_t *owed;
	struct rte_mbuf **mbufs; /**< nb_frames: each frame's, for good; NULL if it has none */
	/** Cards' side of the frames (airlock_card.h), for good; NULL: cards have all of them. */
	struct airlock_card *card;
	uint32_t nb_partitions;
	struct airlock_page_partition *partitions;
	TAILQ_ENTRY(airlock_page_table) next;
};

/** Name of a state: "free". @param state less than AIRLOCK_PAGE_STATES */
const char *airlock_page_state_name(enum airlock_page_state state);

/**
 * Create a table, all frames FREE, that the mempool driver finds by its partitions' names.
 *
 * @param base           address of frame 0
 * @param nb_pages       1 to AIRLOCK_FRAME_MAX_POOL_PAGES; the last frame has what is left of them
 * @param frame_pages    1 to AIRLOCK_FRAME_MAX_PAGES
 * @param partitions     neighbours from frame 0 on; frames behind the last one are in no mempool
 *                       and stay HOST. Copied.
 * @param nb_partitions  1 or more
 * @return the table, to be given to airlock_page_table_destroy(); NULL with rte_errno EINVAL (pages
 *         out of range) or ENOMEM
 */
struct airlock_page_table *airlock_page_table_create(void *base, uint32_t nb_pages,
	uint32_t frame_pages, const struct airlock_page_partition *partitions,
	uint32_t nb_partitions);

/** Destroy; the mempools must be gone. NULL is ignored. */
void airlock_page_table_destroy(struct airlock_page_table *table);

/**
 * The table made for a mempool.
 *
 * @param name       the mempool's
 * @param partition  receives the mempool's partition; may be NULL
 * @return the table; NULL with rte_errno ENOENT
 */
struct airlock_page_table *airlock_page_table_find(
	const char *name, const struct airlock_page_partition **partition);

/**
 * A tag that this table never gave out before. Any thread.
 *
 * @return 1 to AIRLOCK_PAGE_MAX_TAG; 0 when they have run out, after 16 million windows
 */
uint32_t airlock_page_new_tag(struct airlock_page_table *table);

/** Count frames by state. Any thread; exact while the lcores rest. */
void airlock_page_table_count(
	const struct airlock_page_table *table, uint32_t counts[static AIRLOCK_PAGE_STATES]);

/** Count one transition from a wrong state. */
void airlock_page_violation(struct airlock_page_table *table);

/** Frame that a buffer lies in; nb_frames or more: in none (a foreign mempool's). */
static inline uint32_t
airlock_page_frame(const struct airlock_page_table *table, const void *buf_addr)
{
	uint64_t offset = (uintptr_t)buf_addr - table->base;

	return offset < table->bytes
		? airlock_frame_of_page(&table->frame, offset >> AIRLOCK_PAGE_SHIFT)
		: UINT32_MAX;
}

/** Address of a frame. @param frame less than nb_frames */
static inline void *
airlock_page_addr(const struct airlock_page_table *table, uint32_t frame)
{
	return (void *)(table->base + airlock_frame_offset(&table->frame, frame));
}

static inline uint32_t
airlock_page_word(enum airlock_page_state state, uint32_t tag)
{
	return (uint32_t)state | tag << 8;
}

/** State and tag of a frame. Any thread. */
static inline uint32_t
airlock_page_word_get(const struct airlock_page_table *table, uint32_t frame)
{
	return atomic_load_explicit(&table->words[frame], memory_order_relaxed);
}

/**
 * Give frames back to their mempool, to be used again after all others: those that a VM ought to
 * have been given and has not posted. The mempool, which hands out first what came back last, would
 * offer them for ever. Any lcore.
 *
 * @param mbufs  n of the table's frames, single, unshared, of one mempool
 */
static inline void
airlock_page_put_cold(struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	table->put_cold(mbufs[0]->pool, mbufs, n);
}

/**
 * Take exactly this frame out of its mempool: it becomes CARD, and its mbuf the caller's. Any
 * thread.
 *
 * @return false: it is not free now, or an lcore has put it by for itself, which it gives up when
 *         it uses the mempool next
 */
static inline bool
airlock_page_claim(struct airlock_page_table *table, uint32_t frame)
{
	const struct rte_mbuf *m = table->mbufs[frame];

	if (m == NULL)
		return false;
	return atomic_exchange_explicit(&table->owed[frame], 0, memory_order_acq_rel) != 0 ||
		table->claim(m->pool, frame);
}

/**
 * Keep a free frame out of its mempool for a VM that still believes to hold it: it is CARD until
 * airlock_page_claim() or airlock_page_settle(). So no other VM gets it, who may wait in turn for a
 * frame that this one has. Control.
 */
static inline void
airlock_page_owe(struct airlock_page_table *table, uint32_t frame)
{
	if (airlock_page_claim(table, frame))
		atomic_store_explicit(&table->owed[frame], 1, memory_order_release);
}

/** Put a frame that is kept back into its mempool; any other is let alone. Any thread. */
static inline void
airlock_page_settle(struct airlock_page_table *table, uint32_t frame)
{
	if (likely(atomic_load_explicit(&table->owed[frame], memory_order_relaxed) == 0) ||
		atomic_exchange_explicit(&table->owed[frame], 0, memory_order_acq_rel) == 0)
		return;
	rte_mempool_put(table->mbufs[frame]->pool, table->mbufs[frame]);
}

/** State of a frame. Any thread. */
static inline enum airlock_page_state
airlock_page_state_get(const struct airlock_page_table *table, uint32_t frame)
{
	return airlock_page_word_get(table, frame) & 0xff;
}

/** Tag of a frame. Any thread. */
static inline uint32_t
airlock_page_tag_get(const struct airlock_page_table *table, uint32_t frame)
{
	return airlock_page_word_get(table, frame) >> 8;
}

static inline void
airlock_page_word_set(struct airlock_page_table *table, uint32_t frame, uint32_t word)
{
	atomic_store_explicit(&table->words[frame], word, memory_order_relaxed);
}

/** FREE -> CARD, of n neighbours. The mempool driver. */
static inline void
airlock_page_take(struct airlock_page_table *table, uint32_t frame, uint32_t n)
{
	_Atomic uint32_t *words = &table->words[frame];
	uint32_t wrong = 0, word;

	for (uint32_t i = 0; i < n; i++) {
		word = atomic_load_explicit(&words[i], memory_order_relaxed);
		wrong |= (word & 0xff) ^ AIRLOCK_PAGE_FREE;
		atomic_store_explicit(
			&words[i], (word & ~0xffu) | AIRLOCK_PAGE_CARD, memory_order_relaxed);
	}
	if (unlikely(wrong != 0))
		airlock_page_violation(table);
}

/**
 * CARD, HOST or UNMAPPING -> FREE. What comes from UNMAPPING holds bytes of that VM alone, what
 * comes from elsewhere may hold anybody's. The mempool driver.
 *
 * @return true; false from a wrong state, in which the frame stays: it must not be handed out
 *         again, because it was already given back, or a VM still has it
 */
static inline bool
airlock_page_give(struct airlock_page_table *table, uint32_t frame)
{
	uint32_t word = airlock_page_word_get(table, frame);
	uint32_t state = word & 0xff;

	if (unlikely(state == AIRLOCK_PAGE_FREE || state == AIRLOCK_PAGE_LEASED ||
		    state == AIRLOCK_PAGE_RELEASED)) {
		airlock_page_violation(table);
		return false;
	}
	airlock_page_word_set(table, frame,
		state == AIRLOCK_PAGE_UNMAPPING ? (word & ~0xffu) | AIRLOCK_PAGE_FREE
						: AIRLOCK_PAGE_FREE);
	return true;
}

/* CARD -> HOST of one mbuf, keeping these bits of its word. @return not 0: from a wrong state */
static inline uint32_t
airlock_page_receive_one(struct airlock_page_table *table, const struct rte_mbuf *m, uint32_t keep)
{
	uint32_t frame = airlock_page_frame(table, m->buf_addr);
	uint32_t word;

	if (unlikely(frame == UINT32_MAX))
		return 0;
	word = airlock_page_word_get(table, frame);
	airlock_page_word_set(table, frame, (word & keep) | AIRLOCK_PAGE_HOST);
	return (word & 0xff) ^ AIRLOCK_PAGE_CARD;
}

static inline void
airlock_page_receive_keep(
	struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n, uint32_t keep)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = mbufs[i];

		wrong |= airlock_page_receive_one(table, m, keep);
		if (likely(m->nb_segs == 1))
			continue;
		for (m = m->next; m != NULL; m = m->next)
			wrong |= airlock_page_receive_one(table, m, keep);
	}
	if (unlikely(wrong != 0))
		airlock_page_violation(table);
}

/**
 * CARD -> HOST, from a device that wrote the packet and not a byte more: the rest is whose it was.
 *
 * @param mbufs n packets, single or chains; buffers of other mempools are ignored
 */
static inline void
airlock_page_receive(struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	airlock_page_receive_keep(table, mbufs, n, ~0xffu);
}

/**
 * CARD -> HOST, from a device that may have written anything anywhere in the buffers that it had: a
 * card pads, writes whole bursts, and uses a buffer again after a packet with a bad checksum. What
 * is not packet is NOBODY's.
 *
 * @param mbufs n packets, single or chains; buffers of other mempools are ignored
 */
static inline void
airlock_page_receive_inexact(
	struct airlock_page_table *table, struct rte_mbuf *const *mbufs, uint32_t n)
{
	airlock_page_receive_keep(table, mbufs, n, 0);
}

/** From one word to another. */
static inline void
airlock_page_move(struct airlock_page_table *table, uint32_t frame, uint32_t from, uint32_t to)
{
	if (unlikely(airlock_page_word_get(table, frame) != from))
		airlock_page_violation(table);
	airlock_page_word_set(table, frame, to);
}

/** HOST -> LEASED(tag); what of another's bytes is in the frame must have been scrubbed. */
static inline void
airlock_page_lease(struct airlock_page_table *table, uint32_t frame, uint32_t tag)
{
	if (unlikely(airlock_page_state_get(table, frame) != AIRLOCK_PAGE_HOST))
		airlock_page_violation(table);
	/* Release: what was scrubbed is so for whoever maps the frame because of this word (stray.c
	 * in lib/dmatable). */
	atomic_store_explicit(&table->words[frame], airlock_page_word(AIRLOCK_PAGE_LEASED, tag),
		memory_order_release);
}

/** LEASED(tag) -> RELEASED(tag). */
static inline void
airlock_page_release(struct airlock_page_table *table, uint32_t frame, uint32_t tag)
{
	airlock_page_move(table, frame, airlock_page_word(AIRLOCK_PAGE_LEASED, tag),
		airlock_page_word(AIRLOCK_PAGE_RELEASED, tag));
}

/** RELEASED(tag) -> LEASED(tag). */
static inline void
airlock_page_renew(struct airlock_page_table *table, uint32_t frame, uint32_t tag)
{
	airlock_page_move(table, frame, airlock_page_word(AIRLOCK_PAGE_RELEASED, tag),
		airlock_page_word(AIRLOCK_PAGE_LEASED, tag));
}

/** LEASED(tag) or RELEASED(tag) -> UNMAPPING(tag). */
static inline void
airlock_page_withdraw(struct airlock_page_table *table, uint32_t frame, uint32_t tag)
{
	uint32_t word = airlock_page_word_get(table, frame);

	if (unlikely(word != airlock_page_word(AIRLOCK_PAGE_LEASED, tag) &&
		    word != airlock_page_word(AIRLOCK_PAGE_RELEASED, tag)))
		airlock_page_violation(table);
	airlock_page_word_set(table, frame, airlock_page_word(AIRLOCK_PAGE_UNMAPPING, tag));
}

#endif /* AIRLOCK_PAGE_H */
