/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The device that works for a VM, beside its window: what is mapped in the VMM is mapped in the
 * device's IOMMU domain too, and a frame is given back only when it is dark in both.
 *
 * Lcores map, for the device first, because only the VMM can be kept from a run that the other one
 * did not get; a run that only the device got goes back as any other.
 *
 * The unmap thread unmaps: strict, before it asks the agent; batched, with the agent's answer. What
 * the agent has made dark and the device still has is held back. When the window goes, nobody maps
 * any more, and the domain is emptied by one call.
 *
 * Who drives the device (programs its queues) gets its descriptor from a socket of its own, as
 * often as asked. If the device has to leave the machine, airlockd lets go of it, and the VM goes
 * on without.
 *
 * Thread rule: device_map() in lcores; the rest as dmatable_priv.h says, or in the unmap thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_string_fns.h>

#include "dmatable_priv.h"

/* By a constructor, before main(). */
static const struct airlock_dmatable_device_ops *driver;

void
airlock_dmatable_device_driver_register(const struct airlock_dmatable_device_ops *ops)
{
	driver = ops;
}

const struct airlock_dmatable_device_ops *
airlock_dmatable_device_driver(void)
{
	return driver;
}

int
airlock_dmatable_check_device(const char *device, char *why, size_t size)
{
	if (driver != NULL)
		return driver->check(device, why, size);
	snprintf(why, size, "cannot be used: there is no driver for devices");
	return -EINVAL;
}

static void
device_offer(struct watch *listener, uint32_t events)
{
	const struct airlock_dmatable *table = listener->arg;
	const struct device *device = &table->device;
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)device->name, .iov_len = strlen(device->name)};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int fd = device->ops->device_fd(device->space), sock;

	sock = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0)
		return;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	/* Who does not hear it sees the connection end. */
	if (fd >= 0)
		(void)!sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(sock);
}

static void
device_leave(struct watch *request, uint32_t events)
{
	struct airlock_dmatable *table = request->arg;
	struct device *device = &table->device;

	watch_forget(request);
	watch_close(&device->listener);
	unlink(device->path);
	atomic_store_explicit(&device->present, false, memory_order_relaxed);
	device->ops->let_go(device->space);
	DMATABLE_LOG(ERR, "%s: device %s is taken out; the VM goes on without it\n", table->name,
		device->name);
}

int
device_init(struct device *device, const struct airlock_dmatable_conf *conf, void *arg)
{
	int ret;

	device->listener = (struct watch){.ready = device_offer, .arg = arg, .fd = -1};
	device->request = (struct watch){.ready = device_leave, .arg = arg, .fd = -1};
	if (conf->device == NULL)
		return 0;
	if (driver == NULL || conf->device_path == NULL ||
		strlen(conf->device) >= sizeof(device->name) ||
		strlen(conf->device_path) >= sizeof(device->path))
		return -EINVAL;
	rte_strscpy(device->name, conf->device, sizeof(device->name));
	rte_strscpy(device->path, conf->device_path, sizeof(device->path));
	device->strict = conf->iommu == AIRLOCK_IOMMU_STRICT;
	ret = frames_init(&device->held_back, airlock_pool_table(conf->pool)->nb_frames);
	if (ret < 0)
		return ret;
	ret = driver->open(
		device->name, airlock_pool_table(conf->pool), device->strict, &device->space);
	if (ret < 0) {
		DMATABLE_LOG(ERR, "%s: device %s: %s%s\n", conf->name, device->name,
			rte_strerror(-ret),
			ret == -EBUSY ? "; expected one that nobody else has open" : "");
		frames_fini(&device->held_back);
		return ret;
	}
	device->ops = driver;
	atomic_store_explicit(&device->present, true, memory_order_relaxed);
	return 0;
}

void
device_fini(struct device *device)
{
	if (device->ops == NULL)
		return;
	device->ops->close(device->space);
	frames_fini(&device->held_back);
}

int
device_listen(struct device *device)
{
	int fd;

	if (!atomic_load_explicit(&device->present, memory_order_relaxed))
		return 0;
	fd = socket_listen(device->path);
	if (fd < 0)
		return fd;
	device->listener.fd = fd;
	return 0;
}

int
device_watch(struct device *device)
{
	int ret;

	if (device->listener.fd < 0)
		return 0;
	ret = watch_add(&device->listener, EPOLLIN);
	if (ret < 0)
		return ret;
	device->request.fd = device->ops->poll_fd(device->space);
	if (device->request.fd < 0)
		return 0;
	ret = watch_add(&device->request, EPOLLIN);
	if (ret < 0)
		device->request.fd = -1;
	return ret;
}

void
device_unwatch(struct device *device)
{
	if (device->listener.fd >= 0)
		unlink(device->path);
	watch_close(&device->listener);
	watch_forget(&device->request);
}

bool
device_is_present(const struct airlock_dmatable *table)
{
	return atomic_load_explicit(&table->device.present, memory_order_relaxed);
}

uint16_t
device_map(struct airlock_dmatable *table, const struct airlock_run *runs, uint16_t n, int *error)
{
	const struct device *device = &table->device;

	/* One that has just gone takes nothing, which is an error as any other. */
	if (likely(!device_is_present(table)))
		return n;
	return device->ops->map(device->space, runs, n, error);
}

/* Of what is dark to the device, what is dark to the VMM. */
static void
device_dark(void *arg, const struct airlock_run *run)
{
	struct airlock_dmatable *table = arg;
	struct frames *held_back = &table->device.held_back;

	for (uint32_t i = 0; i < run->nb_frames; i++) {
		struct airlock_run one = {.first_frame = run->first_frame + i, .nb_frames = 1};

		if (!frames_has(held_back, one.first_frame))
			continue;
		while (one.nb_frames < run->nb_frames - i &&
			frames_has(held_back, one.first_frame + one.nb_frames))
			one.nb_frames++;
		for (uint32_t j = 0; j < one.nb_frames; j++)
			frames_del(held_back, one.first_frame + j);
		i += one.nb_frames;
		airlock_count(&table->counters.returned, unmap_give_back(table->pages, &one));
	}
}

static void
device_unmap(struct airlock_dmatable *table, const struct airlock_run *run)
{
	const struct device *device = &table->device;
	uint64_t tsc = rte_rdtsc();

	device->ops->unmap(device->space, run, device_dark, table);
	airlock_count(&table->counters.unmap_ns, (rte_rdtsc() - tsc) * 1e9 / rte_get_tsc_hz());
}

static void
held_back_count(struct airlock_dmatable *table)
{
	atomic_store_explicit(
		&table->counters.held_back, table->device.held_back.count, memory_order_relaxed);
}

void
device_take(struct airlock_dmatable *table, const struct airlock_run *run)
{
	if (table->device.ops != NULL && table->device.strict)
		device_unmap(table, run);
}

void
device_finish(struct airlock_dmatable *table, const struct airlock_run *run)
{
	struct device *device = &table->device;

	if (device->ops == NULL) {
		airlock_count(&table->counters.returned, unmap_give_back(table->pages, run));
		return;
	}
	for (uint32_t i = 0; i < run->nb_frames; i++)
		frames_add(&device->held_back, run->first_frame + i);
	device_unmap(table, run);
	held_back_count(table);
}

bool
device_down(struct airlock_dmatable *table)
{
	struct device *device = &table->device;
	struct airlock_run run;
	int ret;

	if (device->ops == NULL)
		return true;
	ret = device->ops->unmap_all(device->space);
	if (ret < 0) {
		DMATABLE_LOG(ERR, "%s: device %s: cannot unmap: %s; the VM's frames are kept\n",
			table->name, device->name, rte_strerror(-ret));
		return false;
	}
	while (frames_take_run(&device->held_back, &run))
		airlock_count(&table->counters.returned, unmap_give_back(table->pages, &run));
	held_back_count(table);
	return true;
}

void
device_forget(struct airlock_dmatable *table)
{
	if (table->device.ops == NULL)
		return;
	frames_clear(&table->device.held_back);
	held_back_count(table);
}
