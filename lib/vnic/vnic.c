/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A virtual NIC's life: the socket, the VM that comes and goes, what was negotiated. The datapath
 * is in vnic_burst.c.
 *
 * rte_vhost runs the vhost-user protocol in a thread of its own and knows a NIC by a number (vid)
 * that it gives to each connection; the socket's path leads from there to the NIC. While a VM is
 * there, vid is what lcores go by: it is set after everything else is in place, and cleared before
 * the *event* callback, which waits until no lcore holds the old value.
 *
 * What is offered to the guest is what lib/offload can do for a receiver that cannot: checksums,
 * and segmentation of TCP over IPv4 and IPv6. UDP fragmentation (UFO) is left to the guest. So is
 * TCP segmentation with CWR set (ECN): rte_vhost has no way to pass that mark on.
 *
 * Thread rule: the list of NICs is guarded by a mutex that no callback of ours is called under.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_string_fns.h>
#include <rte_vhost.h>

#include <airlock_compat.h>
#include <airlock_offload.h>

#include "vnic_priv.h"

RTE_LOG_REGISTER(vnic_logtype, airlock.vnic, INFO);

#define NOT_OFFERED \
	(RTE_BIT64(VIRTIO_NET_F_HOST_UFO) | RTE_BIT64(VIRTIO_NET_F_GUEST_UFO) | \
		RTE_BIT64(VIRTIO_NET_F_HOST_ECN) | RTE_BIT64(VIRTIO_NET_F_GUEST_ECN))

#define RECONNECT_SETTLE_MS 100

static TAILQ_HEAD(, airlock_vnic) vnics = TAILQ_HEAD_INITIALIZER(vnics);
static pthread_mutex_t vnics_lock = PTHREAD_MUTEX_INITIALIZER;

static struct airlock_vnic *
vnic_find(const char *path)
{
	struct airlock_vnic *vnic;

	pthread_mutex_lock(&vnics_lock);
	TAILQ_FOREACH (vnic, &vnics, next) {
		if (strcmp(vnic->path, path) == 0)
			break;
	}
	pthread_mutex_unlock(&vnics_lock);
	return vnic;
}

struct airlock_vnic *
vnic_of(int vid)
{
	char path[PATH_MAX];

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return NULL;
	return vnic_find(path);
}

static uint32_t
caps_of(uint64_t features)
{
	uint32_t caps = AIRLOCK_OFFLOAD_CHAINS; /* rte_vhost copies chains into any ring */

	/* A packet that is still to be segmented has no checksum: the guest must take that, too. */
	if ((features & RTE_BIT64(VIRTIO_NET_F_GUEST_CSUM)) == 0)
		return caps;
	caps |= AIRLOCK_OFFLOAD_L4_CSUM;
	if ((features & RTE_BIT64(VIRTIO_NET_F_GUEST_TSO4)) != 0)
		caps |= AIRLOCK_OFFLOAD_TSO4;
	if ((features & RTE_BIT64(VIRTIO_NET_F_GUEST_TSO6)) != 0)
		caps |= AIRLOCK_OFFLOAD_TSO6;
	return caps;
}

static int
device_new(int vid)
{
	struct airlock_vnic *vnic = vnic_of(vid);
	uint16_t nb_vrings = rte_vhost_get_vring_num(vid);
	uint64_t features = 0;

	if (vnic == NULL || vnic->refused || !vnic_is_latest(vnic, vid) ||
		vnic_guard_up(vnic, vid) < 0)
		return -1;
	/* Airlock polls: the guest need not kick. */
	for (uint16_t i = 0; i < nb_vrings; i++)
		rte_vhost_enable_guest_notification(vid, i, 0);
	rte_vhost_get_negotiated_features(vid, &features);
	atomic_store_explicit(&vnic->features, features, memory_order_relaxed);
	atomic_store_explicit(&vnic->caps, caps_of(features), memory_order_relaxed);
	airlock_count(&vnic->nb_connects, 1);
	vnic_rings_up(vnic, vid);
	vnic_kicks_up(vnic, vid);
	vnic_looks_give(vnic);
	atomic_store_explicit(&vnic->vid, vid, memory_order_release);
	if (nb_vrings / 2 > vnic->nb_queues)
		VNIC_LOG(WARNING,
			"%s: has %u queue pairs, expected %u: the others get no service\n",
			vnic->name, nb_vrings / 2, vnic->nb_queues);
	VNIC_LOG(INFO, "%s: up, features 0x%" PRIx64 "\n", vnic->name, features);
	vnic->event(vnic, true, vnic->arg);
	return 0;
}

static void
device_destroy(int vid)
{
	struct airlock_vnic *vnic = vnic_of(vid);

	if (vnic == NULL || atomic_load_explicit(&vnic->vid, memory_order_relaxed) != vid)
		return;
	atomic_store_explicit(&vnic->vid, -1, memory_order_release);
	atomic_store_explicit(&vnic->features, 0, memory_order_relaxed);
	vnic_rings_hide(vnic);
	vnic_kicks_down(vnic);
	vnic->event(vnic, false, vnic->arg);
	vnic_rings_down(vnic);
	vnic_guard_down(vnic);
	atomic_store_explicit(&vnic->down_tsc, rte_rdtsc(), memory_order_relaxed);
	VNIC_LOG(INFO, "%s: down\n", vnic->name);
}

/* May come before the device is up: the rings of a queue pair get ready one by one. */
static int
vring_changed(int vid, uint16_t vring_id, int enable)
{
	struct airlock_vnic *vnic = vnic_of(vid);
	_Atomic uint32_t *mask;
	uint32_t bit;

	if (vnic == NULL || !vnic_is_latest(vnic, vid) || vring_id / 2 >= vnic->nb_queues)
		return 0;
	mask = vring_id % 2 == 0 ? &vnic->rx_mask : &vnic->tx_mask;
	bit = RTE_BIT32(vring_id / 2);
	if (enable != 0)
		atomic_fetch_or(mask, bit);
	/* After that: the handler says so, and clears the masks then. */
	if (airlock_vnic_is_lost(vnic))
		enable = 0;
	if (enable == 0)
		atomic_fetch_and_explicit(mask, ~bit, memory_order_relaxed);
	if (vring_id % 2 == 0)
		vnic_ring_changed(vnic, vring_id / 2, enable != 0);
	else
		vnic_kick_changed(vnic, vring_id / 2, enable != 0);
	return 0;
}

static int
connection_new(int vid)
{
	struct airlock_vnic *vnic = vnic_of(vid);

	/*
	 * A listening socket takes a second connection beside the first. Refuse it while the first
	 * one's device is up; else it is the first that is not heard any more.
	 */
	if (vnic == NULL || airlock_vnic_is_up(vnic))
		return -1;
	atomic_store_explicit(&vnic->latest_vid, vid, memory_order_relaxed);
	atomic_store_explicit(&vnic->rx_mask, 0, memory_order_relaxed);
	atomic_store_explicit(&vnic->tx_mask, 0, memory_order_relaxed);
	vnic->refused = false;
	vnic_guard_connect(vnic);
	vnic_rings_connect(vnic);
	return vnic_watch(vid);
}

static void
connection_gone(int vid)
{
	RTE_SET_USED(vid);
	vnic_guard_message(NULL);
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = device_new,
	.destroy_device = device_destroy,
	.vring_state_changed = vring_changed,
	.new_connection = connection_new,
	.destroy_connection = connection_gone,
};

static bool
conf_is_good(const struct airlock_vnic_conf *conf)
{
	return conf->nb_queues != 0 && conf->nb_queues <= AIRLOCK_VNIC_MAX_QUEUES &&
		strlen(conf->name) < AIRLOCK_VNIC_NAME_MAX &&
		(!conf->window || conf->quiesce != NULL) &&
		(conf->kick == NULL || conf->pool_ino != 0) &&
		strlen(conf->path) < AIRLOCK_VNIC_PATH_MAX;
}

static int
vnic_register(struct airlock_vnic *vnic)
{
	uint64_t flags = RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS, not_offered = NOT_OFFERED;

	if (!vnic->server)
		flags |= RTE_VHOST_USER_CLIENT;
	if (rte_vhost_driver_register(vnic->path, flags) < 0)
		return -ENOSPC;
	vnic->registered = true;
	if (vnic->own != NULL)
		not_offered |= RTE_BIT64(VIRTIO_F_IN_ORDER);
	if (rte_vhost_driver_disable_features(vnic->path, not_offered) < 0 ||
		vnic_offer(vnic->path) < 0 ||
		airlock_compat_vhost_set_queue_num(vnic->path, vnic->nb_queues) < 0 ||
		rte_vhost_driver_callback_register(vnic->path, &device_ops) < 0)
		return -EINVAL;
	return 0;
}

struct airlock_vnic *
airlock_vnic_create(const struct airlock_vnic_conf *conf)
{
	struct airlock_vnic *vnic;
	int err;

	if (!conf_is_good(conf)) {
		rte_errno = EINVAL;
		return NULL;
	}
	if (vnic_find(conf->path) != NULL) {
		rte_errno = EEXIST;
		return NULL;
	}
	vnic = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*vnic));
	if (vnic == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	memset(vnic, 0, sizeof(*vnic));
	atomic_store_explicit(&vnic->vid, -1, memory_order_relaxed);
	atomic_store_explicit(&vnic->latest_vid, -1, memory_order_relaxed);
	rte_strscpy(vnic->name, conf->name, sizeof(vnic->name));
	rte_strscpy(vnic->path, conf->path, sizeof(vnic->path));
	snprintf(vnic->point.name, sizeof(vnic->point.name), "vm %s", conf->name);
	for (uint16_t q = 0; q < conf->nb_queues; q++)
		airlock_drops_init(&vnic->rx[q].drops, &vnic->point, AIRLOCK_OUT);
	vnic->frames = conf->frames;
	vnic->pages = conf->pages;
	vnic->nb_queues = conf->nb_queues;
	vnic->server = conf->server;
	vnic->pool_dev = conf->pool_dev;
	vnic->pool_ino = conf->pool_ino;
	vnic->event = conf->event;
	vnic->quiesce = conf->quiesce;
	vnic->kick = conf->kick;
	vnic_kicks_init(vnic);
	vnic->arg = conf->arg;
	if (vnic_guard_open(vnic) < 0) {
		free(vnic);
		rte_errno = ENOSPC;
		return NULL;
	}
	if (conf->window && vnic_rings_create(vnic, conf->record) < 0) {
		vnic_guard_close(vnic);
		free(vnic);
		rte_errno = ENOMEM;
		return NULL;
	}
	pthread_mutex_lock(&vnics_lock);
	TAILQ_INSERT_TAIL(&vnics, vnic, next);
	pthread_mutex_unlock(&vnics_lock);
	err = vnic_register(vnic);
	if (err < 0) {
		airlock_vnic_destroy(vnic);
		rte_errno = -err;
		return NULL;
	}
	return vnic;
}

/* Remove a socket that nobody answers at; leave anything else alone. */
static int
socket_clear(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	bool dead;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EADDRINUSE;
	/* One that is full of others' connections answers at once, too. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rte_strscpy(addr.sun_path, path, sizeof(addr.sun_path));
	dead = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	if (!dead)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

int
airlock_vnic_start(struct airlock_vnic *vnic)
{
	int ret;

	if (vnic->server) {
		ret = socket_clear(vnic->path);
		if (ret < 0)
			return ret;
	}
	return rte_vhost_driver_start(vnic->path) < 0 ? -EIO : 0;
}

/*
 * In client mode rte_vhost 22.11 goes on after device_destroy() to put the socket on the list of
 * those to be connected again, and unregistering it in that moment leaves it there after it was
 * freed. Nothing tells when the moment is over; it takes microseconds, but on a busy CPU longer.
 */
static void
wait_for_reconnect(const struct airlock_vnic *vnic)
{
	uint64_t down_tsc = atomic_load_explicit(&vnic->down_tsc, memory_order_relaxed);
	uint64_t settled_tsc = down_tsc + rte_get_tsc_hz() / 1000 * RECONNECT_SETTLE_MS;

	while (!vnic->server && down_tsc != 0 && rte_rdtsc() < settled_tsc)
		rte_delay_us_sleep(1000);
}

void
airlock_vnic_stop(struct airlock_vnic *vnic)
{
	if (vnic->registered) {
		wait_for_reconnect(vnic);
		rte_vhost_driver_unregister(vnic->path);
	}
	vnic->registered = false;
}

void
airlock_vnic_destroy(struct airlock_vnic *vnic)
{
	if (vnic == NULL)
		return;
	airlock_vnic_stop(vnic);
	pthread_mutex_lock(&vnics_lock);
	TAILQ_REMOVE(&vnics, vnic, next);
	pthread_mutex_unlock(&vnics_lock);
	vnic_rings_destroy(vnic);
	vnic_guard_close(vnic);
	free(vnic);
}

void
airlock_vnic_poll(struct airlock_vnic *vnic)
{
	vnic_guard_tell(vnic);
	vnic_rings_poll(vnic);
}

uint64_t
airlock_vnic_features(const struct airlock_vnic *vnic)
{
	return atomic_load_explicit(&vnic->features, memory_order_relaxed);
}
