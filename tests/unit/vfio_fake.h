/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef VFIO_FAKE_H
#define VFIO_FAKE_H

/**
 * @file
 * A VFIO container without a kernel's: it keeps mappings as type 1 v2 does, and can refuse, fail
 * and go, as the test says.
 *
 * Thread rule: as the seam says; the test reads it while others rest, but for what takes the lock.
 */

#include <stdbool.h>
#include <stdint.h>

#include <vfio_container.h>

#define VFIO_FAKE_MAX 4096

struct vfio_fake {
	int fd; /**< the device: an eventfd; -1: let go */
	int request_fd; /**< write to it to have the device let go */
	unsigned int nb_opens;
	unsigned int nb_closes;
	unsigned int nb_maps; /**< calls that did it */
	unsigned int nb_unmaps;
	/* What the test wants. */
	int open_error;
	unsigned int max_mappings; /**< at most VFIO_FAKE_MAX */
	int unmap_error;
	bool gone;
	/* Mappings. */
	unsigned int nb_mappings;
	struct {
		uint64_t iova;
		uint64_t vaddr;
		uint64_t bytes;
	} mappings[VFIO_FAKE_MAX];
};

/** The one there is; reset by vfio_fake_init(), which puts it behind the driver. */
extern struct vfio_fake vfio_fake;

void vfio_fake_init(void);
void vfio_fake_fini(void);

/** What a device finds at an IOVA: the address that is mapped there; 0: a fault. Any thread. */
uint64_t vfio_fake_translate(uint64_t iova);

/** Mappings there are. Any thread. */
unsigned int vfio_fake_nb_mappings(void);

#endif /* VFIO_FAKE_H */
