/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What an lcore is woken by while it sleeps (idle.c): an epoll instance for each, with an eventfd
 * for other threads, the interrupts of its uplink queues, and the kicks of its VMs' TX rings, which
 * come and go with the VMs.
 *
 * Everything is watched edge-triggered, so that no descriptor has to be read, and an lcore never
 * touches one that control may be about to close.
 *
 * Thread rule: control threads; idle_kick() in rte_vhost's thread, too.
 */

#include <errno.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <rte_cpuflags.h>

#include "pipeline_log.h"
#include "pipeline_priv.h"

static int
watch(struct lcore *lc, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	return epoll_ctl(lc->idle.epfd, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST ? -errno
											  : 0;
}

static bool
cpu_has_power_pause(void)
{
	struct rte_cpu_intrinsics intrinsics;

	rte_cpu_get_intrinsics_support(&intrinsics);
	return intrinsics.power_pause;
}

int
idle_create(struct lcore *lc, const struct airlock_idle *conf)
{
	const uint64_t hz = rte_get_tsc_hz();
	struct idle *idle = &lc->idle;

	idle->epfd = -1;
	idle->eventfd = -1;
	if (!conf->adaptive)
		return 0;
	idle->pause_tsc = conf->pause_us * hz / US_PER_S;
	idle->sleep_tsc = conf->sleep_us * hz / US_PER_S;
	idle->wait_tsc = conf->wait_us * hz / US_PER_S;
	idle->has_power_pause = cpu_has_power_pause();
	idle->epfd = epoll_create1(EPOLL_CLOEXEC);
	idle->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (idle->epfd < 0 || idle->eventfd < 0 || watch(lc, idle->eventfd) < 0)
		return -errno;
	idle->adaptive = true;
	return 0;
}

void
idle_destroy(struct lcore *lc)
{
	if (lc->idle.epfd >= 0)
		close(lc->idle.epfd);
	if (lc->idle.eventfd >= 0)
		close(lc->idle.eventfd);
}

void
idle_watch_port(struct airlock_pipeline *pl, struct port *port)
{
	for (uint16_t q = 0; q < port->uplink->nb_rxq; q++) {
		struct lcore *lc = pl->lcores[port->rx_lcore[q]];
		int fd;

		if (!lc->idle.adaptive)
			continue;
		fd = airlock_uplink_interrupt_fd(port->uplink, q);
		airlock_uplink_set_interrupt(port->uplink, q, fd >= 0 && watch(lc, fd) == 0);
		if ((port->uplink->interrupt_mask & RTE_BIT32(q)) == 0)
			PIPELINE_LOG(INFO,
				"uplink %u queue %u: no interrupts, idle lcore %u takes naps\n",
				port->uplink->port_id, q, lc->lcore_id);
	}
}

int
idle_kick(struct airlock_vnic *vnic, uint16_t queue_id, int fd, bool on, void *arg)
{
	const struct vm *vm = arg;
	struct lcore *lc = vm->pipeline->lcores[vm->tx_lcore[queue_id]];
	int ret = 0;

	if (fd >= 0 && on)
		ret = watch(lc, fd);
	else if (fd >= 0)
		epoll_ctl(lc->idle.epfd, EPOLL_CTL_DEL, fd, NULL);
	lcore_wake(lc);
	return ret;
}
