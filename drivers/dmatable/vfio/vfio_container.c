/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The kernel's VFIO container (linux/vfio.h), type 1 v2: an IOMMU domain, one device's group in it,
 * and the device, which whoever drives it gets a copy of.
 *
 * The domain lives as long as any descriptor of the device does, also another process' copy; so
 * what is mapped has to be unmapped, and not only closed.
 *
 * A device that is taken out of the machine is asked for first: by an eventfd, and the kernel waits
 * until all descriptors of it are closed. Then its group leaves the container, all that was mapped
 * goes with it, and the container answers EINVAL to everything.
 *
 * Thread rule: as vfio_container.h says; the kernel takes calls of several threads.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "vfio_container.h"

#define DEVICES "/sys/bus/pci/devices"

struct container {
	int fd;
	int group_fd;
	int device_fd; /* -1: let go */
	int request_fd; /* -1: the kernel does not ask */
};

static int
linux_check(const char *device, char *why, size_t size)
{
	int ret;

	ret = vfio_device_check(DEVICES, device, why, size);
	if (ret == 0 && access("/dev/vfio/vfio", R_OK | W_OK) < 0) {
		snprintf(why, size, "cannot be used: /dev/vfio/vfio: %s", strerror(errno));
		ret = -EINVAL;
	}
	return ret;
}

/* Set with eventfd: have it signalled when the device is to be let go. */
static int
request_watch(int device_fd)
{
	union {
		struct vfio_irq_set set;
		char bytes[sizeof(struct vfio_irq_set) + sizeof(int)];
	} msg = {.set = {
			 .argsz = sizeof(msg),
			 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			 .index = VFIO_PCI_REQ_IRQ_INDEX,
			 .count = 1,
		 }};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -1;
	memcpy(msg.set.data, &fd, sizeof(fd));
	if (ioctl(device_fd, VFIO_DEVICE_SET_IRQS, &msg) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The group's descriptor, in a container of type 1 v2; or -errno. */
static int
group_open(int container_fd, int group)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		goto fail;
	if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
		errno = EPERM;
		goto fail;
	}
	if (ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container_fd) == 0 &&
		ioctl(container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0)
		return fd;
fail:
	err = -errno;
	close(fd);
	return err;
}

static int
linux_open(const char *device, void **arg)
{
	int group = vfio_device_group(DEVICES, device), ret;
	struct container *container;

	if (group < 0)
		return group;
	container = malloc(sizeof(*container));
	if (container == NULL)
		return -ENOMEM;
	container->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container->fd < 0) {
		ret = -errno;
		goto free_container;
	}
	ret = -EOPNOTSUPP;
	if (ioctl(container->fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
		ioctl(container->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0)
		goto close_container;
	ret = group_open(container->fd, group);
	if (ret < 0)
		goto close_container;
	container->group_fd = ret;
	container->device_fd = ioctl(container->group_fd, VFIO_GROUP_GET_DEVICE_FD, device);
	if (container->device_fd < 0) {
		ret = -errno;
		goto close_group;
	}
	container->request_fd = request_watch(container->device_fd);
	*arg = container;
	return 0;

close_group:
	close(container->group_fd);
close_container:
	close(container->fd);
free_container:
	free(container);
	return ret;
}

static void
linux_let_go(void *arg)
{
	struct container *container = arg;

	if (container->device_fd >= 0)
		close(container->device_fd);
	container->device_fd = -1;
}

static void
linux_close(void *arg)
{
	struct container *container = arg;

	linux_let_go(container);
	if (container->request_fd >= 0)
		close(container->request_fd);
	close(container->group_fd);
	close(container->fd);
	free(container);
}

int
vfio_fd_map(int fd, uint64_t iova, uint64_t vaddr, uint64_t bytes)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = vaddr,
		.iova = iova,
		.size = bytes,
	};

	return ioctl(fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

/* The kernel flushes the IOMMU's caches before it returns. */
int64_t
vfio_fd_unmap(int fd, uint64_t iova, uint64_t bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = bytes,
	};

	return ioctl(fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : (int64_t)unmap.size;
}

/* A container without a group has no domain to ask about. */
bool
vfio_fd_is_alive(int fd)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};

	return ioctl(fd, VFIO_IOMMU_GET_INFO, &info) == 0;
}

static int
linux_map(void *arg, uint64_t iova, uint64_t vaddr, uint64_t bytes)
{
	const struct container *container = arg;

	return vfio_fd_map(container->fd, iova, vaddr, bytes);
}

static int
linux_unmap(void *arg, uint64_t iova, uint64_t bytes)
{
	const struct container *container = arg;
	int64_t ret = vfio_fd_unmap(container->fd, iova, bytes);

	return RTE_MIN(ret, 0);
}

static bool
linux_is_alive(void *arg)
{
	const struct container *container = arg;

	return vfio_fd_is_alive(container->fd);
}

static int
linux_poll_fd(const void *arg)
{
	const struct container *container = arg;

	return container->request_fd;
}

static int
linux_device_fd(const void *arg)
{
	const struct container *container = arg;

	return container->device_fd;
}

const struct vfio_container_ops vfio_container_linux = {
	.check = linux_check,
	.open = linux_open,
	.close = linux_close,
	.map = linux_map,
	.unmap = linux_unmap,
	.is_alive = linux_is_alive,
	.poll_fd = linux_poll_fd,
	.device_fd = linux_device_fd,
	.let_go = linux_let_go,
};
