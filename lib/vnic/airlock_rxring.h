/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_RXRING_H
#define AIRLOCK_RXRING_H

/**
 * @file
 * Airlock's own engine for a VM's RX ring (VIRTIO 1.2, 2.7 split and 2.8 packed), for VMs with a
 * window: it can use the buffer that the guest posted for a certain frame, in any order.
 *
 * A buffer is one descriptor, of one of two kinds: a *frame*, which lies in the window at a frame's
 * start + 116, so that the packet's data come to lie at + 128; or *private*, anywhere else in the
 * guest's memory. A frame is filled by mapping it, and only named here; a private buffer is copied
 * into. What the guest posts otherwise is refused: given back as used with length 0, and counted.
 *
 * A packet whose checksum is left to the guest gets its pseudo-header's sum, and the sum of its IP
 * header if that is asked for, before it is put: like rte_vhost's enqueue, the put functions write
 * to the headers of such a packet, which must be the caller's alone.
 *
 * The guest may write rings and descriptors at any moment. Each descriptor is read once, when the
 * guest made it available; what was read is checked, kept, and used.
 *
 * Thread rule: one lcore uses a ring. Control attaches, detaches and sets the window while no lcore
 * can have it; counters may be read by any thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <airlock_page.h>

/** Bytes of the virtio-net header in front of the data (VIRTIO 1.2, 5.1.6.1: with num_buffers). */
#define AIRLOCK_RXRING_HDR_BYTES 12
/** Where in its frame a posted frame begins: the data behind the header are at 128. */
#define AIRLOCK_RXRING_FRAME_OFFSET (RTE_PKTMBUF_HEADROOM - AIRLOCK_RXRING_HDR_BYTES)
/** Descriptors of a ring at most. */
#define AIRLOCK_RXRING_MAX_SIZE 32768

/** Why a buffer was refused. */
enum airlock_rxring_refusal {
	AIRLOCK_RXRING_CHAIN, /**< a chain or an indirect table */
	AIRLOCK_RXRING_READ_ONLY, /**< not device-writable */
	AIRLOCK_RXRING_OFFSET, /**< in the window, but not at a frame's start + 116 */
	AIRLOCK_RXRING_FOREIGN, /**< a frame that is not of this ring's partition */
	AIRLOCK_RXRING_TWICE, /**< a frame that is posted already */
	AIRLOCK_RXRING_SHORT, /**< a frame's buffer that ends before the frame does; a private one
				    too short for a header and a minimal packet */
	AIRLOCK_RXRING_ADDRESS, /**< private, but not in the guest's memory as a whole */
	AIRLOCK_RXRING_NO_WINDOW, /**< the same, and no window is there: may be a frame too early */
	AIRLOCK_RXRING_REFUSALS,
};

/** Where a ring lies, checked by who attaches it: all pointers are readable and writable. */
struct airlock_rxring_vring {
	bool packed;
	uint16_t size; /**< descriptors; a power of two in a split ring */
	union {
		struct {
			struct vring_desc *desc;
			struct vring_avail *avail;
			struct vring_used *used;
		};
		struct {
			struct vring_packed_desc *desc_packed;
			struct vring_packed_desc_event *driver_event;
			struct vring_packed_desc_event *device_event;
		};
	};
	uint64_t features; /**< VIRTIO feature bits that the guest accepted */
	/** As in VHOST_USER_SET_VRING_BASE; packed: bit 15 is the wrap counter. */
	uint16_t last_avail;
	uint16_t last_used;
	/** Host address of *len bytes of guest memory; NULL if there are none. May shorten *len. */
	void *(*translate)(void *arg, uint64_t guest_addr, uint64_t *len);
	/** Told of what was written into private buffers; NULL unless the VM is being migrated. */
	void (*log_write)(void *arg, uint64_t guest_addr, uint64_t len);
	/** The same of the used ring (split) or descriptor ring (packed), by offset; NULL too. */
	void (*log_used)(void *arg, uint64_t offset, uint64_t len);
	void *arg; /**< for these functions */
};

/** Where the window is in the addresses that the guest's descriptors hold. */
struct airlock_rxring_window {
	uint64_t guest_addr;
	uint64_t bytes; /**< that of the page table's pool; 0: no window */
	uint32_t first_frame; /**< of the ring's partition */
	uint32_t nb_frames;
	uint64_t owner; /**< a number of the process that has it. What an earlier one was given is
			     forgotten */
};

/**
 * What of a ring outlives the process that serves it, if this memory does: so that the next one
 * goes on where this one was killed, though buffers are used in any order. All 0 at first.
 *
 * Written by the lcore that has the ring, and by control while none has. *given* is read
 * by anybody.
 */
struct airlock_rxring_record {
	_Atomic uint32_t size; /**< of the split ring that it is of; 0: of none */
	_Atomic uint16_t avail_idx; /**< all before it was taken in */
	_Atomic uint16_t used_idx; /**< all before it is used, and its word gone */
	_Atomic uint64_t owner; /**< of the window that *given* is about; 0: there was none */
	/** By id: the complement of a buffer's address that was taken in and is not used; or 0. */
	_Atomic uint64_t outstanding[AIRLOCK_RXRING_MAX_SIZE];
	/** By place in the partition: 1 from when a packet was put into the frame until it is
	 * posted again, so as long as the guest may read it. */
	_Atomic uint8_t given[];
};

struct airlock_rxring;

/** Name of a refusal: "chain". @param refusal less than AIRLOCK_RXRING_REFUSALS */
const char *airlock_rxring_refusal_name(enum airlock_rxring_refusal refusal);

/** @return the ring, to be given to airlock_rxring_destroy(); NULL with rte_errno ENOMEM */
struct airlock_rxring *airlock_rxring_create(struct airlock_page_table *pages);

/** Bytes of a record. @param nb_frames of the ring's partition; 0: there is none */
size_t airlock_rxring_record_bytes(uint32_t nb_frames);

/**
 * Keep a record from the next attach on, and go by what it says if it is of the ring that is
 * attached then.
 *
 * @param record     stays the caller's, and valid as long as the ring; NULL: keep none
 * @param partition  of the ring: *given* is kept for a window of its frames only. Those
 *                   that are given are kept for the guest (airlock_page_owe()) until it
 *                   touches or posts them
 */
void airlock_rxring_set_record(struct airlock_rxring *ring, struct airlock_rxring_record *record,
	const struct airlock_page_partition *partition);

/** Keep nothing for the guest any more: it is another one, or there will be none. Control. */
void airlock_rxring_settle(struct airlock_rxring *ring);

/**
 * Whether the guest may still read a packet in this frame, by the record: also one that was put
 * there before airlock was killed. Any thread.
 *
 * @param place  in the partition; any number
 */
bool airlock_rxring_was_given(const struct airlock_rxring *ring, uint32_t place);

/** Destroy; if it is attached, the guest keeps waiting for its buffers. NULL is ignored. */
void airlock_rxring_destroy(struct airlock_rxring *ring);

/**
 * Begin to serve a ring.
 *
 * @param vring  copied; what it points to stays valid until the ring is detached. *last_avail* and
 *               *last_used* are the same: who served it before gave all back, or a record
 *               tells what it did not
 * @return 0; -EINVAL (size, alignment, features or indexes that no ring can have, or attached
 *         already); -ENOMEM
 */
int airlock_rxring_attach(struct airlock_rxring *ring, const struct airlock_rxring_vring *vring);

/**
 * Give every buffer back empty, and forget the ring. Ignored if not attached.
 *
 * @param last_avail  receives the index for VHOST_USER_GET_VRING_BASE; all before it is used
 * @param last_used   the same for rte_vhost_set_vring_base()
 */
void airlock_rxring_detach(struct airlock_rxring *ring, uint16_t *last_avail, uint16_t *last_used);

/**
 * The window came, or went (bytes 0): frames that were posted before are given back empty, as they
 * would name nothing. Published; the next airlock_rxring_publish() says whether to tell the guest.
 *
 * @return 0; -ENOMEM: nothing has changed (never for a window that went)
 */
int airlock_rxring_set_window(
	struct airlock_rxring *ring, const struct airlock_rxring_window *window);

/** Whether the lcore may use it: attached, and not broken. */
bool airlock_rxring_is_usable(const struct airlock_rxring *ring);

/**
 * Whether the guest broke the protocol (an index that no ring can have): the ring is stopped until
 * it is attached again. Any thread.
 */
bool airlock_rxring_is_broken(const struct airlock_rxring *ring);

/** Buffers refused, by reason. Any thread. */
uint64_t airlock_rxring_refused(
	const struct airlock_rxring *ring, enum airlock_rxring_refusal refusal);

/** Private buffers that are posted. */
uint32_t airlock_rxring_nb_private(const struct airlock_rxring *ring);

/** The most that were posted at a time since the ring was attached. */
uint32_t airlock_rxring_most_private(const struct airlock_rxring *ring);

/**
 * Take in what the guest has posted since, as far as *frames* has room. Private buffers are used in
 * the order in which they were taken in; in a split ring with a record, in that of their ids. What
 * is refused goes back with the next publish.
 *
 * @param frames  receives the frames among it
 * @param max     of *frames*, and of descriptors looked at
 * @return frames
 */
uint16_t airlock_rxring_poll(struct airlock_rxring *ring, uint32_t *frames, uint16_t max);

/** Whether the guest has posted this frame. @param frame any number */
bool airlock_rxring_has_frame(const struct airlock_rxring *ring, uint32_t frame);

/**
 * Return the buffer of a frame as used, with the virtio-net header in front of its data.
 *
 * The packet must lie in the frame at + 128, in one piece; the frame may be mapped already or not
 * yet, but not before airlock_rxring_publish() returns may the guest rely on it.
 *
 * @param m      has the packet's length and offload flags; stays the caller's
 * @param frame  one that airlock_rxring_has_frame()
 */
void airlock_rxring_put_frame(struct airlock_rxring *ring, struct rte_mbuf *m, uint32_t frame);

/**
 * Copy a packet to + 128 in a frame that is mapped for the guest, and return its buffer as used.
 *
 * @param m      single or chain; stays the caller's
 * @param frame  one that airlock_rxring_has_frame()
 * @return 0; -EMSGSIZE: the packet is longer than the frame
 */
int airlock_rxring_copy_to_frame(struct airlock_rxring *ring, struct rte_mbuf *m, uint32_t frame);

/**
 * Copy a packet into private buffers: one, or with VIRTIO_NET_F_MRG_RXBUF as many as it needs.
 *
 * @param m  single or chain; stays the caller's
 * @return 0; -ENOBUFS (too few are posted); -EMSGSIZE (without mergeable buffers: the next one is
 *         too short)
 */
int airlock_rxring_put_copy(struct airlock_rxring *ring, struct rte_mbuf *m);

/**
 * Make what was put visible to the guest.
 *
 * @return whether the guest wants to be told (VIRTIO 1.2, 2.7.7 and 2.8.10); true again at the next
 *         call if airlock_rxring_kicked() did not come in between
 */
bool airlock_rxring_publish(struct airlock_rxring *ring);

/** The guest was told. */
void airlock_rxring_kicked(struct airlock_rxring *ring);

#endif /* AIRLOCK_RXRING_H */
