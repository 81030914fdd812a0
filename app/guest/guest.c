/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The program's window: opened when the first queue is set up, which is after the EAL's start and
 * after most programs' mlockall(); never closed, as nobody says when the program has done with it.
 *
 * A window is one VM's, and a VM has one NIC. So one port receives into it. The guard against
 * transmitting from the window is on every port, since a program may forward to any.
 *
 * Queue i receives into partition i. A queue that has none keeps the program's own mempool, and
 * airlockd copies what is for it.
 *
 * Thread rule: all under *lock*.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include "guest.h"
#include "settings.h"

#define DRIVER_IN_PROCESS "net_virtio_user"
#define DRIVER_IN_VM	  "net_virtio"

RTE_LOG_REGISTER(guest_logtype, airlock.guest, INFO);
#define GUEST_LOG(level, ...) rte_log(RTE_LOG_##level, guest_logtype, "guest: " __VA_ARGS__)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings settings;
static struct airlock_window *window;
static struct guest_queues queues = {.port_id = -1};
/* By port and queue, so that a queue that is set up again gets its old guard. */
static struct airlock_window_tx *guards[RTE_MAX_ETHPORTS][RTE_MAX_QUEUES_PER_PORT];

/* Under the lock. @return 1 if there is a window, 0 if none is wanted, -errno */
static int
use_window(void)
{
	static bool was_read;
	const char *wrong;

	if (!was_read) {
		wrong = settings_read(&settings);
		if (wrong != NULL) {
			GUEST_LOG(ERR, "%s: makes no sense: %s\n", wrong, getenv(wrong));
			return -EINVAL;
		}
		was_read = true;
	}
	if (!settings.enabled)
		return 0;
	if (window != NULL)
		return 1;
	window = settings.in_vm
		? airlock_window_open_pci(settings.where)
		: airlock_window_open_process(settings.where, settings.pool, settings.wait_ms);
	if (window == NULL) {
		GUEST_LOG(ERR, "%s: no window: %s\n", getenv("AIRLOCK_WINDOW"),
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	report_start();
	return 1;
}

static bool
has_driver(uint16_t port_id)
{
	struct rte_eth_dev_info info;

	return rte_eth_dev_info_get(port_id, &info) == 0 && info.driver_name != NULL &&
		strcmp(info.driver_name, settings.in_vm ? DRIVER_IN_VM : DRIVER_IN_PROCESS) == 0;
}

/* @return 1 if the port receives into the window, 0 if not, -errno */
static int
choose_port(uint16_t port_id)
{
	if (queues.port_id >= 0)
		return queues.port_id == port_id;
	if (settings.port_id >= 0 && settings.port_id != port_id)
		return 0;
	if (!has_driver(port_id)) {
		if (settings.port_id < 0)
			return 0;
		GUEST_LOG(ERR, "AIRLOCK_PORT: port %u is none of %s\n", port_id,
			settings.in_vm ? DRIVER_IN_VM : DRIVER_IN_PROCESS);
		return -ENODEV;
	}
	queues.port_id = port_id;
	GUEST_LOG(INFO, "port %u receives into the window\n", port_id);
	return 1;
}

static uint16_t
default_ring_size(uint16_t port_id)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port_id, &info) == 0 && info.default_rxportconf.ring_size != 0)
		return info.default_rxportconf.ring_size;
	return RTE_ETH_DEV_FALLBACK_RX_RINGSIZE;
}

static struct rte_mempool *
create_rx_pool(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id,
	struct rte_mempool *theirs)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct airlock_window_rx_pool_conf conf = {
		.name = name,
		.queue_id = queue_id,
		.nb_desc = nb_desc != 0 ? nb_desc : default_ring_size(port_id),
		.nb_private = settings.nb_private,
		.nb_posted_private = settings.nb_posted_private,
		.priv_size = rte_pktmbuf_priv_size(theirs),
		.socket_id = (int)socket_id,
	};
	struct airlock_window_rx_pool_stats stats;
	struct rte_mempool *pool;

	snprintf(name, sizeof(name), "airlock_rx_%u_%u", port_id, queue_id);
	pool = airlock_window_rx_pool_create(window, &conf);
	if (pool == NULL) {
		GUEST_LOG(ERR, "port %u, RX queue %u: no mempool: %s\n", port_id, queue_id,
			rte_strerror(rte_errno));
		return NULL;
	}
	airlock_window_rx_pool_stats(pool, &stats);
	GUEST_LOG(INFO, "port %u, RX queue %u: %u frames and %u private buffers for a ring of %u\n",
		port_id, queue_id, stats.nb_frames, stats.nb_private, conf.nb_desc);
	if (rte_pktmbuf_data_room_size(theirs) > rte_pktmbuf_data_room_size(pool))
		GUEST_LOG(WARNING,
			"port %u, RX queue %u: frames of %u bytes are smaller than the program's "
			"mbufs\n",
			port_id, queue_id, rte_pktmbuf_data_room_size(pool));
	return pool;
}

/* A pool whose mbufs are all back makes room for one that fits the new ring. */
static struct rte_mempool *
rx_pool(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id,
	struct rte_mempool *theirs)
{
	struct rte_mempool *pool = queues.rx_pools[queue_id];

	if (pool != NULL && !rte_mempool_full(pool))
		return pool;
	rte_mempool_free(pool);
	queues.rx_pools[queue_id] = create_rx_pool(port_id, queue_id, nb_desc, socket_id, theirs);
	return queues.rx_pools[queue_id];
}

int
guest_rx_queue(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id,
	struct rte_mempool **pool)
{
	struct rte_mempool *ours;
	int ret;

	pthread_mutex_lock(&lock);
	ret = use_window();
	if (ret > 0)
		ret = choose_port(port_id);
	if (ret <= 0)
		goto unlock;
	ret = 0;
	if (*pool == NULL || queue_id >= airlock_window_layout(window)->nb_partitions) {
		GUEST_LOG(NOTICE, "port %u, RX queue %u: %s, so all is copied for it\n", port_id,
			queue_id,
			*pool == NULL ? "has no mempool or several"
				      : "airlockd has no partition for it");
		goto unlock;
	}
	ours = rx_pool(port_id, queue_id, nb_desc, socket_id, *pool);
	if (ours == NULL)
		ret = -rte_errno;
	else
		*pool = ours;

unlock:
	pthread_mutex_unlock(&lock);
	return ret;
}

static struct airlock_window_tx *
tx_guard(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id)
{
	struct airlock_window_tx **guard = &guards[port_id][queue_id];
	struct airlock_window_tx **all;

	if (*guard != NULL)
		return *guard;
	all = realloc(queues.tx, (queues.nb_tx + 1) * sizeof(*all));
	if (all == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	queues.tx = all;
	*guard = airlock_window_tx_create(window, port_id, queue_id,
		nb_desc != 0 ? nb_desc : RTE_ETH_DEV_FALLBACK_TX_RINGSIZE, (int)socket_id);
	if (*guard != NULL)
		queues.tx[queues.nb_tx++] = *guard;
	return *guard;
}

int
guest_tx_queue(uint16_t port_id, uint16_t queue_id, uint16_t nb_desc, unsigned int socket_id)
{
	struct airlock_window_tx *tx;
	int ret;

	pthread_mutex_lock(&lock);
	ret = use_window();
	if (ret <= 0)
		goto unlock;
	tx = tx_guard(port_id, queue_id, nb_desc, socket_id);
	ret = tx != NULL ? airlock_window_tx_attach(tx) : -rte_errno;
	if (ret < 0)
		GUEST_LOG(ERR, "port %u, TX queue %u: no guard: %s\n", port_id, queue_id,
			rte_strerror(-ret));

unlock:
	pthread_mutex_unlock(&lock);
	return ret;
}

const struct guest_queues *
guest_queues_get(void)
{
	pthread_mutex_lock(&lock);
	return &queues;
}

void
guest_queues_put(void)
{
	pthread_mutex_unlock(&lock);
}
