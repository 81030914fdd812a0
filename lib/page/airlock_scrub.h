/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_SCRUB_H
#define AIRLOCK_SCRUB_H

/**
 * @file
 * Clearing what another owner left in a frame, before a VM may read it.
 *
 * A frame whose tag is the VM's holds, beside the packet, bytes of that VM alone: nothing needs
 * clearing. In any other frame everything but the packet does.
 *
 * Thread rule: the thread that holds the frame's mbuf; the frame is HOST.
 */

#include <stdint.h>

/**
 * Clear [0, head_bytes) and [tail_start, frame_bytes) of a frame: what lies before and behind a
 * packet.
 *
 * @param frame        its address, at a page's boundary
 * @param frame_bytes  its size
 * @param head_bytes   where what stays begins: at most tail_start
 * @param tail_start   where it ends: at most frame_bytes
 * @return bytes that were cleared
 */
uint32_t airlock_scrub(void *frame, uint32_t frame_bytes, uint32_t head_bytes, uint32_t tail_start);

#endif /* AIRLOCK_SCRUB_H */
