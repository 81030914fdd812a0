/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The IOMMU domain of the cards that DPDK drives: the EAL's default VFIO container.
 *
 * rte_vfio_container_dma_map() works on it, too. But the EAL keeps a list of what it was asked to
 * map, of 256 places, to map it again when a card comes back; frames that come and go one by one
 * do not fit in. So here the kernel is asked directly, and airlock_card_attach() fills the domain
 * when a card is back. The EAL gives nobody its descriptor: it is looked for among the process's
 * own, where it is alone before a VM has a device.
 *
 * The EAL's container is of VFIO's type 1, without v2: a call to unmap takes away the mappings that
 * begin within its range, and says how many bytes that were.
 *
 * Thread rule: as airlock_card.h says; the kernel takes calls of several threads.
 */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include <airlock_card.h>

#include "vfio_container.h"

#define FDS	  "/proc/self/fd"
#define CONTAINER "/dev/vfio/vfio"

struct card_domain {
	int fd; /* the EAL's */
};

/* Of the one container that is open; or -errno. */
static int
container_find(void)
{
	const struct dirent *entry;
	char target[PATH_MAX];
	int fd = -ENODEV;
	DIR *dir;

	dir = opendir(FDS);
	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, CONTAINER) != 0)
			continue;
		if (fd >= 0) {
			fd = -EEXIST;
			break;
		}
		fd = atoi(entry->d_name);
	}
	closedir(dir);
	return fd;
}

static int
card_open(void **arg)
{
	struct card_domain *domain;
	int fd = container_find();

	if (fd < 0)
		return fd;
	domain = malloc(sizeof(*domain));
	if (domain == NULL)
		return -ENOMEM;
	domain->fd = fd;
	*arg = domain;
	return 0;
}

static void
card_close(void *arg)
{
	free(arg);
}

static int
card_map(void *arg, uintptr_t addr, uint64_t bytes)
{
	const struct card_domain *domain = arg;

	return vfio_fd_map(domain->fd, addr, addr, bytes);
}

static int
card_unmap(void *arg, uintptr_t addr, uint64_t bytes)
{
	const struct card_domain *domain = arg;
	int64_t ret = vfio_fd_unmap(domain->fd, addr, bytes);

	if (ret < 0)
		return ret;
	return (uint64_t)ret == bytes ? 0 : -EINVAL;
}

static bool
card_is_alive(void *arg)
{
	const struct card_domain *domain = arg;

	return vfio_fd_is_alive(domain->fd);
}

static const struct airlock_card_ops card_ops = {
	.name = "vfio",
	.open = card_open,
	.close = card_close,
	.map = card_map,
	.unmap = card_unmap,
	.is_alive = card_is_alive,
};

RTE_INIT(vfio_card_register)
{
	airlock_card_driver_register(&card_ops);
}
