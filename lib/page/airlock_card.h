/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_CARD_H
#define AIRLOCK_CARD_H

/**
 * @file
 * The cards' side of the pool's frames, where it is strict: their IOMMU domain, in which a frame is
 * mapped while no VM holds it, and absent while one does. A card that is broken or hostile cannot
 * write then into what a VM reads.
 *
 *     airlock_card_take()  has -> taken   after the frame is LEASED, before it is mapped for the VM
 *     airlock_card_give()  taken -> has   after it is dark to the VM, before it is FREE
 *
 * All cards that DPDK drives share one domain (the EAL's default VFIO container), so all are strict
 * or none is. The domain is empty again when the last card has left it, and has to be filled when
 * one is back. Each frame is a mapping of its own, because the kernel unmaps as it mapped. The
 * pool's header is not mapped at all.
 *
 * Where it is static, there is no such object: the pool is mapped once, for good.
 *
 * Thread rule: take() in any lcore, several at once, never two with one frame; give() in the unmap
 * thread; attach() and detach() in the main thread, beside both of them. Whoever changes the state
 * of a frame does it by an exchange, and only who won it calls the kernel.
 */

#include <stdbool.h>
#include <stdint.h>

#include "airlock_page.h"

/** Frames that a domain can have: what the kernel allows less what the EAL itself maps. */
#define AIRLOCK_CARD_MAX_FRAMES (65535 - 4096)

struct airlock_card;

/** What a driver knows of a domain. IOVA is the address. */
struct airlock_card_ops {
	const char *name;

	/**
	 * Find the domain of the cards that the EAL has probed.
	 *
	 * @param domain  receives the driver's object, for the other operations
	 * @return 0; -ENODEV (there is none), -EEXIST (several, which nobody can tell apart),
	 *         -ENOMEM
	 */
	int (*open)(void **domain);

	/** Let go of it; what is mapped stays so. */
	void (*close)(void *domain);

	/**
	 * Map bytes for reading and writing.
	 *
	 * @return 0; -ENOSPC (no more mappings), -EEXIST (a part is mapped), -ENOMEM (not so much
	 *         may be locked), -EINVAL (no card is there)
	 */
	int (*map)(void *domain, uintptr_t addr, uint64_t bytes);

	/**
	 * Unmap what lies within the range. When it returns no DMA gets through any more.
	 *
	 * @return 0; -EINVAL: the range cuts a mapping, is not mapped in whole, or no card is there
	 */
	int (*unmap)(void *domain, uintptr_t addr, uint64_t bytes);

	/** Whether any card is there. */
	bool (*is_alive)(void *domain);
};

/** What has become of the frames. */
struct airlock_card_stats {
	uint64_t taken; /**< frames */
	uint64_t take_calls; /**< of the kernel */
	uint64_t take_tsc; /**< cycles in take() */
	uint64_t given; /**< frames */
	uint64_t give_tsc; /**< cycles in give() */
	uint64_t errors; /**< frames that were not taken, or not given back */
	uint32_t nb_has; /**< frames that the cards have now */
	uint32_t nb_stuck; /**< that could not be given back, and are not used any more */
};

/** Make the driver known. Constructors only. */
void airlock_card_driver_register(const struct airlock_card_ops *ops);

/** Use this driver instead; NULL: the registered one again. Tests, while there is no card. */
void airlock_card_use(const struct airlock_card_ops *ops);

/**
 * The cards' side of a table's frames; none is mapped yet.
 *
 * @param nb_frames  from frame 0 on: those that cards may have, 1 to AIRLOCK_CARD_MAX_FRAMES
 * @return the object, to be given to airlock_card_destroy(); NULL with rte_errno EINVAL (too many
 *         frames), ENOTSUP (no driver), ENOMEM
 */
struct airlock_card *airlock_card_create(
	const struct airlock_page_table *table, uint32_t nb_frames);

/** Unmap what is mapped, and free. The cards must be stopped. NULL is ignored. */
void airlock_card_destroy(struct airlock_card *card);

/**
 * A card has been probed: map the frames that no VM holds and that are not mapped.
 *
 * @return 0; or what open() or map() said: what was mapped until then stays so
 */
int airlock_card_attach(struct airlock_card *card);

/** A card has been let go of: forget what the domain had, if that was the last one. */
void airlock_card_detach(struct airlock_card *card);

/**
 * Take LEASED frames away from the cards.
 *
 * @return runs that no card has any more, from the first on. Of the next one a part may be taken
 *         too; it goes back by airlock_card_give() like any other
 */
uint16_t airlock_card_take(struct airlock_card *card, const struct airlock_run *runs, uint16_t n);

/**
 * Let the cards have a frame again that is dark to all VMs, before it is FREE. One that was never
 * taken is let alone.
 *
 * @return true; false: it could not be mapped, is of no use to anybody, and must not be FREE
 */
bool airlock_card_give(struct airlock_card *card, uint32_t frame);

/** Whether cards have a frame. Any thread. */
bool airlock_card_has(const struct airlock_card *card, uint32_t frame);

/** Whether a frame that a VM holds may be mapped for it: no card has it any more. Any thread. */
bool airlock_card_is_taken(const struct airlock_card *card, uint32_t frame);

/** Whether there is any card, to have frames. Main thread. */
bool airlock_card_is_attached(const struct airlock_card *card);

/** Counters. Any thread. */
void airlock_card_stats(const struct airlock_card *card, struct airlock_card_stats *stats);

#endif /* AIRLOCK_CARD_H */
