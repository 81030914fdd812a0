/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Classification: whom a packet is for. It follows reception and precedes delivery; both sources,
 * uplink and VM, have their own rules for what may pass, and share the look-up.
 *
 * From an uplink: a tag is taken out and chooses the domain; unicast goes to the VM that has the
 * address in that domain, or is dropped. From a VM: the source address must be the VM's own and
 * there must be no tag (the VM's VLAN is not the VM's to choose); unicast goes to the VM of the
 * same domain that has the address, or else out to the uplink. The group bit floods.
 *
 * What does not pass is sorted out as it is found; the rest closes up in the caller's array, so
 * that the look-up gets one dense burst.
 *
 * Thread rule: the lcore that owns the source's queue.
 */

#include <rte_ether.h>
#include <rte_prefetch.h>

#include "mirror.h"
#include "pipeline_priv.h"

#define PREFETCH_AHEAD 4
#define MAC_MASK       (RTE_BIT64(48) - 1)

static void
prefetch_first(struct rte_mbuf *const *mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
}

/* Take out the tag of a tagged packet. Returns the VLAN, or -1 if the packet is cut short. */
static int
untag(struct rte_mbuf *m)
{
	if (m->data_len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
		return -1;
	rte_vlan_strip(m);
	return RTE_VLAN_TCI_ID(m->vlan_tci);
}

/* Why a packet from an uplink may not pass, or AIRLOCK_DROP_MAX; its domain if it may. */
static enum airlock_drop
check_from_uplink(const struct port *port, struct rte_mbuf *m, uint16_t *domain)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	int vlan_id = 0;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return AIRLOCK_DROP_RUNT;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)) {
		/* Some ports have no other way; see uplink_quirks.c. */
		vlan_id = RTE_VLAN_TCI_ID(m->vlan_tci);
	} else if (unlikely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))) {
		vlan_id = untag(m);
		if (vlan_id < 0)
			return AIRLOCK_DROP_RUNT;
	}
	if (unlikely(m->pkt_len > port->uplink->max_frame_bytes))
		return AIRLOCK_DROP_TOO_LONG;
	*domain = airlock_fdb_domain(port->id, vlan_id);
	return AIRLOCK_DROP_MAX;
}

static void
flood_from_uplink(struct lcore *lc, struct port *port, struct rte_mbuf *m, uint16_t domain)
{
	struct airlock_drops *drops = &port->blocks[lc->idx].rx_drops;

	if (!policer_passes(port->storm, 1)) {
		drop(lc, drops, AIRLOCK_DROP_STORM, &m, 1);
		return;
	}
	if (airlock_fdb_flood(lc->pipeline->fdb, domain) == NULL) {
		drop(lc, drops, AIRLOCK_DROP_NO_LISTENER, &m, 1);
		return;
	}
	flood(lc, m, domain, NULL, NULL);
}

/* Close up over packets without a VM. Returns how many are left. */
static uint16_t
drop_misses(struct lcore *lc, struct airlock_drops *drops, uint16_t *vm_ids,
	struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(vm_ids[i] == AIRLOCK_FDB_MISS)) {
			drop(lc, drops, AIRLOCK_DROP_UNKNOWN_MAC, &mbufs[i], 1);
			continue;
		}
		vm_ids[kept] = vm_ids[i];
		mbufs[kept++] = mbufs[i];
	}
	return kept;
}

void
classify_from_uplink(struct lcore *lc, struct port *port, struct rte_mbuf **mbufs, uint16_t n)
{
	struct port_block *block = &port->blocks[lc->idx];
	uint64_t keys[AIRLOCK_BURST], bytes = 0;
	uint16_t vm_ids[AIRLOCK_BURST], kept = 0;

	prefetch_first(mbufs, n);
	airlock_capture_burst(lc->handoff.tap, &port->uplink->point, AIRLOCK_IN, mbufs, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		enum airlock_drop reason;
		uint16_t domain;

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
		bytes += m->pkt_len;
		reason = check_from_uplink(port, m, &domain);
		if (unlikely(reason != AIRLOCK_DROP_MAX)) {
			drop(lc, &block->rx_drops, reason, &m, 1);
		} else if (unlikely((*rte_pktmbuf_mtod(m, const uint8_t *) &
					    RTE_ETHER_GROUP_ADDR) != 0)) {
			flood_from_uplink(lc, port, m, domain);
		} else {
			keys[kept] = airlock_fdb_key(rte_pktmbuf_mtod(m, const void *), domain);
			mbufs[kept++] = m;
		}
	}
	airlock_flow_count(&block->received, n, bytes);
	if (kept > 0) {
		airlock_fdb_lookup_burst(lc->pipeline->fdb, keys, kept, vm_ids);
		kept = drop_misses(lc, &block->rx_drops, vm_ids, mbufs, kept);
	}
	work_done(lc, AIRLOCK_WORK_CLASSIFY, n);
	if (kept == 0)
		return;
	deliver_burst(lc, vm_ids, mbufs, kept);
	work_done(lc, AIRLOCK_WORK_HANDOFF, kept);
}

/* Why a packet from a VM may not pass, or AIRLOCK_DROP_MAX. */
static enum airlock_drop
check_from_vm(const struct vm_net *net, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	uint64_t source;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return AIRLOCK_DROP_RUNT;
	memcpy(&source, &eth->src_addr, sizeof(source));
	if (unlikely((source & MAC_MASK) != net->mac_word && net->antispoof))
		return AIRLOCK_DROP_SPOOFED;
	if (unlikely(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
		    eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ)))
		return AIRLOCK_DROP_VLAN;
	if (unlikely(airlock_offload_accept(m) < 0))
		return AIRLOCK_DROP_BAD_OFFLOAD;
	return AIRLOCK_DROP_MAX;
}

static void
flood_from_vm(struct lcore *lc, struct vm *vm, const struct vm_net *net, struct rte_mbuf *m)
{
	const struct airlock_fdb_group *group;
	struct airlock_drops *drops = &vm->blocks[lc->idx].tx_drops;

	if (!policer_passes(policer_of(vm, LIMIT_STORM), 1)) {
		drop(lc, drops, AIRLOCK_DROP_STORM, &m, 1);
		return;
	}
	group = airlock_fdb_flood(lc->pipeline->fdb, net->domain);
	if (net->uplink_id >= lc->pipeline->nb_ports && (group == NULL || group->nb_vms < 2)) {
		drop(lc, drops, AIRLOCK_DROP_NO_LISTENER, &m, 1);
		return;
	}
	mirror_burst(lc, vm, MIRROR_TX, &m, 1);
	flood(lc, m, net->domain, vm, net);
}

/* Sort what the look-up said of a VM's packets: to other VMs, to the uplink, to itself. */
static void
dispatch_from_vm(struct lcore *lc, struct vm *vm, const struct vm_net *net, const uint16_t *vm_ids,
	struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_drops *drops = &vm->blocks[lc->idx].tx_drops;
	struct rte_mbuf *local[AIRLOCK_BURST], *out[AIRLOCK_BURST];
	uint16_t ids[AIRLOCK_BURST], nb_local = 0, nb_out = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (vm_ids[i] == AIRLOCK_FDB_MISS) {
			out[nb_out++] = mbufs[i];
		} else if (unlikely(vm_ids[i] == vm->id)) {
			drop(lc, drops, AIRLOCK_DROP_NO_LISTENER, &mbufs[i], 1);
		} else {
			ids[nb_local] = vm_ids[i];
			local[nb_local++] = mbufs[i];
		}
	}
	if (nb_local > 0)
		deliver_burst(lc, ids, local, nb_local);
	if (nb_out == 0)
		return;
	if (net->uplink_id < lc->pipeline->nb_ports)
		send_to_uplink(lc, lc->pipeline->ports[net->uplink_id], net->vlan_id, out, nb_out);
	else
		drop(lc, drops, AIRLOCK_DROP_UNKNOWN_MAC, out, nb_out);
}

void
classify_from_vm(
	struct lcore *lc, struct vm *vm, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vm_block *block = &vm->blocks[lc->idx];
	const struct vm_net *net = vm_net_get(vm);
	uint64_t keys[AIRLOCK_BURST], bytes = 0;
	uint16_t vm_ids[AIRLOCK_BURST], kept = 0, nb_taken = n;

	airlock_capture_burst(lc->handoff.tap, &vm->vnic->point, AIRLOCK_IN, mbufs, n);
	n = limit_rate(lc, vm, LIMIT_TX_RATE, mbufs, n, &bytes);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		enum airlock_drop reason;

		bytes += m->pkt_len;
		reason = check_from_vm(net, m);
		if (unlikely(reason != AIRLOCK_DROP_MAX)) {
			drop(lc, &block->tx_drops, reason, &m, 1);
		} else if (unlikely((*rte_pktmbuf_mtod(m, const uint8_t *) &
					    RTE_ETHER_GROUP_ADDR) != 0)) {
			flood_from_vm(lc, vm, net, m);
		} else {
			keys[kept] =
				airlock_fdb_key(rte_pktmbuf_mtod(m, const void *), net->domain);
			mbufs[kept++] = m;
		}
	}
	airlock_flow_count(&vm->vnic->tx[queue_id].taken, nb_taken, bytes);
	if (kept > 0)
		airlock_fdb_lookup_burst(lc->pipeline->fdb, keys, kept, vm_ids);
	work_done(lc, AIRLOCK_WORK_CLASSIFY, nb_taken);
	if (kept == 0)
		return;
	mirror_burst(lc, vm, MIRROR_TX, mbufs, kept);
	dispatch_from_vm(lc, vm, net, vm_ids, mbufs, kept);
	work_done(lc, AIRLOCK_WORK_HANDOFF, kept);
}
