/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_PAGEMAP_H
#define AIRLOCK_DMATABLE_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_bitops.h>

/* Entries of /proc/PID/pagemap: Documentation/admin-guide/mm/pagemap.rst in Linux. */
#define PAGEMAP_PRESENT	 RTE_BIT64(63)
#define PAGEMAP_SWAP	 RTE_BIT64(62)
#define PAGEMAP_PFN_MASK (RTE_BIT64(55) - 1)

/* A descriptor, which stays with the address space that the process has now; or -errno. */
int pagemap_open(int pid);

/* A number that no other process has while this machine is up; at worst its process number. */
uint64_t pagemap_owner(int pid);

/*
 * Entries of neighbouring pages from address *start* on. 0; -ESRCH: the address space is gone;
 * or -errno.
 */
int pagemap_read(int fd, uint64_t start, uint64_t *entries, uint32_t n);

/* The process can read the page without asking anybody. */
static inline bool
pagemap_is_present(uint64_t entry)
{
	return (entry & PAGEMAP_PRESENT) != 0;
}

/* It cannot, and will not by itself. */
bool pagemap_is_dark(uint64_t entry);

#endif /* AIRLOCK_DMATABLE_PAGEMAP_H */
