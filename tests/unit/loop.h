/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef LOOP_H
#define LOOP_H

/**
 * @file
 * A pipeline in a loop: its wire is a pair of rings, its VMs are net_virtio_user ports of this
 * process, so that a test sees both ends of every packet.
 *
 * A test opens a loop, writes down what it expects as it sends, and ends with loop_check(), which
 * waits for that, stops the pipeline and holds every counter against it: what is not expected is 0.
 *
 *     loop_open(&(struct loop_conf){.nb_vms = 2});
 *     loop_inject(0, &packet);
 *     loop.vms[0].want = 1;
 *     return loop_check();
 *
 * Thread rule: main thread, which is no lcore of the pipeline; a VM's rings may be lent to another.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "airlock_pipeline.h"
#include "loop_packet.h"
#include "test.h"

#define LOOP_MAX_VMS	 4
#define LOOP_MAX_LCORES	 3
#define LOOP_MAX_QUEUES	 4
#define LOOP_SINK_SIZE	 8192
#define LOOP_DEADLINE_MS 10000
/** Name of a VM, with its number behind it. */
#define LOOP_VM "net_virtio_user_loop"
/** A VM's ring holds this many packets unless its conf says otherwise. */
#define LOOP_RING_SIZE 256

/** A VM, as airlock and as its virtio driver sees it; what is 0 is the default. */
struct loop_vm_conf {
	uint16_t vlan_id;
	uint16_t nb_queues; /**< default 1 */
	uint16_t ring_size; /**< default LOOP_RING_SIZE */
	uint16_t mtu; /**< of the guest; default that of the loop */
	bool same_mac; /**< that of VM 0 */
	bool spoofs; /**< antispoof off */
	struct airlock_limits limits;
	bool client; /**< airlock connects; the guest listens */
	bool packed;
	bool no_mergeable;
	bool in_order;
	enum airlock_deliver deliver; /**< other than COPY: airlock serves the RX rings */
	bool window; /**< the guest opens its window, and receives into it */
	uint32_t quota_pages;
	bool absent; /**< not plugged by loop_open() */
	uint64_t rx_offloads; /**< that the guest asks for */
	uint64_t tx_offloads;
};

struct loop_conf {
	uint16_t nb_lcores; /**< of the pipeline; default 1 */
	uint16_t nb_rxq; /**< of the wire; default 1 */
	uint16_t nb_txq; /**< that the wire has; default nb_lcores */
	uint16_t tx_ring_size; /**< of the wire; default 4096 */
	uint16_t mtu; /**< default 1500 */
	uint32_t storm_pps; /**< of the uplink */
	bool no_uplink;
	uint32_t copy_below; /**< as airlock_pipeline_conf has it */
	uint16_t nb_desc; /**< of the wire, for the shares of quotas; default 1024 */
	uint32_t nb_frames; /**< of the pool, one of them the header's; default 8192 pages */
	struct airlock_idle idle; /**< of the lcores; default: they poll */
	const struct airlock_pipeline_share *shares;
	uint16_t nb_shares;
	uint16_t nb_vms;
	struct loop_vm_conf vms[LOOP_MAX_VMS];
};

/** Packets that arrived somewhere, in order, by queue. */
struct loop_sink {
	struct rte_mbuf *mbufs[LOOP_SINK_SIZE];
	uint16_t queue_ids[LOOP_SINK_SIZE];
	uint32_t n;
	uint64_t total; /**< also those that loop_forget() has freed */
	uint64_t bytes;
};

struct airlock_window;

struct loop_vm {
	struct loop_vm_conf conf;
	struct airlock_window *window;
	struct rte_mempool *rx_pool; /**< over the window */
	struct rte_ether_addr mac;
	char path[64];
	char device[32];
	int vm_id; /**< of the pipeline; negative: not in it */
	bool plugged;
	bool deaf; /**< does not receive; set by a test */
	uint16_t port_id;
	struct loop_sink sink;
	uint64_t sent;
	uint64_t want; /**< packets that shall arrive here */
	uint64_t rx_drops[AIRLOCK_DROP_MAX]; /**< expected of packets for the VM */
	uint64_t tx_drops[AIRLOCK_DROP_MAX]; /**< expected of packets from the VM */
};

struct loop {
	struct loop_conf conf;
	char pool_path[64];
	struct airlock_pool *pool;
	struct airlock_pipeline *pipeline;
	struct rte_mempool *guest_mbufs;
	struct rte_ring *rx_rings[LOOP_MAX_QUEUES];
	struct rte_ring *tx_rings[LOOP_MAX_QUEUES];
	bool has_port;
	bool running;
	uint16_t port_id;
	struct loop_vm vms[LOOP_MAX_VMS];
	struct loop_sink wire;
	uint64_t injected;
	bool wire_is_stuck; /**< nobody takes what is sent; set by a test */
	uint64_t wire_want;
	uint64_t rx_drops[AIRLOCK_DROP_MAX]; /**< expected of packets from the wire */
	uint64_t tx_drops[AIRLOCK_DROP_MAX]; /**< expected of packets for the wire */
};

extern struct loop loop;

/** Set up and start; VMs are plugged and up. @return TEST_SUCCESS, TEST_FAILED, TEST_SKIPPED */
int loop_open(const struct loop_conf *conf);

/** A teardown: take apart what there is. */
void loop_close(void);

/** Put VM *idx* into the pipeline. */
int loop_add_vm(unsigned int idx);

/** Plug the guest's port and wait until airlock says that the VM is up. */
int loop_plug(unsigned int idx);

/** Unplug the guest's port; airlock notices by itself. */
int loop_unplug(unsigned int idx);

/** Wait for the pipeline to say that VM *idx* is up or down. */
int loop_wait_up(unsigned int idx, bool up);

/** Take what has arrived at guests and wire. @return packets */
unsigned int loop_poll(void);

/** Free what has arrived up to now; it stays counted. */
void loop_forget(struct loop_sink *sink);

/** Put a packet on the wire. @return 0 */
int loop_inject(uint16_t queue_id, const struct loop_packet *packet);

/** Put *len* bytes on the wire. @return 0 */
int loop_inject_raw(uint16_t queue_id, const void *bytes, uint16_t len);

/** A packet, or raw bytes, from a guest, with nothing asked for. @return 0 */
int loop_send(unsigned int idx, uint16_t queue_id, const struct loop_packet *packet);
int loop_send_raw(unsigned int idx, const void *bytes, uint16_t len);

/** Send mbufs from a guest; consumes them. @return 0 */
int loop_send_mbufs(unsigned int idx, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n);

/** Wait until as much has arrived as is wanted. Packets lie in the sinks then. */
int loop_wait(void);

/** Wait, stop, and hold all counters against what was expected. What has arrived is freed. */
int loop_check(void);

/** Statistics of a VM. */
struct airlock_pipeline_vm_stats loop_vm_stats(unsigned int idx);

/** Statistics of the uplink. */
struct airlock_pipeline_uplink_stats loop_uplink_stats(void);

/** Poll until *condition* or the deadline; evaluates to the condition's last value. */
#define LOOP_UNTIL(condition) \
	({ \
		const uint64_t end_tsc_ = loop_deadline_tsc(); \
		bool true_; \
\
		while (!(true_ = (condition)) && !loop_is_past(end_tsc_)) \
			loop_poll(); \
		true_; \
	})

uint64_t loop_deadline_tsc(void);

/** Whether it is too late; gives way to those who share the CPU. */
bool loop_is_past(uint64_t tsc);

#endif /* LOOP_H */
