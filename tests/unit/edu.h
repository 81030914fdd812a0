/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef EDU_H
#define EDU_H

/**
 * @file
 * QEMU's edu, a device that copies between memory and a buffer of its own wherever it is told to;
 * and the faults that the kernel logs when the IOMMU has refused that.
 *
 * Thread rule: one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Of each copy, from the first byte of a page on. */
#define EDU_COPY_BYTES 64
/** The kernel logs three faults in five seconds, and keeps quiet about more. */
#define EDU_FAULT_PAUSE_US 2000000
/** Where it is. */
#define EDU_PCI_DEVICES "/sys/bus/pci/devices"

struct edu {
	int fd; /**< VFIO's; -1: none */
	int kernel_log;
	char *bar;
	size_t bar_bytes;
};

/** What edu_close() may follow. */
void edu_init(struct edu *edu);

/**
 * Look for one that is bound to vfio-pci, and that nobody has.
 *
 * @param name  receives its PCI address
 * @return false: there is none, as was printed
 */
bool edu_find(char *name, size_t size);

/**
 * Let it do DMA, and follow the kernel's log from here on.
 *
 * @param fd  VFIO's descriptor of the device; edu_close() closes it, whatever is returned
 * @return TEST_SUCCESS or TEST_FAILED
 */
int edu_open(struct edu *edu, int fd);

/** Close all that is open. */
void edu_close(struct edu *edu);

/** Have it read what is at an IOVA. On return it has, or could not. */
void edu_read(struct edu *edu, uint64_t iova);

/** Have it write there what it has read last. */
void edu_write(struct edu *edu, uint64_t iova);

/** Faults at this page that the kernel has logged since the last call: one try may be several. */
int edu_nb_faults(struct edu *edu, uint64_t iova);

/** Wait for one. */
bool edu_has_fault(struct edu *edu, uint64_t iova);

#endif /* EDU_H */
