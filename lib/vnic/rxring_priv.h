/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef RXRING_PRIV_H
#define RXRING_PRIV_H

/*
 * What the parts of the RX ring engine share: the ring, and how a posted buffer is sorted in.
 *
 * A descriptor's way: the layout's poll (rxring_split.c, rxring_packed.c) reads it once and hands
 * the copy to rxring_take(), which keeps it as a frame or a private buffer, or refuses it. Private
 * buffers are put in order on their way into the queue (rxring_order.c). A buffer leaves by
 * rxring_use(), which only notes it; the layout's flush writes what was noted into the ring. So the
 * ring in guest memory is touched by the layouts' files alone.
 */

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include <rte_common.h>

#include "airlock_rxring.h"

/* Id of the buffer of a frame that is not posted. */
#define RXRING_NO_ID UINT16_MAX
/* Shortest packet, without checksum, that a private buffer must have room for. */
#define RXRING_MIN_PACKET 60
/* Pieces that a buffer's memory may be in at most. */
#define RXRING_MAX_PIECES 8

/* A descriptor, read once. */
struct rxring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t id;
	uint16_t nb_descs; /* that it takes in the ring: more than 1 for a chain in a packed ring */
};

/* A private buffer that is posted. */
struct rxring_buffer {
	uint64_t guest_addr;
	uint8_t *host; /* NULL: the buffer is in pieces, see rxring_copy.c */
	uint32_t len;
	uint16_t id;
};

/* Guest memory that lies in one piece here, too. */
struct rxring_piece {
	uint64_t guest_addr;
	uint64_t bytes; /* 0: none */
	uint8_t *host;
};

/* A buffer that goes back to the guest. */
struct rxring_used {
	uint32_t len;
	uint16_t id;
	uint16_t nb_descs;
};

struct airlock_rxring {
	/* Control writes while no lcore has the ring; the lcore reads. */
	struct airlock_rxring_vring vring;
	struct airlock_rxring_window window;
	struct airlock_page_table *pages;
	bool attached;
	bool mergeable;
	bool event_idx;
	uint16_t hdr_bytes;
	uint16_t private_mask; /* of *private*, a power of two - 1 */
	uint32_t frame_room; /* bytes of a frame that an mbuf can have */
	struct airlock_rxring_record *record; /* NULL: none is kept */
	uint32_t record_first; /* frame that *given* of the record begins with */
	uint32_t record_frames;
	_Atomic uint8_t *given; /* of the record, if it is of this window; or NULL */
	struct rxring_buffer *private; /* a queue: first in, first out */
	struct rxring_buffer *gathered; /* by id, on their way into the queue; NULL: no such way */
	uint64_t *gathered_bits; /* which of these are there */
	struct rxring_used *used; /* as many as the ring has descriptors */
	uint16_t *posted; /* id of the buffer of each frame of the partition, or RXRING_NO_ID */

	/* The lcore that has the ring; control while none has. */
	struct rxring_piece near; /* in which the last private buffer was */
	uint16_t avail_idx; /* to be taken in next: split, free-running; packed, a place */
	uint16_t used_idx; /* to be written next */
	bool avail_wrap; /* packed */
	bool used_wrap;
	uint16_t nb_held; /* descriptors taken in and not yet written as used */
	uint16_t nb_used; /* in *used* */
	uint16_t private_head; /* free-running: out at the head, in at the tail */
	uint16_t private_tail;
	uint16_t nb_gathered;
	uint32_t order_next; /* id to go on with: up to the ring's size */
	uint16_t most_private; /* that were there at a time since the ring was attached */
	uint16_t signalled; /* used_idx when it was last weighed whether to tell the guest */
	bool signalled_valid;
	bool must_kick;

	/* The lcore writes, anybody reads. */
	_Atomic bool broken;
	_Atomic uint64_t refused[AIRLOCK_RXRING_REFUSALS];
} __rte_cache_aligned;

/* rxring_split.c, rxring_packed.c: see airlock_rxring_poll(). */
uint16_t rxring_split_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max);
uint16_t rxring_packed_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max);

/* Write all of *used* into the ring, and say whether the guest wants to be told. */
bool rxring_split_flush(struct airlock_rxring *ring);
bool rxring_packed_flush(struct airlock_rxring *ring);

/* rxring_split.c */
struct rxring_desc rxring_split_desc(const struct airlock_rxring *ring, uint16_t id);

/* rxring_record.c: go on where the record says, or begin it anew. */
void rxring_record_attach(struct airlock_rxring *ring);
/* What was given is *owner*'s, or forgotten. */
void rxring_record_owner(struct airlock_rxring *ring, uint64_t owner);

/* rxring_copy.c: all of the buffer is guest memory; *host* NULL: in pieces. */
bool rxring_find_memory(
	struct airlock_rxring *ring, const struct rxring_desc *desc, uint8_t **host);

static inline uint16_t
rxring_nb_private(const struct airlock_rxring *ring)
{
	return (uint16_t)(ring->private_tail - ring->private_head) + ring->nb_gathered;
}

/* rxring_order.c: 0 or -ENOMEM; then rxring_order_free() is due, too. */
int rxring_order_create(struct airlock_rxring *ring);
void rxring_order_free(struct airlock_rxring *ring);
/* All that gathered goes into the queue. */
void rxring_order_queue(struct airlock_rxring *ring);

/* In the queue. */
static inline uint16_t
rxring_nb_queued(const struct airlock_rxring *ring)
{
	return ring->private_tail - ring->private_head;
}

static inline uint64_t
rxring_record_get(const struct airlock_rxring *ring, uint16_t id)
{
	return atomic_load_explicit(&ring->record->outstanding[id], memory_order_relaxed);
}

static inline void
rxring_record_set(struct airlock_rxring *ring, uint16_t id, uint64_t addr)
{
	atomic_store_explicit(&ring->record->outstanding[id], ~addr, memory_order_relaxed);
}

static inline void
rxring_record_clear(struct airlock_rxring *ring, uint16_t id)
{
	atomic_store_explicit(&ring->record->outstanding[id], 0, memory_order_relaxed);
}

/* Before what is put into a frame is published. */
static inline void
rxring_record_given(struct airlock_rxring *ring, uint32_t place)
{
	if (ring->given != NULL)
		atomic_store_explicit(&ring->given[place], 1, memory_order_relaxed);
}

/* It is posted again: what is kept of it for the guest is not needed. */
static inline void
rxring_record_posted(struct airlock_rxring *ring, uint32_t place)
{
	if (ring->given == NULL ||
		atomic_load_explicit(&ring->given[place], memory_order_relaxed) == 0)
		return;
	atomic_store_explicit(&ring->given[place], 0, memory_order_relaxed);
	airlock_page_settle(ring->pages, ring->window.first_frame + place);
}

/* The guest did what no ring can mean. */
static inline void
rxring_break(struct airlock_rxring *ring)
{
	atomic_store_explicit(&ring->broken, true, memory_order_relaxed);
}

/* Note a buffer as used; there is room, because each was taken in before. */
static inline void
rxring_use(struct airlock_rxring *ring, uint16_t id, uint32_t len, uint16_t nb_descs)
{
	ring->used[ring->nb_used++] = (struct rxring_used){
		.len = len,
		.id = id,
		.nb_descs = nb_descs,
	};
}

static inline void
rxring_refuse(struct airlock_rxring *ring, const struct rxring_desc *desc,
	enum airlock_rxring_refusal refusal)
{
	uint64_t n = atomic_load_explicit(&ring->refused[refusal], memory_order_relaxed);

	atomic_store_explicit(&ring->refused[refusal], n + 1, memory_order_relaxed);
	rxring_use(ring, desc->id, 0, desc->nb_descs);
}

/* Index of a frame in the partition; nb_frames or more: it is another's. */
static inline uint32_t
rxring_place(const struct airlock_rxring *ring, uint32_t frame)
{
	return frame - ring->window.first_frame;
}

/* A buffer in the window, *offset* bytes behind its start. */
static inline bool
rxring_take_frame(struct airlock_rxring *ring, const struct rxring_desc *desc, uint64_t offset,
	uint32_t *frame)
{
	const struct airlock_frame_size *size = &ring->pages->frame;
	uint32_t place;

	/* The window is the pool, so *offset* is one that can be told the frame of. */
	*frame = airlock_frame_of_page(size, offset >> AIRLOCK_PAGE_SHIFT);
	if (unlikely(offset - airlock_frame_offset(size, *frame) != AIRLOCK_RXRING_FRAME_OFFSET ||
		    ring->hdr_bytes != AIRLOCK_RXRING_HDR_BYTES)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_OFFSET);
		return false;
	}
	if (unlikely(desc->len < ring->frame_room - AIRLOCK_RXRING_FRAME_OFFSET)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_SHORT);
		return false;
	}
	place = rxring_place(ring, *frame);
	if (unlikely(place >= ring->window.nb_frames)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_FOREIGN);
		return false;
	}
	if (unlikely(ring->posted[place] != RXRING_NO_ID)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_TWICE);
		return false;
	}
	ring->posted[place] = desc->id;
	rxring_record_posted(ring, place);
	return true;
}

static inline void
rxring_keep_private(struct airlock_rxring *ring, const struct rxring_buffer *buffer)
{
	uint64_t *bits, bit = RTE_BIT64(buffer->id % 64);

	if (ring->gathered == NULL) {
		ring->private[ring->private_tail++ & ring->private_mask] = *buffer;
		return;
	}
	bits = &ring->gathered_bits[buffer->id / 64];
	if (unlikely((*bits & bit) != 0)) {
		rxring_break(ring); /* offered twice */
		return;
	}
	*bits |= bit;
	ring->gathered[buffer->id] = *buffer;
	ring->nb_gathered++;
}

/* Nearly always in the same region of guest memory as the one before. */
static inline bool
rxring_is_guest_memory(struct airlock_rxring *ring, const struct rxring_desc *desc, uint8_t **host)
{
	uint64_t offset = desc->addr - ring->near.guest_addr;

	if (unlikely(offset >= ring->near.bytes || desc->len > ring->near.bytes - offset))
		return rxring_find_memory(ring, desc, host);
	*host = ring->near.host + offset;
	return true;
}

static inline void
rxring_take_private(struct airlock_rxring *ring, const struct rxring_desc *desc)
{
	uint8_t *host;

	if (unlikely(desc->len < (uint32_t)ring->hdr_bytes + RXRING_MIN_PACKET)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_SHORT);
		return;
	}
	if (unlikely(!rxring_is_guest_memory(ring, desc, &host))) {
		rxring_refuse(ring, desc,
			ring->window.bytes != 0 ? AIRLOCK_RXRING_ADDRESS
						: AIRLOCK_RXRING_NO_WINDOW);
		return;
	}
	rxring_keep_private(ring,
		&(struct rxring_buffer){
			.guest_addr = desc->addr,
			.host = host,
			.len = desc->len,
			.id = desc->id,
		});
}

/* Keep a buffer, or refuse it. Returns whether it is a frame, and which. */
static inline bool
rxring_take(struct airlock_rxring *ring, const struct rxring_desc *desc, uint32_t *frame)
{
	uint64_t offset = desc->addr - ring->window.guest_addr;

	ring->nb_held += desc->nb_descs;
	if (unlikely((desc->flags & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT)) != 0)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_CHAIN);
		return false;
	}
	if (unlikely((desc->flags & VRING_DESC_F_WRITE) == 0)) {
		rxring_refuse(ring, desc, AIRLOCK_RXRING_READ_ONLY);
		return false;
	}
	if (offset < ring->window.bytes)
		return rxring_take_frame(ring, desc, offset, frame);
	rxring_take_private(ring, desc);
	return false;
}

/* Whether *event* lies in the indexes that became used (VIRTIO 1.2, 2.7.7.1). */
static inline bool
rxring_is_passed(uint16_t event, uint16_t new_idx, uint16_t old_idx)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old_idx);
}

#endif /* RXRING_PRIV_H */
