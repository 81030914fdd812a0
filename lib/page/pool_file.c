/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The pool's file and its mapping. Used by pool.c alone.
 *
 * The file outlives the daemon: a virtual machine monitor may have its inode mapped. So it is never
 * truncated once it has a size, and an exclusive lock keeps two daemons from sharing it.
 *
 * Huge folios come from the file system (tmpfs mounted with huge=); they make the mapping 2 MiB
 * pages here, which is what the card's IOMMU and the TLB want. Without them everything works, in
 * pages of 4 KiB.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <numa.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "pool_file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* The descriptor, locked, or -errno. */
static int
file_lock(const char *path, struct stat *st)
{
	int err, fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, st) == 0)
		return fd;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

static int
file_open(struct pool_file *file, const char *path, size_t bytes)
{
	struct stat st;
	int err, fd = file_lock(path, &st);

	/* A daemon that ended between the two calls has removed what was opened. */
	while (fd >= 0 && st.st_nlink == 0) {
		close(fd);
		fd = file_lock(path, &st);
	}
	if (fd < 0)
		return fd;
	file->made = st.st_size == 0;
	if (file->made && ftruncate(fd, bytes) < 0) {
		err = -errno;
		unlink(path);
		goto close_fd;
	}
	if (!file->made && (size_t)st.st_size != bytes) {
		err = -EFBIG;
		goto close_fd;
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return fd;

close_fd:
	close(fd);
	return err;
}

/*
 * Make an old file new. A VMM that outlived the last daemon maps the inode, and may still have
 * pages in its page table that were leased to its VM then; this daemon knows of none of them, and
 * would let a card write there. Punching a page out of the file takes it out of every page table,
 * and what takes its place is zero, so nobody's bytes are left either.
 *
 * Only now: once a card's IOMMU has a page, a hole leaves the card writing to the page that was.
 */
static int
file_empty(int fd, size_t bytes)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, bytes) < 0)
		return -errno;
	return 0;
}

/* Map at a huge page's boundary: without it no mapping can be huge. */
static void *
file_map(int fd, size_t bytes)
{
	uint8_t *area, *start;

	area = mmap(NULL, bytes + RTE_PGSIZE_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	start = RTE_PTR_ALIGN_CEIL(area, RTE_PGSIZE_2M);
	if (start > area)
		munmap(area, start - area);
	munmap(start + bytes, area + RTE_PGSIZE_2M - start);
	if (mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		MAP_FAILED) {
		munmap(start, bytes);
		return NULL;
	}
	return start;
}

/* Give every page its memory now: later there would be a fault in a burst, or SIGBUS. */
static int
file_populate(int fd, void *base, size_t bytes, int socket_id)
{
	if (socket_id != SOCKET_ID_ANY && numa_available() == 0)
		numa_tonode_memory(base, bytes, socket_id);
	if (madvise(base, bytes, MADV_HUGEPAGE) < 0 && errno != EINVAL)
		return -errno;
	if (fallocate(fd, 0, 0, bytes) < 0)
		return -errno;
	if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	for (size_t i = 0; i < bytes; i += 4096) {
		_Atomic uint8_t *byte = (_Atomic uint8_t *)base + i;

		atomic_fetch_or_explicit(byte, 0, memory_order_relaxed);
	}
	return 0;
}

/* The kernel tells only in smaps whether a mapping got huge folios. */
static bool
file_is_huge(const void *base, size_t bytes)
{
	uint64_t start, end, kib, huge_kib = 0;
	bool inside = false;
	char line[512];
	FILE *smaps;

	smaps = fopen("/proc/self/smaps", "re");
	if (smaps == NULL)
		return false;
	while (fgets(line, sizeof(line), smaps) != NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = start >= (uintptr_t)base && end <= (uintptr_t)base + bytes;
		else if (inside && sscanf(line, "ShmemPmdMapped: %" SCNu64, &kib) == 1)
			huge_kib += kib;
	}
	fclose(smaps);
	return huge_kib * 1024 >= bytes;
}

int
pool_file_open(struct pool_file *file, const char *path, size_t bytes, int socket_id)
{
	int err;

	file->fd = file_open(file, path, bytes);
	if (file->fd < 0)
		return file->fd;
	if (!file->made) {
		err = file_empty(file->fd, bytes);
		if (err < 0)
			goto close_fd;
	}
	file->bytes = bytes;
	file->base = file_map(file->fd, bytes);
	if (file->base == NULL) {
		err = -errno;
		goto close_fd;
	}
	err = file_populate(file->fd, file->base, bytes, socket_id);
	if (err < 0)
		goto unmap;
	file->huge = file_is_huge(file->base, bytes);
	return 0;

unmap:
	munmap(file->base, bytes);
close_fd:
	if (file->made)
		unlink(path);
	close(file->fd);
	return err;
}

void
pool_file_close(struct pool_file *file)
{
	munmap(file->base, file->bytes);
	close(file->fd);
}
