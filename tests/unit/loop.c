/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A loop's life: pool, wire, pipeline, VMs, and back. Guests are in loop_guest.c, traffic and the
 * final check in loop_traffic.c.
 *
 * Everything runs in one process without hugepages: the wire is a net_ring port on rings that the
 * test fills and empties; a guest is a net_virtio_user port, the other end of airlock's vhost-user
 * socket. Guests use mbufs of their own; what goes onto the wire is in frames of the pool, as a
 * card's would be.
 *
 * Thread rule: main thread.
 */

#include <signal.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_ring.h>

#include "loop.h"

#define WIRE_RING_SIZE 4096
#define NB_GUEST_MBUFS 16383
#define NB_PAGES       8192

struct loop loop;

static int
open_pool(void)
{
	struct airlock_pool_conf conf = {
		.name = "loop",
		.nb_pages = NB_PAGES,
		.frame_pages = airlock_uplink_frame_pages(loop.conf.mtu),
		.socket_id = SOCKET_ID_ANY,
		.header = loop.conf.nb_frames != 0,
	};
	const char *path = loop.pool_path;

	snprintf(loop.pool_path, sizeof(loop.pool_path), "/dev/shm/airlock-test-%d-loop", getpid());
	conf.path = path;
	if (loop.conf.nb_frames != 0)
		/* The last frame has the header, and is cut short where it can be. */
		conf.nb_pages = loop.conf.nb_frames * conf.frame_pages - (conf.frame_pages > 1);
	loop.pool = airlock_pool_create(&conf);
	TEST_ASSERT_NOT_NULL(loop.pool, "%s: %s", path, rte_strerror(rte_errno));
	loop.guest_mbufs = rte_pktmbuf_pool_create(
		"loop_guest", NB_GUEST_MBUFS, 256, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	TEST_ASSERT_NOT_NULL(loop.guest_mbufs, "%s", rte_strerror(rte_errno));
	return TEST_SUCCESS;
}

static int
open_rings(const char *name, struct rte_ring **rings, uint16_t n, uint16_t size)
{
	char ring_name[RTE_RING_NAMESIZE];

	for (uint16_t q = 0; q < n; q++) {
		snprintf(ring_name, sizeof(ring_name), "loop_%s_%u", name, q);
		rings[q] = rte_ring_create(
			ring_name, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		TEST_ASSERT_NOT_NULL(rings[q], "%s: %s", ring_name, rte_strerror(rte_errno));
	}
	return TEST_SUCCESS;
}

static int
open_wire(void)
{
	const struct loop_conf *conf = &loop.conf;
	int port_id;

	TEST_ASSERT_SUCCESS(
		open_rings("rx", loop.rx_rings, conf->nb_rxq, WIRE_RING_SIZE), "from the wire");
	TEST_ASSERT_SUCCESS(
		open_rings("tx", loop.tx_rings, conf->nb_txq, conf->tx_ring_size), "to the wire");
	port_id = rte_eth_from_rings(
		"loop", loop.rx_rings, conf->nb_rxq, loop.tx_rings, conf->nb_txq, 0);
	TEST_ASSERT(port_id >= 0, "net_ring: %s", rte_strerror(rte_errno));
	loop.port_id = port_id;
	loop.has_port = true;
	return TEST_SUCCESS;
}

/* The nth worker lcore, those on other CPUs than the main lcore's first. */
static unsigned int
worker(unsigned int n)
{
	const rte_cpuset_t main_cpus = rte_lcore_cpuset(rte_get_main_lcore());
	unsigned int lcore_id;

	for (int same = 0; same < 2; same++) {
		RTE_LCORE_FOREACH_WORKER (lcore_id) {
			rte_cpuset_t cpus = rte_lcore_cpuset(lcore_id);

			if ((CPU_EQUAL(&cpus, &main_cpus) != 0) == (same != 0) && n-- == 0)
				return lcore_id;
		}
	}
	return RTE_MAX_LCORE;
}

static int
open_pipeline(void)
{
	unsigned int lcore_ids[LOOP_MAX_LCORES];
	/* Made up: what is decided by cost is tested elsewhere. */
	static const struct airlock_cost cost = {
		.map_ns = {300, 400, 600, 1000, 1800, 3400, 6600},
		.unmap_ns = {900, 1000, 1200, 1600, 2400, 4000, 7200},
		.copy_warm_ns = {20, 30, 80, 200, 450, 800},
		.copy_cold_ns = {40, 60, 160, 400, 900, 1600},
		.scrub_byte_ns = 0.03,
	};
	struct airlock_pipeline_conf conf = {
		.pool = loop.pool,
		.lcore_ids = lcore_ids,
		.nb_lcores = loop.conf.nb_lcores,
		.retries = 4,
		.copy_below = loop.conf.copy_below,
		.cost = &cost,
		.idle = loop.conf.idle,
	};
	struct airlock_pipeline_uplink uplink = {
		.port_id = loop.port_id,
		.nb_queues = loop.conf.nb_rxq,
		.nb_desc = loop.conf.nb_desc,
		.mtu = loop.conf.mtu,
		.storm_pps = loop.conf.storm_pps,
	};

	for (unsigned int i = 0; i < loop.conf.nb_lcores; i++)
		lcore_ids[i] = worker(i);
	loop.pipeline = airlock_pipeline_create(&conf);
	TEST_ASSERT_NOT_NULL(loop.pipeline, "%s", rte_strerror(rte_errno));
	if (loop.has_port)
		TEST_ASSERT_SUCCESS(
			airlock_pipeline_add_uplink(loop.pipeline, &uplink), "the first uplink");
	for (unsigned int i = 0; i < loop.conf.nb_shares; i++)
		TEST_ASSERT_SUCCESS(
			airlock_pipeline_share(loop.pipeline, &loop.conf.shares[i]), "share %u", i);
	return TEST_SUCCESS;
}

static void
fill_defaults(void)
{
	struct loop_conf *conf = &loop.conf;

	if (conf->nb_lcores == 0)
		conf->nb_lcores = 1;
	if (conf->nb_rxq == 0)
		conf->nb_rxq = 1;
	if (conf->nb_txq == 0)
		conf->nb_txq = conf->nb_lcores;
	if (conf->tx_ring_size == 0)
		conf->tx_ring_size = WIRE_RING_SIZE;
	if (conf->mtu == 0)
		conf->mtu = RTE_ETHER_MTU;
	if (conf->nb_desc == 0)
		conf->nb_desc = 1024;
	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++) {
		struct loop_vm *vm = &loop.vms[i];

		vm->conf = conf->vms[i];
		vm->vm_id = -1;
		vm->mac = (struct rte_ether_addr){
			.addr_bytes = {0x52, 0x54, 0, 0, 0, vm->conf.same_mac ? 0x10 : 0x10 + i},
		};
		if (vm->conf.nb_queues == 0)
			vm->conf.nb_queues = 1;
		if (vm->conf.ring_size == 0)
			vm->conf.ring_size = LOOP_RING_SIZE;
		if (vm->conf.mtu == 0)
			vm->conf.mtu = conf->mtu;
		snprintf(vm->path, sizeof(vm->path), "/tmp/at%d-vm%u", getpid(), i);
		snprintf(vm->device, sizeof(vm->device), LOOP_VM "%u", i);
	}
}

int
loop_open(const struct loop_conf *conf)
{
	if (rte_lcore_count() <= conf->nb_lcores) {
		printf("    needs %u worker lcores\n", conf->nb_lcores);
		return TEST_SKIPPED;
	}
	/* rte_vhost and virtio-user tell every message. */
	rte_log_set_level_regexp("lib.vhost.config", RTE_LOG_WARNING);
	rte_log_set_level_regexp("airlock.*", RTE_LOG_WARNING);
	/* A virtio-user port writes into its socket even after airlock has closed it. */
	signal(SIGPIPE, SIG_IGN);
	memset(&loop, 0, sizeof(loop));
	loop.conf = *conf;
	fill_defaults();
	TEST_ASSERT_SUCCESS(open_pool(), "pool");
	if (!conf->no_uplink)
		TEST_ASSERT_SUCCESS(open_wire(), "wire");
	TEST_ASSERT_SUCCESS(open_pipeline(), "pipeline");
	for (unsigned int i = 0; i < conf->nb_vms; i++)
		TEST_ASSERT_SUCCESS(loop_add_vm(i), "VM %u", i);
	TEST_ASSERT_SUCCESS(airlock_pipeline_start(loop.pipeline), "start");
	loop.running = true;
	for (unsigned int i = 0; i < conf->nb_vms; i++) {
		if (!loop.vms[i].conf.absent)
			TEST_ASSERT_SUCCESS(loop_plug(i), "VM %u", i);
	}
	return TEST_SUCCESS;
}

static void
close_rings(struct rte_ring **rings)
{
	struct rte_mbuf *m;

	for (unsigned int q = 0; q < LOOP_MAX_QUEUES; q++) {
		while (rings[q] != NULL && rte_ring_dequeue(rings[q], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(rings[q]);
		rings[q] = NULL;
	}
}

void
loop_close(void)
{
	if (loop.running)
		airlock_pipeline_stop(loop.pipeline);
	loop.running = false;
	for (unsigned int i = 0; i < LOOP_MAX_VMS; i++) {
		loop_forget(&loop.vms[i].sink);
		/*
		 * Airlock hangs up first: rte_vhost of DPDK 22.11 may go on connecting to a socket
		 * that is unregistered at the moment the other side closes it.
		 */
		if (loop.vms[i].conf.client && loop.vms[i].vm_id >= 0)
			airlock_pipeline_del_vm(loop.pipeline, loop.vms[i].vm_id);
		if (loop.vms[i].plugged)
			loop_unplug(i);
	}
	loop_forget(&loop.wire);
	airlock_pipeline_destroy(loop.pipeline);
	loop.pipeline = NULL;
	if (loop.has_port)
		rte_eal_hotplug_remove("vdev", "net_ring_loop");
	loop.has_port = false;
	close_rings(loop.rx_rings);
	close_rings(loop.tx_rings);
	rte_mempool_free(loop.guest_mbufs);
	loop.guest_mbufs = NULL;
	if (loop.pool != NULL)
		airlock_dmatable_forget(loop.pool);
	airlock_pool_destroy(loop.pool, false);
	loop.pool = NULL;
}
