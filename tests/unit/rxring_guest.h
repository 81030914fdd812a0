/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef RXRING_GUEST_H
#define RXRING_GUEST_H

/**
 * @file
 * A guest's driver of one RX ring, in the test's own memory, and the engine that serves it: what
 * the driver posts and takes back goes by the VIRTIO specification alone.
 *
 * Guest memory is two regions that are neighbours for the guest and lie apart for the engine. The
 * window begins at GUEST_WINDOW and shows a pool of GUEST_FRAMES frames, of which the ring's
 * partition is the second half.
 *
 * Thread rule: main thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "airlock_rxring.h"
#include "test.h"

#define GUEST_MEMORY	   UINT64_C(0x100000)
#define GUEST_REGION_BYTES (UINT64_C(4) << 20)
#define GUEST_BYTES	   (2 * GUEST_REGION_BYTES)
#define GUEST_WINDOW	   UINT64_C(0x7000000000)
#define GUEST_FRAMES	   512
#define GUEST_FIRST_FRAME  256
#define GUEST_MAX_SIZE	   1024
#define GUEST_FRAME_BYTES  4096
/** What a driver posts of a frame: all behind the headroom but for the header. */
#define GUEST_POSTED_BYTES (GUEST_FRAME_BYTES - AIRLOCK_RXRING_FRAME_OFFSET)

struct guest_conf {
	bool packed;
	bool mergeable;
	bool event_idx;
	bool legacy; /**< no VIRTIO_F_VERSION_1 */
	bool no_window;
	uint16_t size; /**< default 64 */
	uint16_t start; /**< index (split), or place and wrap counter (packed), to begin at */
};

/** A buffer, as the driver keeps it. */
struct guest_buffer {
	uint64_t addr;
	uint32_t len;
	uint16_t nb_descs;
	bool chain;
	bool posted;
};

struct guest {
	struct guest_conf conf;
	uint8_t *regions[2];
	uint8_t *pool;
	uint8_t *rings; /**< all of them, to be spoilt by a test */
	size_t rings_bytes;
	struct airlock_rxring_vring vring;
	struct airlock_page_table *pages;
	struct rte_mempool *mbufs;
	struct airlock_rxring *ring;
	struct guest_buffer buffers[GUEST_MAX_SIZE]; /**< by id */
	uint16_t nb_free; /**< descriptors */
	uint16_t avail_idx;
	uint16_t used_idx;
	bool avail_wrap; /**< packed */
	bool used_wrap;
	uint64_t logged_used; /**< calls */
	uint64_t logged_early; /**< of these, of what was not written yet */
	uint64_t logged_bytes;
};

extern struct guest guest;

/** Make a guest and attach the engine. */
int guest_open(const struct guest_conf *conf);

/** A teardown: take apart what there is. */
void guest_close(void);

/** Attach the engine (again). @return what airlock_rxring_attach() said */
int guest_attach(void);

/** Count what the engine says it has written, from the next guest_attach() on. */
void guest_log(void);

/** Set the window that the engine knows, or none. */
int guest_set_window(bool there);

/** Where the engine finds guest memory; the test's view of it. @param addr a guest address */
uint8_t *guest_at(uint64_t addr);

/** Offer one descriptor. @return its id, or -ENOSPC */
int guest_post(uint64_t addr, uint32_t len);

/** Offer one descriptor with these flags (VRING_DESC_F_WRITE and others). @return id, or -ENOSPC */
int guest_post_flags(uint64_t addr, uint32_t len, uint16_t flags);

/** Offer a chain of *n* descriptors. @return its id, or -ENOSPC */
int guest_post_chain(uint64_t addr, uint32_t len, uint16_t n);

/** Offer the buffer of a frame, as a driver does. @param frame of the pool */
int guest_post_frame(uint32_t frame);

/** Offer the nth private buffer of *len* bytes. */
int guest_post_private(uint32_t n, uint32_t len);

/**
 * Take the next used buffer.
 *
 * @return whether there is one; an id that is not posted fails the test by *id* UINT16_MAX
 */
bool guest_take(uint16_t *id, uint32_t *len);

/** Whether airlock may tell the guest: all at once, never, or (event index) after the nth next. */
void guest_want_kick(bool want);
void guest_want_kick_after(uint16_t nth);

/** A packet of *len* bytes that depend on *seed*, in *nb_segs* mbufs. Freed by the caller. */
struct rte_mbuf *guest_packet(uint32_t len, uint32_t seed, uint16_t nb_segs);

/** Whether *len* bytes are those of guest_packet(), from its *offset* on. */
bool guest_is_packet(const uint8_t *bytes, uint32_t len, uint32_t seed, uint32_t offset);

/** Poll the engine and count what it takes in. @return frames */
uint16_t guest_poll(void);

#endif /* RXRING_GUEST_H */
