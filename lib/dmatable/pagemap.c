/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a VMM's page table says about its window: /proc/PID/pagemap. And whose it is.
 *
 * An entry that is not present may be marked as swapped, which means one of two things in a file's
 * mapping. Either the kernel is just moving the page elsewhere in memory and will put it back; or
 * userfaultfd has left a mark there (poison, write protection). The two differ in the number that
 * the entry holds: a mark's is a set of three flags, the other's is a page frame number. Without
 * CAP_SYS_ADMIN the number reads as 0, and we must take the page for present.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pagemap.h"

/* Type of a swap entry: 5 bits below the number. */
#define SWAP_TYPE_BITS 5
#define MAX_MARK       7
/* Of the largest process number. */
#define PID_BITS 22

int
pagemap_open(int pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t
pagemap_owner(int pid)
{
	unsigned long long start_ticks = 0;
	char path[32], line[1024];
	const char *rest = NULL;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	stat = fopen(path, "re");
	if (stat == NULL)
		return pid;
	/* proc(5): behind the name, which may have any characters, field 22 is the 20th. */
	if (fgets(line, sizeof(line), stat) != NULL)
		rest = strrchr(line, ')');
	for (unsigned int field = 2; rest != NULL && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	if (rest != NULL)
		start_ticks = strtoull(rest, NULL, 10);
	fclose(stat);
	return start_ticks << PID_BITS | (unsigned int)pid;
}

int
pagemap_read(int fd, uint64_t start, uint64_t *entries, uint32_t n)
{
	size_t bytes = n * sizeof(entries[0]), done = 0;

	while (done < bytes) {
		ssize_t len = pread(fd, (char *)entries + done, bytes - done,
			start / 4096 * sizeof(entries[0]) + done);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return len < 0 ? -errno : -ESRCH;
		done += len;
	}
	return 0;
}

bool
pagemap_is_dark(uint64_t entry)
{
	uint64_t swap = entry & PAGEMAP_PFN_MASK;

	if (pagemap_is_present(entry))
		return false;
	if ((entry & PAGEMAP_SWAP) == 0)
		return true;
	return swap != 0 && swap >> SWAP_TYPE_BITS <= MAX_MARK;
}
