/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The driver's side of an RX ring (VIRTIO 1.2, 2.7.13 and 2.8.21), written from the specification
 * and not from the engine. Ids are descriptor numbers; a chain in a packed ring takes places, not
 * ids, of its own.
 *
 * Thread rule: main thread.
 */

#include <linux/virtio_ring.h>

#include "rxring_guest.h"

static void
packed_write(uint64_t addr, uint32_t len, uint16_t id, uint16_t flags, bool last)
{
	struct vring_packed_desc *desc = &guest.vring.desc_packed[guest.avail_idx];

	desc->addr = addr;
	desc->len = len;
	desc->id = last ? id : 0xdead;
	flags |= guest.avail_wrap ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED;
	__atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
	if (++guest.avail_idx == guest.conf.size) {
		guest.avail_idx = 0;
		guest.avail_wrap = !guest.avail_wrap;
	}
}

static uint16_t
free_id(uint16_t from)
{
	while (guest.buffers[from % guest.conf.size].posted)
		from++;
	return from % guest.conf.size;
}

static void
split_offer(uint16_t id)
{
	struct vring_avail *avail = guest.vring.avail;

	avail->ring[guest.avail_idx++ % guest.conf.size] = id;
	__atomic_store_n(&avail->idx, guest.avail_idx, __ATOMIC_RELEASE);
}

static uint16_t
note_posted(uint16_t id, uint64_t addr, uint32_t len, uint16_t nb_descs, bool chain)
{
	guest.nb_free -= nb_descs;
	guest.buffers[id] = (struct guest_buffer){
		.addr = addr,
		.len = len,
		.nb_descs = nb_descs,
		.chain = chain,
		.posted = true,
	};
	return id;
}

int
guest_post_flags(uint64_t addr, uint32_t len, uint16_t flags)
{
	uint16_t id;

	if (guest.nb_free == 0)
		return -ENOSPC;
	id = free_id(addr >> 7);
	if (guest.conf.packed) {
		packed_write(addr, len, id, flags, true);
	} else {
		guest.vring.desc[id] = (struct vring_desc){
			.addr = addr,
			.len = len,
			.flags = flags,
		};
		split_offer(id);
	}
	return note_posted(id, addr, len, 1, (flags & ~VRING_DESC_F_WRITE) != 0);
}

int
guest_post(uint64_t addr, uint32_t len)
{
	return guest_post_flags(addr, len, VRING_DESC_F_WRITE);
}

/* In a split ring only the head matters: the engine must not follow. */
int
guest_post_chain(uint64_t addr, uint32_t len, uint16_t n)
{
	uint16_t id;

	if (!guest.conf.packed)
		return guest_post_flags(addr, len, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
	if (guest.nb_free < n)
		return -ENOSPC;
	id = free_id(addr >> 7);
	for (uint16_t i = 0; i < n; i++)
		packed_write(addr, len, id,
			VRING_DESC_F_WRITE | (i + 1 < n ? VRING_DESC_F_NEXT : 0), i + 1 == n);
	return note_posted(id, addr, len, n, n > 1);
}

int
guest_post_frame(uint32_t frame)
{
	return guest_post(guest_frame_addr(frame, AIRLOCK_RXRING_FRAME_OFFSET), GUEST_POSTED_BYTES);
}

int
guest_post_private(uint32_t n, uint32_t len)
{
	return guest_post(GUEST_MEMORY + (uint64_t)n * len, len);
}

static bool
packed_take(uint16_t *id, uint32_t *len, uint16_t *flags)
{
	const struct vring_packed_desc *desc = &guest.vring.desc_packed[guest.used_idx];
	bool avail, used;

	*flags = __atomic_load_n(&desc->flags, __ATOMIC_ACQUIRE);
	avail = (*flags & 1 << VRING_PACKED_DESC_F_AVAIL) != 0;
	used = (*flags & 1 << VRING_PACKED_DESC_F_USED) != 0;
	if (avail != used || used != guest.used_wrap)
		return false;
	*id = desc->id;
	*len = desc->len;
	return true;
}

static bool
split_take(uint16_t *id, uint32_t *len)
{
	const struct vring_used *used = guest.vring.used;
	const struct vring_used_elem *elem;

	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == guest.used_idx)
		return false;
	elem = &used->ring[guest.used_idx++ % guest.conf.size];
	*id = elem->id;
	*len = elem->len;
	return true;
}

bool
guest_take(uint16_t *id, uint32_t *len)
{
	uint16_t flags = VRING_DESC_F_WRITE;
	struct guest_buffer *buffer;

	if (guest.conf.packed ? !packed_take(id, len, &flags) : !split_take(id, len))
		return false;
	buffer = &guest.buffers[*id % guest.conf.size];
	if (*id >= guest.conf.size || !buffer->posted || *len > buffer->len ||
		(*len != 0 && (flags & VRING_DESC_F_WRITE) == 0)) {
		*id = UINT16_MAX;
		return true;
	}
	buffer->posted = false;
	guest.nb_free += buffer->nb_descs;
	if (guest.conf.packed) {
		guest.used_idx += buffer->nb_descs;
		if (guest.used_idx >= guest.conf.size) {
			guest.used_idx -= guest.conf.size;
			guest.used_wrap = !guest.used_wrap;
		}
	}
	return true;
}

void
guest_want_kick(bool want)
{
	if (guest.conf.packed)
		guest.vring.driver_event->flags =
			want ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE;
	else
		guest.vring.avail->flags = want ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
}

void
guest_want_kick_after(uint16_t nth)
{
	uint16_t idx = guest.used_idx + nth - 1;
	bool wrap = guest.used_wrap;

	if (!guest.conf.packed) {
		guest.vring.avail->ring[guest.conf.size] = idx;
		return;
	}
	if (idx >= guest.conf.size) {
		idx -= guest.conf.size;
		wrap = !wrap;
	}
	guest.vring.driver_event->off_wrap = idx | wrap << VRING_PACKED_EVENT_F_WRAP_CTR;
	guest.vring.driver_event->flags = VRING_PACKED_EVENT_FLAG_DESC;
}
