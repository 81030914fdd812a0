/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Broadcast and multicast: every VM of the domain but the sender gets a copy, and from a VM the
 * uplink too. Copying is what the hand-off does anyway, so one packet serves all VMs, and its frame
 * is free once the last VM has had it.
 *
 * Each lcore serves the VMs whose rings it owns. The others get a reference to the same packet
 * through their inboxes; from then on nobody may write it, so what a VM left undone in it is done
 * first. The uplink gets a packet of its own, for the tag.
 *
 * In the balance a flooded packet is *split*, and each copy that a receiver is offered is a *part*.
 *
 * Thread rule: any lcore of the pipeline.
 */

#include "mirror.h"
#include "pipeline_priv.h"

/* The ring that floods come by: the VM's lowest that is enabled; -1 if there is none. */
static int
flood_queue(const struct vm *vm)
{
	uint32_t mask = airlock_vnic_rx_mask(vm->vnic);

	return mask == 0 ? -1 : (int)rte_bsf32(mask);
}

static void
flood_to_vm(struct lcore *lc, struct vm *vm, uint16_t queue_id, struct rte_mbuf *m)
{
	mirror_burst(lc, vm, MIRROR_RX, &m, 1);
	airlock_handoff_copy(&lc->handoff, &vm->to, queue_id, m);
}

/* The packet itself stays. */
static void
drop_copy(struct lcore *lc, struct vm *vm, enum airlock_drop reason, struct rte_mbuf *m)
{
	airlock_capture_drop(lc->handoff.tap, &vm->blocks[lc->idx].rx_drops, reason, &m, 1);
}

void
flood_local(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, uint16_t source_id)
{
	const struct airlock_fdb_group *group = airlock_fdb_flood(lc->pipeline->fdb, domain);

	for (uint16_t i = 0; group != NULL && i < group->nb_vms; i++) {
		struct vm *vm = vm_get(lc->pipeline, group->vm_ids[i]);
		int queue_id;

		if (vm == NULL || vm->id == source_id)
			continue;
		queue_id = flood_queue(vm);
		/* A VM that is down is offered the packet by one lcore, too: that of its pair 0. */
		if (vm->handoff_lcore[RTE_MAX(queue_id, 0)] != lc->idx)
			continue;
		airlock_count(&lc->handoff.parts, 1);
		if (queue_id < 0)
			drop_copy(lc, vm, AIRLOCK_DROP_VM_DOWN, m);
		else if (policer_passes(policer_of(vm, LIMIT_RX_RATE), m->pkt_len))
			flood_to_vm(lc, vm, queue_id, m);
		else
			drop_copy(lc, vm, AIRLOCK_DROP_RATE, m);
	}
}

/* A reference for every other lcore that hands off. */
static void
flood_others(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, uint16_t source_id)
{
	struct target target = {.kind = TARGET_FLOOD, .id = source_id, .domain = domain};
	uint64_t others;

	others = atomic_load_explicit(&lc->pipeline->handoff_mask, memory_order_relaxed);
	others &= ~RTE_BIT64(lc->idx);
	if (others == 0)
		return;
	/* Written before the first reference leaves; the owners only read. */
	*target_of(lc->pipeline, m) = target;
	for (; others != 0; others &= others - 1) {
		struct lcore *other = lc->pipeline->lcores[rte_bsf64(others)];

		rte_pktmbuf_refcnt_update(m, 1);
		if (likely(rte_ring_enqueue(other->inbox, m) == 0)) {
			lcore_wake(other);
			continue;
		}
		rte_pktmbuf_refcnt_update(m, -1);
		airlock_count(&lc->handoff.parts, 1);
		airlock_capture_drop(lc->handoff.tap, &lc->orphans, AIRLOCK_DROP_LCORE_FULL, &m, 1);
	}
}

static void
flood_to_uplink(struct lcore *lc, struct rte_mbuf *m, const struct vm_net *source_net)
{
	struct port *port = lc->pipeline->ports[source_net->uplink_id];
	struct rte_mbuf *copy;

	airlock_count(&lc->handoff.parts, 1);
	copy = airlock_offload_copy(lc->handoff.offload, m);
	if (unlikely(copy == NULL)) {
		airlock_capture_drop(lc->handoff.tap, &port->blocks[lc->idx].tx_drops,
			AIRLOCK_DROP_NO_PAGE, &m, 1);
		return;
	}
	send_to_uplink(lc, port, source_net->vlan_id, &copy, 1);
}

static void
flood_one(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, const struct vm *source,
	const struct vm_net *source_net)
{
	uint16_t source_id = source == NULL ? NO_VM : source->id;

	airlock_count(&lc->handoff.split, 1);
	if (source_net != NULL && source_net->uplink_id < lc->pipeline->nb_ports)
		flood_to_uplink(lc, m, source_net);
	flood_others(lc, m, domain, source_id);
	flood_local(lc, m, domain, source_id);
	rte_pktmbuf_free(m);
}

void
flood(struct lcore *lc, struct rte_mbuf *m, uint16_t domain, const struct vm *source,
	const struct vm_net *source_net)
{
	struct rte_mbuf *parts[AIRLOCK_OFFLOAD_MAX_SEGMENTS];
	struct airlock_drops *drops;
	int nb_parts;

	if (likely(source == NULL || airlock_offload_fits(m, AIRLOCK_OFFLOAD_CHAINS))) {
		flood_one(lc, m, domain, source, source_net);
		return;
	}
	nb_parts = airlock_offload_fit(
		lc->handoff.offload, m, AIRLOCK_OFFLOAD_CHAINS, parts, RTE_DIM(parts));
	if (nb_parts < 0) {
		drops = &source->blocks[lc->idx].tx_drops;
		drop(lc, drops,
			nb_parts == -ENOMEM ? AIRLOCK_DROP_NO_PAGE : AIRLOCK_DROP_BAD_OFFLOAD, &m,
			1);
		return;
	}
	if (nb_parts > 1) {
		airlock_count(&lc->handoff.split, 1);
		airlock_count(&lc->handoff.parts, nb_parts);
	}
	for (int i = 0; i < nb_parts; i++)
		flood_one(lc, parts[i], domain, source, source_net);
}
