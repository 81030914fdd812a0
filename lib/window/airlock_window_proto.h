/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_WINDOW_PROTO_H
#define AIRLOCK_WINDOW_PROTO_H

/**
 * @file
 * What airlockd and an agent say to each other over a VM's window socket.
 *
 * The socket is AF_UNIX SOCK_SEQPACKET; airlockd listens, the agent connects. Each datagram is one
 * message: a head, then the body that the head's type names, then nothing. Numbers are in the byte
 * order of the machine, on which both sides run.
 *
 *     airlockd            agent
 *     WELCOME  ------->                 as soon as the agent has connected: which file to look for
 *              <-------  HELLO + fd     once the VMM has mapped that file: where; the window is
 *                                   dark
 *     UNMAP    ------->                 any time after HELLO, many in flight
 *              <-------  UNMAPPED       one for each UNMAP, in their order
 *     REFUSED  ------->                 why airlockd is about to close the connection
 *
 * The connection is a lease on the whole window: when it ends, for whatever reason, the agent makes
 * the window dark before it connects again.
 */

#include <stdint.h>

/** Of this description; another version is refused. */
#define AIRLOCK_WINDOW_VERSION 2
/** Runs in one UNMAP at most. */
#define AIRLOCK_WINDOW_MAX_RUNS 1024
/** Partitions of a pool at most. */
#define AIRLOCK_WINDOW_MAX_PARTITIONS 64
/** Bytes of a page. */
#define AIRLOCK_WINDOW_PAGE_BYTES 4096
/** Pages of a frame at most; 1 at least. */
#define AIRLOCK_WINDOW_MAX_FRAME_PAGES 16
/** Bytes of REFUSED's text, with its terminating zero. */
#define AIRLOCK_WINDOW_TEXT_MAX 200

enum airlock_window_type {
	AIRLOCK_WINDOW_WELCOME = 1,
	AIRLOCK_WINDOW_HELLO,
	AIRLOCK_WINDOW_UNMAP,
	AIRLOCK_WINDOW_UNMAPPED,
	AIRLOCK_WINDOW_REFUSED,
};

struct airlock_window_head {
	uint32_t type; /**< enum airlock_window_type */
	uint32_t bytes; /**< of the datagram, this head included */
};

/** Neighbouring pages (of 4 KiB). */
struct airlock_window_run {
	uint32_t first_page;
	uint32_t nb_pages; /**< 1 or more */
};

/** Frames that one queue of a VM posts. */
struct airlock_window_partition {
	uint32_t first_frame;
	uint32_t nb_frames;
};

/** The pool, as its users see it. */
struct airlock_window_layout {
	uint64_t pool_bytes; /**< size of the file: whole pages */
	uint32_t frame_pages; /**< 1 to AIRLOCK_WINDOW_MAX_FRAME_PAGES; frame f begins at page
				   f x frame_pages. What is left at the end is in no partition */
	uint32_t nb_partitions; /**< 1 to AIRLOCK_WINDOW_MAX_PARTITIONS; queue q posts frames of
				     partition q */
	struct airlock_window_partition partitions[AIRLOCK_WINDOW_MAX_PARTITIONS];
};

struct airlock_window_welcome {
	struct airlock_window_head head;
	uint32_t version;
	uint32_t reserved; /**< 0 */
	uint64_t pool_dev; /**< st_dev of the file */
	uint64_t pool_ino; /**< st_ino of the file */
	struct airlock_window_layout layout;
};

/** With one descriptor (SCM_RIGHTS): a userfaultfd with the window registered for minor faults. */
struct airlock_window_hello {
	struct airlock_window_head head;
	uint32_t version;
	uint32_t
		in_process; /**< 1: the guest is this process, and posts addresses in it; 0: a VM */
	uint64_t base; /**< address of the window in this process */
	uint64_t bytes; /**< its size: that of the pool */
};

struct airlock_window_unmap {
	struct airlock_window_head head;
	uint64_t id; /**< counted from 1 */
	uint32_t nb_runs; /**< 1 to AIRLOCK_WINDOW_MAX_RUNS; as many follow */
	uint32_t reserved; /**< 0 */
	struct airlock_window_run runs[];
};

struct airlock_window_unmapped {
	struct airlock_window_head head;
	uint64_t id; /**< of the UNMAP */
	int32_t error; /**< 0, or an errno: the pages may still be mapped */
	uint32_t ns; /**< that the kernel took for it, UINT32_MAX at most */
};

struct airlock_window_refused {
	struct airlock_window_head head;
	char text[AIRLOCK_WINDOW_TEXT_MAX]; /**< one line, zero-terminated */
};

/**
 * Start of the pool's last page, in a pool that VMs map: what a guest in a VM cannot ask a socket.
 * The whole frame of that page, the last one, is airlock's; it is mapped read-only for every VM. It
 * may be cut short, as the pool need not be a whole number of frames.
 */
#define AIRLOCK_WINDOW_HEADER_MAGIC 0x574b434f4c524941 /* "AIRLOCKW" */

struct airlock_window_header {
	uint64_t magic;
	uint32_t version;
	uint32_t reserved; /**< 0 */
	struct airlock_window_layout layout;
};

#endif /* AIRLOCK_WINDOW_PROTO_H */
