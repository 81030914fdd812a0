/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef CAPTURE_PRIV_H
#define CAPTURE_PRIV_H

/*
 * What the files of lib/capture share. Control files: capture.c (captures come and go),
 * capture_filter.c, capture_file.c (made, and opened); capture_writer.c is a capture's thread.
 * Datapath: capture_burst.c.
 */

#include <pthread.h>

#include <pcap/pcap.h>
#include <rte_ring.h>

#include "airlock_capture.h"

/* Goes before a copied packet, in its mbuf's private area. The lcore writes, the thread reads. */
struct capture_record {
	uint64_t tsc;
	uint32_t wire_bytes; /* that the packet had */
	uint8_t direction;
	uint8_t reason; /* AIRLOCK_DROP_MAX: not dropped */
	char point[AIRLOCK_POINT_NAME_MAX]; /* the point may be gone when it is read */
};

/* What lcores need of a capture. Control writes it before it is published. */
struct capture_source {
	const struct airlock_point *point; /* compared, never followed; NULL: all */
	bool directions[AIRLOCK_DIRECTION_MAX];
	bool drops_only;
	uint32_t snaplen_bytes;
	uint64_t count;
	struct bpf_program filter; /* bf_insns NULL: all packets */
	struct rte_mempool *buffers;
	struct rte_ring *ring; /* lcores put, the thread takes */
	_Atomic uint64_t taken; /* of count; lcores add */
	_Atomic uint64_t missed; /* lcores and the thread add */
};

struct capture_file {
	int fd;
	uint64_t dev;
	uint64_t ino;
	bool created; /* was not there before */
};

struct capture {
	struct capture_source source;
	struct airlock_captures *set;
	/* Control writes all up to the thread's start, and none afterwards. */
	char name[AIRLOCK_CAPTURE_NAME_MAX];
	char path[AIRLOCK_CAPTURE_PATH_MAX];
	char filter[AIRLOCK_CAPTURE_FILTER_MAX];
	char point[AIRLOCK_POINT_NAME_MAX];
	struct capture_file file;
	pthread_t thread;
	/* Under the set's lock. */
	bool published; /* lcores may find it */
	/* Control tells the thread why it shall end (release); RUNNING: it shall not. */
	_Atomic enum airlock_capture_state end;
	/* The thread tells how it ended (release, after error), and what it wrote (relaxed). */
	_Atomic enum airlock_capture_state state;
	int error;
	_Atomic uint64_t packets;
	_Atomic uint64_t bytes;
};

/* What lcores find in the tap. Immutable while published. */
struct capture_list {
	uint32_t n;
	struct capture_source *sources[AIRLOCK_CAPTURE_MAX];
};

struct airlock_captures {
	struct airlock_capture_tap tap;
	struct rte_rcu_qsbr *qsv;
	pthread_mutex_t lock; /* of control and the captures' threads, for all below and the tap */
	struct capture_list
		lists[2]; /* one for lcores, one to write: no list is ever short of memory */
	uint32_t n;
	uint32_t next_number; /* for names of mempools and rings */
	struct capture *captures[AIRLOCK_CAPTURE_MAX];
};

/* capture.c: lcores find it no more, on return. Takes the set's lock. Any thread but lcores. */
void capture_unpublish(struct capture *capture);

/* capture_filter.c: for pcap_freecode(). Returns 0, or -EINVAL with one line in *error*. */
int capture_filter_compile(struct bpf_program *program, const char *filter, char *error);

/* capture_file.c */

/* Returns 0; -EBUSY: another capture of the set has it; or what open() said. */
int capture_file_open(
	struct capture *capture, const struct airlock_capture_conf *conf, char *error);

/* Undo it: a file that was made goes away. */
void capture_file_undo(struct capture *capture);

/* capture_writer.c: start the thread, with the head of the file written. Returns 0 or -errno. */
int capture_writer_start(struct capture *capture);

#endif /* CAPTURE_PRIV_H */
