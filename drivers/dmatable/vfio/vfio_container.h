/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VFIO_CONTAINER_H
#define VFIO_CONTAINER_H

/*
 * The seam between the driver, which counts pieces and runs, and the kernel's VFIO containers: a
 * test puts one of its own here (vfio_container_use()).
 *
 * Thread rule: map() in any lcore, several at once; check() in control; the rest in the unmap
 * thread, or while nobody else has the container.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vfio_container_ops {
	/* Can the device have a container of its own? 0; or -EINVAL, and *why* in words. */
	int (*check)(const char *device, char *why, size_t size);

	/* A container that has the device, with nothing mapped. 0 or -errno. */
	int (*open)(const char *device, void **container);

	void (*close)(void *container);

	/*
	 * Map bytes at *vaddr* for reading and writing at *iova*. 0; -ENOSPC: no more mappings;
	 * -EEXIST: a part is mapped already; -ENOMEM: not so much may be locked; -EINVAL: the
	 * device is gone. Nothing is mapped after an error.
	 */
	int (*map)(void *container, uint64_t iova, uint64_t vaddr, uint64_t bytes);

	/*
	 * Unmap all mappings within the range; when it returns, no DMA gets through any more, and
	 * none is under way. 0; -EINVAL: the range cuts a mapping, or the device is gone.
	 */
	int (*unmap)(void *container, uint64_t iova, uint64_t bytes);

	/* Whether there is still a device that could reach anything. */
	bool (*is_alive)(void *container);

	/* A descriptor that is readable when the device is to be let go; -1: none. */
	int (*poll_fd)(const void *container);

	/* The device itself, as VFIO has it; -1: it was let go. */
	int (*device_fd)(const void *container);

	/* Close the device itself, so that it can be taken out; what is mapped stays so. */
	void (*let_go)(void *container);
};

/* The kernel's. */
extern const struct vfio_container_ops vfio_container_linux;

/* Use these instead; NULL: the kernel's again. Tests, while no space is open. */
void vfio_container_use(const struct vfio_container_ops *ops);

/*
 * vfio_container.c: the same of any container, by its descriptor. unmap() returns how many bytes
 * were mapped in the range and are not any more, or -errno.
 */
int vfio_fd_map(int fd, uint64_t iova, uint64_t vaddr, uint64_t bytes);
int64_t vfio_fd_unmap(int fd, uint64_t iova, uint64_t bytes);
bool vfio_fd_is_alive(int fd);

/* vfio_device.c: check(), with the place of sysfs' "devices" directory of the PCI bus. */
int vfio_device_check(const char *devices, const char *device, char *why, size_t size);
/* The number of the device's IOMMU group, or -ENOENT. */
int vfio_device_group(const char *devices, const char *device);

#endif /* VFIO_CONTAINER_H */
