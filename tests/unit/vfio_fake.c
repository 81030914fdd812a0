/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VFIO container for tests; see vfio_fake.h. Its errors are those of type 1 v2 in Linux: a range
 * that is mapped in part is not mapped again, and no unmap may cut a mapping.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vfio_fake.h"

struct vfio_fake vfio_fake;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
fake_check(const char *device, char *why, size_t size)
{
	if (vfio_fake.open_error == 0)
		return 0;
	snprintf(why, size, "is bad, expected a good one");
	return -EINVAL;
}

static int
fake_open(const char *device, void **container)
{
	if (vfio_fake.open_error != 0)
		return vfio_fake.open_error;
	vfio_fake.nb_opens++;
	*container = &vfio_fake;
	return 0;
}

static void
fake_close(void *container)
{
	vfio_fake.nb_closes++;
}

/* Index of a mapping that shares a byte with the range, or -1. */
static int
find_overlap(uint64_t iova, uint64_t bytes)
{
	for (unsigned int i = 0; i < vfio_fake.nb_mappings; i++) {
		if (iova < vfio_fake.mappings[i].iova + vfio_fake.mappings[i].bytes &&
			vfio_fake.mappings[i].iova < iova + bytes)
			return i;
	}
	return -1;
}

static int
map_locked(uint64_t iova, uint64_t vaddr, uint64_t bytes)
{
	unsigned int n = vfio_fake.nb_mappings;

	if (vfio_fake.gone || bytes == 0)
		return -EINVAL;
	if (find_overlap(iova, bytes) >= 0)
		return -EEXIST;
	if (n == vfio_fake.max_mappings)
		return -ENOSPC;
	vfio_fake.mappings[n].iova = iova;
	vfio_fake.mappings[n].vaddr = vaddr;
	vfio_fake.mappings[n].bytes = bytes;
	vfio_fake.nb_mappings++;
	vfio_fake.nb_maps++;
	return 0;
}

static int
fake_map(void *container, uint64_t iova, uint64_t vaddr, uint64_t bytes)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = map_locked(iova, vaddr, bytes);
	pthread_mutex_unlock(&lock);
	return ret;
}

static int
unmap_locked(uint64_t iova, uint64_t bytes)
{
	uint64_t end = iova + bytes;
	int i;

	if (vfio_fake.unmap_error != 0)
		return vfio_fake.unmap_error;
	if (vfio_fake.gone)
		return -EINVAL;
	for (i = 0; i < (int)vfio_fake.nb_mappings; i++) {
		uint64_t first = vfio_fake.mappings[i].iova;
		uint64_t last = first + vfio_fake.mappings[i].bytes;

		if ((first < iova && iova < last) || (first < end && end < last))
			return -EINVAL;
	}
	while ((i = find_overlap(iova, bytes)) >= 0)
		vfio_fake.mappings[i] = vfio_fake.mappings[--vfio_fake.nb_mappings];
	vfio_fake.nb_unmaps++;
	return 0;
}

static int
fake_unmap(void *container, uint64_t iova, uint64_t bytes)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = unmap_locked(iova, bytes);
	pthread_mutex_unlock(&lock);
	return ret;
}

static bool
fake_is_alive(void *container)
{
	return !vfio_fake.gone;
}

static int
fake_poll_fd(const void *container)
{
	return vfio_fake.request_fd;
}

static int
fake_device_fd(const void *container)
{
	return vfio_fake.fd;
}

static void
fake_let_go(void *container)
{
	if (vfio_fake.fd >= 0)
		close(vfio_fake.fd);
	vfio_fake.fd = -1;
}

static const struct vfio_container_ops fake_ops = {
	.check = fake_check,
	.open = fake_open,
	.close = fake_close,
	.map = fake_map,
	.unmap = fake_unmap,
	.is_alive = fake_is_alive,
	.poll_fd = fake_poll_fd,
	.device_fd = fake_device_fd,
	.let_go = fake_let_go,
};

void
vfio_fake_init(void)
{
	memset(&vfio_fake, 0, sizeof(vfio_fake));
	vfio_fake.max_mappings = VFIO_FAKE_MAX;
	vfio_fake.fd = eventfd(0, EFD_CLOEXEC);
	vfio_fake.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vfio_container_use(&fake_ops);
}

void
vfio_fake_fini(void)
{
	fake_let_go(&vfio_fake);
	close(vfio_fake.request_fd);
	vfio_container_use(NULL);
}

uint64_t
vfio_fake_translate(uint64_t iova)
{
	uint64_t vaddr = 0;
	int i;

	pthread_mutex_lock(&lock);
	i = find_overlap(iova, 1);
	if (i >= 0)
		vaddr = vfio_fake.mappings[i].vaddr + (iova - vfio_fake.mappings[i].iova);
	pthread_mutex_unlock(&lock);
	return vaddr;
}

unsigned int
vfio_fake_nb_mappings(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = vfio_fake.nb_mappings;
	pthread_mutex_unlock(&lock);
	return n;
}
