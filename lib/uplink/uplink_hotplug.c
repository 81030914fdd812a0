/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What a port's interrupts tell; a card that is taken away, and comes back. uplink.c has the rest
 * of an uplink's life.
 *
 * When a device on vfio-pci is unplugged, or taken back by its driver, the kernel asks whoever has
 * it open to let go, and waits: the EAL hears that and calls device_event(). The uplink is GONE
 * then, though the device still answers. Its queues leave the lcores' plans, the port is closed,
 * the device is handed back to the kernel. From then on it is looked for in sysfs: when it is there
 * and on vfio-pci again, it is probed as at the start.
 *
 * Thread rule: the main thread; port_event() and device_event() are the EAL's interrupt thread.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_pci.h>

#include "airlock_uplink.h"
#include "uplink_priv.h"

/* The device is to go, or has gone; any thread. */
static void
vanished(struct airlock_uplink *uplink)
{
	if (atomic_exchange_explicit(&uplink->state, AIRLOCK_UPLINK_GONE, memory_order_relaxed) !=
		AIRLOCK_UPLINK_GONE)
		UPLINK_LOG(ERR, "port %u (%s) vanished\n", uplink->port_id, uplink->name);
}

/* The EAL's interrupt thread. */
static int
port_event(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *ret_param)
{
	struct airlock_uplink *uplink = arg;

	if (event == RTE_ETH_EVENT_INTR_RMV)
		vanished(uplink);
	else
		airlock_uplink_poll(uplink);
	return 0;
}

static const enum rte_eth_event_type port_events[] = {
	RTE_ETH_EVENT_INTR_RMV,
	RTE_ETH_EVENT_INTR_LSC,
};

/*
 * In older releases of the EAL, taking off one device's callback takes off those of all others. So
 * there is one callback, for any device, that is never taken off, and the uplink is found here.
 */
static TAILQ_HEAD(, airlock_uplink) watched = TAILQ_HEAD_INITIALIZER(watched);
static pthread_mutex_t watched_lock = PTHREAD_MUTEX_INITIALIZER;
static bool hears_events; /* main thread */

/* The EAL's interrupt thread. */
static void
device_event(const char *device_name, enum rte_dev_event_type event, void *arg)
{
	struct airlock_uplink *uplink;

	if (event != RTE_DEV_EVENT_REMOVE)
		return;
	pthread_mutex_lock(&watched_lock);
	TAILQ_FOREACH (uplink, &watched, next)
		if (strcmp(rte_dev_name(uplink->device), device_name) == 0)
			vanished(uplink);
	pthread_mutex_unlock(&watched_lock);
}

/* Only the kernel's devices come and go. */
static bool
is_pci(const struct airlock_uplink *uplink)
{
	return strcmp(rte_bus_name(rte_dev_bus(uplink->device)), "pci") == 0;
}

/* What the device is probed with, to be freed; NULL: no memory. */
static char *
probe_string(const struct rte_device *device)
{
	const struct rte_devargs *devargs = rte_dev_devargs(device);
	const char *args = devargs == NULL ? NULL : devargs->args;
	char *text;

	if (args == NULL || *args == '\0')
		return strdup(rte_dev_name(device));
	return asprintf(&text, "%s,%s", rte_dev_name(device), args) < 0 ? NULL : text;
}

void
uplink_watch(struct airlock_uplink *uplink)
{
	for (unsigned int i = 0; i < RTE_DIM(port_events); i++)
		rte_eth_dev_callback_register(uplink->port_id, port_events[i], port_event, uplink);
	if (!is_pci(uplink))
		return;
	if (uplink->probe == NULL)
		uplink->probe = probe_string(uplink->device);
	if (!hears_events) {
		hears_events = rte_dev_event_callback_register(NULL, device_event, NULL) == 0;
		if (!hears_events)
			UPLINK_LOG(WARNING, "port %u (%s): its removal will not be noticed\n",
				uplink->port_id, uplink->name);
	}
	pthread_mutex_lock(&watched_lock);
	TAILQ_INSERT_TAIL(&watched, uplink, next);
	pthread_mutex_unlock(&watched_lock);
	uplink->is_watched = true;
}

void
uplink_unwatch(struct airlock_uplink *uplink)
{
	/* -EAGAIN: the interrupt thread is in it. */
	for (unsigned int i = 0; i < RTE_DIM(port_events); i++)
		while (rte_eth_dev_callback_unregister(
			       uplink->port_id, port_events[i], port_event, uplink) == -EAGAIN)
			sched_yield();
	if (!uplink->is_watched)
		return;
	pthread_mutex_lock(&watched_lock);
	TAILQ_REMOVE(&watched, uplink, next);
	pthread_mutex_unlock(&watched_lock);
	uplink->is_watched = false;
}

/* Whether another uplink, which has yet to let go, is a port of the same device. */
static bool
has_sibling(const struct airlock_uplink *uplink)
{
	const struct airlock_uplink *other;
	bool found = false;

	pthread_mutex_lock(&watched_lock);
	TAILQ_FOREACH (other, &watched, next)
		found |= other->device == uplink->device;
	pthread_mutex_unlock(&watched_lock);
	return found;
}

int
airlock_uplink_detach(struct airlock_uplink *uplink)
{
	airlock_uplink_stop(uplink);
	pthread_mutex_lock(&uplink->port_lock);
	uplink_close(uplink);
	pthread_mutex_unlock(&uplink->port_lock);
	/* The interrupt thread may still be in the event that said so. */
	if (uplink->device != NULL && !has_sibling(uplink) && rte_dev_remove(uplink->device) < 0)
		return -EAGAIN;
	if (uplink->device != NULL && airlock_pool_dma_lost(uplink->pool))
		uplink->dma_mapped = false;
	uplink->device = NULL;
	return 0;
}

static bool
is_on_vfio(const char *probe)
{
	char address[PCI_PRI_STR_SIZE];

	snprintf(address, sizeof(address), "%.*s", (int)strcspn(probe, ","), probe);
	return airlock_pool_on_vfio(address);
}

/* The device, unless another of its ports had that probed; its port of the same name as before. */
static int
probe(struct airlock_uplink *uplink)
{
	int ret;

	if (rte_eth_dev_get_port_by_name(uplink->name, &uplink->port_id) == 0)
		return 0;
	ret = rte_dev_probe(uplink->probe);
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(uplink->name, &uplink->port_id);
	if (ret < 0)
		UPLINK_LOG(ERR, "port %s is back, and cannot be used: %s\n", uplink->name,
			rte_strerror(-ret));
	return ret;
}

int
airlock_uplink_attach(struct airlock_uplink *uplink)
{
	int ret;

	if (uplink->probe == NULL)
		return -ENODEV;
	if (!is_on_vfio(uplink->probe)) {
		uplink->refused = false;
		return -ENODEV;
	}
	if (uplink->refused)
		return -ENODEV;
	pthread_mutex_lock(&uplink->port_lock);
	ret = probe(uplink);
	if (ret == 0)
		ret = uplink_open(uplink);
	pthread_mutex_unlock(&uplink->port_lock);
	if (ret == 0)
		ret = airlock_uplink_start(uplink);
	if (ret < 0) {
		uplink->refused = true;
		airlock_uplink_detach(uplink);
	}
	return ret;
}

void
airlock_uplink_resume(struct airlock_uplink *uplink)
{
	UPLINK_LOG(NOTICE, "port %u (%s) is back\n", uplink->port_id, uplink->name);
	atomic_store_explicit(&uplink->state, AIRLOCK_UPLINK_DOWN, memory_order_relaxed);
	airlock_uplink_poll(uplink);
}
