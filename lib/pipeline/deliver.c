/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Delivery to VMs: a classified burst is sorted by VM, each VM's part goes to one of the VM's RX
 * rings, by this lcore if it owns the ring, else through the owner's inbox.
 *
 * A VM with several rings open gets a packet in one that this lcore owns, if there is one: packets
 * of a flow come by one uplink queue, so they stay on one lcore and in order. Among several, the
 * flow's hash decides.
 *
 * Thread rule: any lcore of the pipeline, each on its own struct lcore.
 */

#include <rte_ip.h>
#include <rte_hash_crc.h>

#include "mirror.h"
#include "pipeline_priv.h"

static void
deliver_to_queue(
	struct lcore *lc, struct vm *vm, uint16_t queue_id, struct rte_mbuf **mbufs, uint16_t n)
{
	uint16_t owner = vm->handoff_lcore[queue_id], sent;
	struct target target = {
		.kind = TARGET_VM,
		.queue_id = queue_id,
		.id = vm->id,
		.stamp = vm->stamp,
	};

	if (likely(owner == lc->idx)) {
		airlock_handoff_burst(&lc->handoff, &vm->to, queue_id, mbufs, n);
		return;
	}
	sent = send_to_lcore(lc, owner, &target, mbufs, n);
	if (unlikely(sent < n))
		drop(lc, &vm->blocks[lc->idx].rx_drops, AIRLOCK_DROP_LCORE_FULL, mbufs + sent,
			n - sent);
}

/* Copied first: in a packet they lie at any address. */
static uint32_t
hash_bytes(const uint8_t *bytes, uint32_t len)
{
	uint64_t words[5] = {0};

	memcpy(words, bytes, len);
	return rte_hash_crc(words, sizeof(words), 0);
}

/* Of addresses and ports, where the first mbuf has them; 0 for anything else. */
static uint32_t
flow_hash(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const uint8_t *l3 = (const uint8_t *)(eth + 1);

	if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0)
		return m->hash.rss;
	/* Ports of an option-less TCP or UDP header lie right behind the IP header. */
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
		m->data_len >= sizeof(*eth) + sizeof(struct rte_ipv4_hdr) + 4)
		return hash_bytes(l3 + offsetof(struct rte_ipv4_hdr, src_addr), 12);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
		m->data_len >= sizeof(*eth) + sizeof(struct rte_ipv6_hdr) + 4)
		return hash_bytes(l3 + offsetof(struct rte_ipv6_hdr, src_addr), 36);
	return 0;
}

static uint16_t
nth_bit(uint32_t mask, uint32_t n)
{
	while (n-- > 0)
		mask &= mask - 1;
	return rte_bsf32(mask);
}

/* A ring for each packet, by its flow. */
static void
deliver_spread(struct lcore *lc, struct vm *vm, uint32_t mask, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t nb_queues = __builtin_popcount(mask);
	struct rte_mbuf *part[AIRLOCK_BURST];
	uint16_t queue_ids[AIRLOCK_BURST];

	for (uint16_t i = 0; i < n; i++)
		queue_ids[i] = nth_bit(mask, flow_hash(mbufs[i]) % nb_queues);
	for (uint32_t left = mask; left != 0; left &= left - 1) {
		uint16_t queue_id = rte_bsf32(left), nb = 0;

		for (uint16_t i = 0; i < n; i++) {
			if (queue_ids[i] == queue_id)
				part[nb++] = mbufs[i];
		}
		if (nb > 0)
			deliver_to_queue(lc, vm, queue_id, part, nb);
	}
}

/* To those of its rings that are open; there are some. */
static void
deliver_to_rings(
	struct lcore *lc, struct vm *vm, uint32_t mask, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t local = mask & vm->local_mask[lc->idx];

	if (local != 0)
		mask = local;
	if (likely((mask & (mask - 1)) == 0))
		deliver_to_queue(lc, vm, rte_bsf32(mask), mbufs, n);
	else
		deliver_spread(lc, vm, mask, mbufs, n);
}

/* Drop what the VM is not to get. Returns what is left, and its open rings if there is any. */
static uint16_t
admit(struct lcore *lc, struct vm *vm, uint32_t *mask, struct rte_mbuf **mbufs, uint16_t n)
{
	uint64_t dropped_bytes;

	*mask = airlock_vnic_rx_mask(vm->vnic);
	if (likely(*mask != 0))
		return limit_rate(lc, vm, LIMIT_RX_RATE, mbufs, n, &dropped_bytes);
	drop(lc, &vm->blocks[lc->idx].rx_drops, AIRLOCK_DROP_VM_DOWN, mbufs, n);
	return 0;
}

static void
deliver_to_vm(struct lcore *lc, uint16_t vm_id, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vm *vm = vm_get(lc->pipeline, vm_id);
	uint32_t mask;

	if (unlikely(vm == NULL)) {
		drop(lc, &lc->orphans, AIRLOCK_DROP_VM_DOWN, mbufs, n);
		return;
	}
	n = admit(lc, vm, &mask, mbufs, n);
	if (unlikely(n == 0))
		return;
	mirror_burst(lc, vm, MIRROR_RX, mbufs, n);
	deliver_to_rings(lc, vm, mask, mbufs, n);
}

void
deliver_copies(struct lcore *lc, struct vm *vm, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t mask;

	n = admit(lc, vm, &mask, mbufs, n);
	if (n > 0)
		deliver_to_rings(lc, vm, mask, mbufs, n);
}

static struct group *
group_find(struct lcore *lc, uint16_t vm_id)
{
	uint8_t i = lc->group_of[vm_id];

	if (i < lc->nb_groups && lc->groups[i].vm_id == vm_id)
		return &lc->groups[i];
	i = lc->nb_groups++;
	lc->group_of[vm_id] = i;
	lc->groups[i].vm_id = vm_id;
	lc->groups[i].n = 0;
	return &lc->groups[i];
}

static bool
all_same(const uint16_t *vm_ids, uint16_t n)
{
	uint16_t differ = 0;

	for (uint16_t i = 1; i < n; i++)
		differ |= vm_ids[i] ^ vm_ids[0];
	return differ == 0;
}

void
deliver_burst(struct lcore *lc, const uint16_t *vm_ids, struct rte_mbuf **mbufs, uint16_t n)
{
	if (all_same(vm_ids, n)) {
		deliver_to_vm(lc, vm_ids[0], mbufs, n);
		return;
	}
	lc->nb_groups = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct group *group = group_find(lc, vm_ids[i]);

		group->mbufs[group->n++] = mbufs[i];
	}
	for (uint16_t i = 0; i < lc->nb_groups; i++)
		deliver_to_vm(lc, lc->groups[i].vm_id, lc->groups[i].mbufs, lc->groups[i].n);
}

static bool
same_target(const struct target *a, const struct target *b)
{
	return a->kind == b->kind && a->queue_id == b->queue_id && a->id == b->id &&
		a->stamp == b->stamp;
}

static void
deliver_run(struct lcore *lc, const struct target *target, struct rte_mbuf **mbufs, uint16_t n)
{
	struct vm *vm = vm_get(lc->pipeline, target->id);

	/* The VM may have been deleted, and its place taken by another, while they waited. */
	if (unlikely(vm == NULL || vm->stamp != target->stamp))
		drop(lc, &lc->orphans, AIRLOCK_DROP_VM_DOWN, mbufs, n);
	else
		airlock_handoff_burst(&lc->handoff, &vm->to, target->queue_id, mbufs, n);
}

void
deliver_from_inbox(struct lcore *lc, struct rte_mbuf **mbufs, uint16_t n)
{
	struct airlock_pipeline *pl = lc->pipeline;
	uint16_t end;

	for (uint16_t i = 0; i < n; i = end) {
		struct target target = *target_of(pl, mbufs[i]);

		end = i + 1;
		if (target.kind == TARGET_FLOOD) {
			flood_local(lc, mbufs[i], target.domain, target.id);
			rte_pktmbuf_free(mbufs[i]);
			continue;
		}
		while (end < n && same_target(&target, target_of(pl, mbufs[end])))
			end++;
		if (target.kind == TARGET_VM)
			deliver_run(lc, &target, &mbufs[i], end - i);
		else
			send_from_inbox(lc, pl->ports[target.id], &mbufs[i], end - i);
	}
}
