/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The VMs of a loop: an entry in the pipeline, and a net_virtio_user port that plays the guest.
 *
 * A VM is there for airlock in two steps: the device, and its rings one by one. The pipeline's
 * statistics tell the first alone, so this file looks into the pipeline for the second.
 *
 * Thread rule: main thread.
 */

#include <inttypes.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include <airlock_window.h>

#include "loop.h"
#include "pipeline_priv.h"
#include "vhost_wake.h"

/* Longest packet that one mbuf of a guest holds. */
#define ONE_MBUF_BYTES	   2048
#define WINDOW_DEADLINE_MS 5000

int
loop_add_vm(unsigned int idx)
{
	struct loop_vm *vm = &loop.vms[idx];
	char window[sizeof(vm->path) + sizeof(".window")];
	struct airlock_pipeline_vm conf = {
		.name = vm->device,
		.socket = vm->path,
		.server = !vm->conf.client,
		.nb_queues = vm->conf.nb_queues,
		.net =
			{
				.mac = vm->mac,
				.vlan_id = vm->conf.vlan_id,
				.antispoof = !vm->conf.spoofs,
			},
		.deliver = vm->conf.deliver,
		.window = window,
		.quota_pages = vm->conf.quota_pages,
		.limits = vm->conf.limits,
	};

	snprintf(window, sizeof(window), "%s.window", vm->path);
	vm->vm_id = airlock_pipeline_add_vm(loop.pipeline, &conf);
	TEST_ASSERT(vm->vm_id >= 0, "%s: %s", vm->path, rte_strerror(-vm->vm_id));
	return TEST_SUCCESS;
}

/*
 * A virtio-user port tells the back end of all memory that the EAL knows, and DPDK 22.11 gives up
 * at what has no file descriptor of the EAL's, as the pool. A guest has no business with the pool
 * anyway, so it is out of the EAL's sight for that moment; only DMA maps would miss it.
 */
static int
show_pool(bool show)
{
	const struct airlock_page_table *table = airlock_pool_table(loop.pool);
	size_t nb_pages = table->bytes >> AIRLOCK_PAGE_SHIFT;
	void *base = (void *)table->base;
	rte_iova_t *iovas;
	int ret;

	if (!show)
		return rte_extmem_unregister(base, nb_pages << AIRLOCK_PAGE_SHIFT);
	iovas = calloc(nb_pages, sizeof(*iovas));
	for (size_t i = 0; iovas != NULL && i < nb_pages; i++)
		iovas[i] = table->base + (i << AIRLOCK_PAGE_SHIFT);
	ret = rte_extmem_register(
		base, nb_pages << AIRLOCK_PAGE_SHIFT, iovas, nb_pages, AIRLOCK_PAGE_SIZE);
	free(iovas);
	return ret;
}

static int
start_port(const struct loop_vm *vm)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {
		.rxmode.offloads = vm->conf.rx_offloads,
		.txmode.offloads = vm->conf.tx_offloads | RTE_ETH_TX_OFFLOAD_MULTI_SEGS,
	};

	/* net_virtio takes longer packets than it says, where they fit a buffer. */
	TEST_ASSERT_SUCCESS(rte_eth_dev_info_get(vm->port_id, &info), "%s", vm->device);
	conf.rxmode.mtu = RTE_MIN(vm->conf.mtu, info.max_mtu);
	if (vm->window == NULL && vm->conf.mtu + RTE_ETHER_HDR_LEN > ONE_MBUF_BYTES)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	TEST_ASSERT_SUCCESS(
		rte_eth_dev_configure(vm->port_id, vm->conf.nb_queues, vm->conf.nb_queues, &conf),
		"%s", vm->device);
	for (uint16_t q = 0; q < vm->conf.nb_queues; q++) {
		TEST_ASSERT_SUCCESS(
			rte_eth_rx_queue_setup(vm->port_id, q, vm->conf.ring_size, 0, NULL,
				vm->window != NULL ? vm->rx_pool : loop.guest_mbufs),
			"%s RX queue %u", vm->device, q);
		TEST_ASSERT_SUCCESS(
			rte_eth_tx_queue_setup(vm->port_id, q, vm->conf.ring_size, 0, NULL),
			"%s TX queue %u", vm->device, q);
	}
	TEST_ASSERT_SUCCESS(rte_eth_dev_start(vm->port_id), "%s", vm->device);
	return TEST_SUCCESS;
}

/*
 * Of a guest that is a process, as all are here. When the guest has it, airlock's lcores may not
 * know of it yet; and when they are told, the VM's rings are taken from them for a moment.
 */
static int
open_window(unsigned int idx)
{
	struct loop_vm *vm = &loop.vms[idx];
	struct airlock_window_rx_pool_conf conf = {
		.name = vm->device,
		.nb_desc = vm->conf.ring_size,
		.socket_id = SOCKET_ID_ANY,
	};
	char path[sizeof(vm->path) + sizeof(".window")];

	snprintf(path, sizeof(path), "%s.window", vm->path);
	vm->window = airlock_window_open_process(path, loop.pool_path, WINDOW_DEADLINE_MS);
	TEST_ASSERT_NOT_NULL(vm->window, "%s: %s", path, rte_strerror(rte_errno));
	vm->rx_pool = airlock_window_rx_pool_create(vm->window, &conf);
	TEST_ASSERT_NOT_NULL(vm->rx_pool, "%s: %s", path, rte_strerror(rte_errno));
	TEST_ASSERT(LOOP_UNTIL(loop_vm_stats(idx).window.up), "%s is not up", path);
	return TEST_SUCCESS;
}

static void
close_window(struct loop_vm *vm)
{
	rte_mempool_free(vm->rx_pool);
	airlock_window_close(vm->window);
	vm->rx_pool = NULL;
	vm->window = NULL;
}

static int
plug_port(struct loop_vm *vm)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE], args[256];

	rte_ether_format_addr(mac, sizeof(mac), &vm->mac);
	snprintf(args, sizeof(args),
		"path=%s,mac=%s,queues=%u,queue_size=%u,cq=%d,packed_vq=%d,mrg_rxbuf=%d,"
		"in_order=%d,server=%d",
		vm->path, mac, vm->conf.nb_queues, vm->conf.ring_size, vm->conf.nb_queues > 1,
		vm->conf.packed, !vm->conf.no_mergeable, vm->conf.in_order, vm->conf.client);
	TEST_ASSERT_SUCCESS(rte_eal_hotplug_add("vdev", vm->device, args), "%s", args);
	vm->plugged = true;
	TEST_ASSERT_SUCCESS(
		rte_eth_dev_get_port_by_name(vm->device, &vm->port_id), "%s", vm->device);
	TEST_ASSERT_SUCCESS(start_port(vm), "%s", args);
	return TEST_SUCCESS;
}

int
loop_plug(unsigned int idx)
{
	int ret;

	TEST_ASSERT_SUCCESS(vhost_wake(), "rte_vhost does not listen");
	if (loop.vms[idx].conf.window)
		TEST_ASSERT_SUCCESS(open_window(idx), "window of VM %u", idx);
	TEST_ASSERT_SUCCESS(show_pool(false), "%s", rte_strerror(rte_errno));
	ret = plug_port(&loop.vms[idx]);
	TEST_ASSERT_SUCCESS(show_pool(true), "%s", rte_strerror(rte_errno));
	TEST_ASSERT_SUCCESS(ret, "VM %u", idx);
	return loop_wait_up(idx, true);
}

int
loop_unplug(unsigned int idx)
{
	struct loop_vm *vm = &loop.vms[idx];

	vm->plugged = false;
	rte_eth_dev_stop(vm->port_id);
	TEST_ASSERT_SUCCESS(rte_eal_hotplug_remove("vdev", vm->device), "%s", vm->device);
	close_window(vm);
	return TEST_SUCCESS;
}

static bool
is_up(const struct loop_vm *vm)
{
	const struct airlock_vnic *vnic = vm_get(loop.pipeline, vm->vm_id)->vnic;
	uint32_t all = RTE_BIT32(vm->conf.nb_queues) - 1;

	return airlock_vnic_rx_mask(vnic) == all &&
		atomic_load_explicit(&vnic->tx_mask, memory_order_relaxed) == all;
}

int
loop_wait_up(unsigned int idx, bool up)
{
	const struct loop_vm *vm = &loop.vms[idx];
	bool so;

	so = LOOP_UNTIL(up ? is_up(vm) : !loop_vm_stats(idx).up);
	TEST_ASSERT(so, "%s is not %s", vm->device, up ? "up" : "down");
	return TEST_SUCCESS;
}

struct airlock_pipeline_vm_stats
loop_vm_stats(unsigned int idx)
{
	struct airlock_pipeline_vm_stats stats = {0};

	if (loop.vms[idx].vm_id >= 0)
		airlock_pipeline_vm_stats(loop.pipeline, loop.vms[idx].vm_id, &stats);
	return stats;
}
