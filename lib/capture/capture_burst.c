/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Packets are copied to captures: filtered, put into buffers, and into the capture's ring for its
 * thread. No buffer and no room means missed; nothing waits.
 *
 * A tag that was taken out on the way is put in again where it was part of the packet, before the
 * filter looks at it.
 *
 * Thread rule: any lcore, on captures that it found in the tap since its last quiescent state.
 */

#include <rte_cycles.h>
#include <rte_ether.h>

#include "capture_priv.h"

static bool
wants(const struct capture_source *source, const struct airlock_point *point,
	enum airlock_direction direction, enum airlock_drop reason)
{
	return (source->point == NULL || source->point == point) && source->directions[direction] &&
		source->drops_only == (reason != AIRLOCK_DROP_MAX);
}

/* Headers lie in the first segment; what is behind it the filter does not see. */
static bool
matches(const struct capture_source *source, const struct rte_mbuf *m)
{
	return source->filter.bf_insns == NULL ||
		bpf_filter(source->filter.bf_insns, rte_pktmbuf_mtod(m, const u_char *), m->pkt_len,
			m->data_len) != 0;
}

/* One of the packets that are to be captured; false: there are enough. */
static bool
count_take(struct capture_source *source)
{
	if (source->count == 0)
		return true;
	if (atomic_load_explicit(&source->taken, memory_order_relaxed) >= source->count)
		return false;
	if (atomic_fetch_add_explicit(&source->taken, 1, memory_order_relaxed) < source->count)
		return true;
	atomic_fetch_sub_explicit(&source->taken, 1, memory_order_relaxed);
	return false;
}

static void
miss(struct capture_source *source)
{
	if (source->count != 0)
		atomic_fetch_sub_explicit(&source->taken, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&source->missed, 1, memory_order_relaxed);
}

static bool
has_lost_tag(const struct airlock_point *point, enum airlock_direction direction,
	const struct rte_mbuf *m)
{
	return direction == AIRLOCK_IN && point != NULL && point->tags &&
		(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0;
}

static struct rte_mbuf *
copy(const struct capture_source *source, const struct rte_mbuf *m)
{
	return rte_pktmbuf_copy(m, source->buffers, 0, source->snaplen_bytes);
}

/* The thread frees what it takes. */
static void
hand_over(struct capture_source *source, struct rte_mbuf *m, const struct capture_record *record)
{
	*(struct capture_record *)rte_mbuf_to_priv(m) = *record;
	if (unlikely(rte_ring_enqueue(source->ring, m) != 0)) {
		rte_pktmbuf_free(m);
		miss(source);
	}
}

/* With its tag the packet is another one: copied first, then looked at. */
static void
capture_with_tag(
	struct capture_source *source, const struct rte_mbuf *m, struct capture_record *record)
{
	struct rte_mbuf *copied = copy(source, m);

	if (copied == NULL) {
		atomic_fetch_add_explicit(&source->missed, 1, memory_order_relaxed);
		return;
	}
	record->wire_bytes = m->pkt_len;
	/* Room for it is there; a packet without a whole header stays as it is. */
	if (rte_vlan_insert(&copied) == 0)
		record->wire_bytes += RTE_VLAN_HLEN;
	if (matches(source, copied) && count_take(source))
		hand_over(source, copied, record);
	else
		rte_pktmbuf_free(copied);
}

static void
capture_one(struct capture_source *source, const struct rte_mbuf *m, struct capture_record *record)
{
	struct rte_mbuf *copied;

	if (!matches(source, m) || !count_take(source))
		return;
	copied = copy(source, m);
	if (copied == NULL) {
		miss(source);
		return;
	}
	record->wire_bytes = m->pkt_len;
	hand_over(source, copied, record);
}

void
capture_copy(struct capture_list *list, const struct airlock_point *point,
	enum airlock_direction direction, enum airlock_drop reason, struct rte_mbuf *const *mbufs,
	uint16_t n)
{
	struct capture_record record = {
		.tsc = rte_rdtsc(),
		.direction = direction,
		.reason = reason,
	};

	if (point != NULL)
		memcpy(record.point, point->name, sizeof(record.point));
	for (uint32_t i = 0; i < list->n; i++) {
		struct capture_source *source = list->sources[i];

		if (!wants(source, point, direction, reason))
			continue;
		for (uint16_t j = 0; j < n; j++) {
			if (unlikely(has_lost_tag(point, direction, mbufs[j])))
				capture_with_tag(source, mbufs[j], &record);
			else
				capture_one(source, mbufs[j], &record);
		}
	}
}
