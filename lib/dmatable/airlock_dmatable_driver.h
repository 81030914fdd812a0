/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_DRIVER_H
#define AIRLOCK_DMATABLE_DRIVER_H

/**
 * @file
 * The seam between a VM's DMA table and what can map a page for the VM: its VMM's page table
 * (drivers/dmatable/uffd), or the IOMMU domain of a device that works for it.
 *
 * A driver keeps one object for each address space, from open() to close(), and knows neither page
 * states nor sockets. Pages become dark by another way: the agent unmaps them in its own page table.
 * A driver for a table that airlockd itself unmaps would add an operation for that, to be called by
 * the unmap thread where it now sends the agent a request.
 *
 * Several spaces of one VM act as one: a run is mapped in all of them or in none. That is why map()
 * stops at the first run that fails and says how far it came: who maps in a second space takes what
 * the first one did as the most that it may do, and a run that only the first one has is withdrawn
 * and unmapped as any other run that failed.
 *
 * Thread rule: map() in any lcore, several at once; the rest in the unmap thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "airlock_dmatable.h"

struct airlock_dmatable_ops {
	const char *name;

	/**
	 * Take charge of an address space.
	 *
	 * @param fd           belongs to the driver after success
	 * @param base         address of the window in that space, page-aligned
	 * @param bytes        its size
	 * @param frame_shift  log2 of a frame's bytes
	 * @param space        receives the driver's object, for the other operations
	 * @return 0; -EINVAL (no descriptor of this driver's kind), -ESRCH (the space has gone
	 *         already), -ENOMEM
	 */
	int (*open)(int fd, uint64_t base, uint64_t bytes, uint32_t frame_shift, void **space);

	/** Let go of it. Nobody may be in another operation with it. */
	void (*close)(void *space);

	/**
	 * Map frames; those that are mapped already are left so. Whoever waits for one is woken.
	 *
	 * @param error  receives a negative errno if not all were mapped
	 * @return runs mapped, from the first on
	 */
	uint16_t (*map)(void *space, const struct airlock_run *runs, uint16_t n, int *error);

	/**
	 * Map a run of frames that the VM may read and not write.
	 *
	 * @return 0; -ENOTSUP: this space cannot, and the run is not mapped; or what map() says.
	 */
	int (*map_readonly)(void *space, const struct airlock_run *run);

	/** Whether anybody can still be running in it. */
	bool (*is_alive)(void *space);

	/** A descriptor that is readable when strays() has something to say. */
	int (*poll_fd)(const void *space);

	/**
	 * Accesses to what is not mapped, or is mapped only for reading, since the last call.
	 *
	 * @param pages  receives up to *n* pages, of 4 KiB, counted from the start of the window
	 * @return how many
	 */
	uint16_t (*strays)(void *space, uint32_t *pages, uint16_t n);

	/** Let an access to this page be tried again. */
	void (*wake)(void *space, uint32_t page);

	/**
	 * Have accesses to this page fail until it is mapped.
	 *
	 * @return 0, also if it is mapped already; -ENOTSUP: the kernel cannot
	 */
	int (*poison)(void *space, uint32_t page);
};

/** Make a driver known. Constructors only. */
void airlock_dmatable_driver_register(const struct airlock_dmatable_ops *ops);

/** @return the driver of this name; NULL: there is none */
const struct airlock_dmatable_ops *airlock_dmatable_driver_find(const char *name);

#endif /* AIRLOCK_DMATABLE_DRIVER_H */
