/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * See agent_find.h. The kernel lists a mapping as "start-end perms offset major:minor inode path",
 * in hexadecimal but for the inode.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "agent_find.h"

struct listed {
	uint64_t start, end, offset, inode;
	unsigned int major_id, minor_id;
	char perms[5];
};

static bool
parse(const char *line, struct listed *listed)
{
	return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64,
		       &listed->start, &listed->end, listed->perms, &listed->offset,
		       &listed->major_id, &listed->minor_id, &listed->inode) == 7;
}

static int
take(const struct airlock_window_welcome *pool, const struct listed *listed,
	struct found_mapping *found)
{
	if (listed->inode != pool->pool_ino || listed->major_id != major(pool->pool_dev) ||
		listed->minor_id != minor(pool->pool_dev))
		return 0;
	if (found->base != NULL)
		return -EEXIST;
	if (listed->perms[0] != 'r' || listed->perms[3] != 's' || listed->offset != 0 ||
		listed->end - listed->start != pool->layout.pool_bytes)
		return -EINVAL;
	found->base = (void *)(uintptr_t)listed->start;
	found->bytes = listed->end - listed->start;
	return 0;
}

int
find_mapping(const struct airlock_window_welcome *pool, struct found_mapping *found)
{
	struct listed listed;
	char line[512];
	int err = 0;
	FILE *maps;

	*found = (struct found_mapping){0};
	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		return -errno;
	/* The rest of a line that is longer does not parse. */
	while (err == 0 && fgets(line, sizeof(line), maps) != NULL) {
		if (parse(line, &listed))
			err = take(pool, &listed, found);
	}
	fclose(maps);
	if (err == 0 && found->base == NULL)
		err = -ENOENT;
	return err;
}
