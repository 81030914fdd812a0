/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_DRIVER_H
#define AIRLOCK_DMATABLE_DRIVER_H

/**
 * @file
 * The seam between a VM's DMA table and what can map a page for the VM: its VMM's page table
 * (drivers/dmatable/uffd), and the IOMMU domain of a device that works for it
 * (drivers/dmatable/vfio).
 *
 * A driver keeps one object for each address space, from open() to close(), and knows neither page
 * states nor sockets. In the VMM pages become dark by another way: the agent unmaps them in its own
 * page table. In a device's domain airlockd unmaps them itself.
 *
 * Both spaces of a VM act as one: a run is mapped in both of them or in none. That is why map()
 * stops at the first run that fails and says how far it came. The device's is first, and the VMM's
 * gets what the device's took; a run that only the device has is withdrawn and unmapped as any
 * other run that failed.
 *
 * Thread rule: map() in any lcore, several at once, never two with one frame; check() and has() in
 * control; the rest in the unmap thread.
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
	 * @param bytes        its size; if it is no multiple of a frame's, the last frame is cut
	 *                     short
	 * @param frame_bytes  of a frame
	 * @param space        receives the driver's object, for the other operations
	 * @return 0; -EINVAL (no descriptor of this driver's kind), -ESRCH (the space has gone
	 *         already), -ENOMEM
	 */
	int (*open)(int fd, uint64_t base, uint64_t bytes, uint32_t frame_bytes, void **space);

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

	/** Whether the space is there: somebody runs in it, or the kernel is at work in it. */
	bool (*is_alive)(void *space);

	/**
	 * Nobody runs in it, nor ever will. Have the kernel wait for nothing there, or the space
	 * would never end. Nothing is mapped or seen dark any more. May be called again.
	 */
	void (*abandon)(void *space);

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

/** A run of frames that cannot be reached by a device any more. */
typedef void (*airlock_dmatable_dark_fn)(void *arg, const struct airlock_run *run);

/** The IOMMU domain of a device that works for a VM. */
struct airlock_dmatable_device_ops {
	const char *name;

	/**
	 * Whether a device can be given to a VM, as far as can be told without taking it.
	 *
	 * @param device  its PCI address, "0000:00:05.0"
	 * @param why     receives what is wrong, and what was expected: "does not exist, ..."
	 * @return 0 or -EINVAL
	 */
	int (*check)(const char *device, char *why, size_t size);

	/**
	 * Take the device into a domain of its own, in which nothing is mapped.
	 *
	 * @param pages   whose frames will be mapped, each at its offset in the pool
	 * @param strict  each frame can be unmapped alone
	 * @param space   receives the driver's object, for the other operations
	 * @return 0; -EBUSY (somebody has the device), -EPERM (or one of its group),
	 *         -EOPNOTSUPP (no such IOMMU), -ENOMEM, or what open(2) or ioctl(2) said
	 */
	int (*open)(const char *device, const struct airlock_page_table *pages, bool strict,
		void **space);

	/** Unmap all and let go. Nobody may be in another operation with it. */
	void (*close)(void *space);

	/**
	 * Map frames, none of which is mapped.
	 *
	 * @param error  receives a negative errno if not all were mapped: -ENOSPC (no more
	 *               mappings), -ENOMEM (not so much may be locked), -EINVAL (it is gone)
	 * @return runs mapped, from the first on; of the next one a part may be
	 */
	uint16_t (*map)(void *space, const struct airlock_run *runs, uint16_t n, int *error);

	/**
	 * Take frames away, mapped or not; may be called again for those that are not dark yet.
	 *
	 * @param dark  called, before this returns, for each run that has become dark, or was so;
	 *              also for frames of earlier calls, which could not go without those of
	 *              this one. What it is not called for is still mapped
	 */
	void (*unmap)(void *space, const struct airlock_run *run, airlock_dmatable_dark_fn dark,
		void *arg);

	/** Take all frames away. Nobody maps. @return 0; or -errno: any may still be mapped */
	int (*unmap_all)(void *space);

	/** Whether a frame is mapped, as far as the driver knows. Control, beside all others. */
	bool (*has)(const void *space, uint32_t frame);

	/** A descriptor that is readable when the device has to be let go; -1: there is none. */
	int (*poll_fd)(const void *space);

	/** The device itself, for whoever drives it; -1: it was let go. */
	int (*device_fd)(const void *space);

	/** Let the device be taken out of the machine. */
	void (*let_go)(void *space);
};

/** Make a driver known. Constructors only. */
void airlock_dmatable_driver_register(const struct airlock_dmatable_ops *ops);
void airlock_dmatable_device_driver_register(const struct airlock_dmatable_device_ops *ops);

/** @return the driver of this name; NULL: there is none */
const struct airlock_dmatable_ops *airlock_dmatable_driver_find(const char *name);

/** @return the driver for devices; NULL: there is none */
const struct airlock_dmatable_device_ops *airlock_dmatable_device_driver(void);

#endif /* AIRLOCK_DMATABLE_DRIVER_H */
