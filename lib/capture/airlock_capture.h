/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_CAPTURE_H
#define AIRLOCK_CAPTURE_H

/**
 * @file
 * Packet capture: copies of packets that pass a point, or that are dropped there, in a pcapng file.
 *
 * Lcores call airlock_capture_burst() and airlock_capture_drop() at each point; while nothing is
 * captured that is a load and a branch. A capture has a thread of its own that writes its file, so
 * a slow disk holds up neither lcores nor other captures: what finds no free buffer is *missed*.
 *
 * Thread rule: airlock_captures_*() are for control threads, one at a time; lcores have the tap.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include <airlock_stats.h>

/** Captures at once, also ended ones that nobody has stopped yet. */
#define AIRLOCK_CAPTURE_MAX 16
/** Bytes of a name, with its terminating zero. */
#define AIRLOCK_CAPTURE_NAME_MAX 32
/** Bytes of a file's path, with its terminating zero. */
#define AIRLOCK_CAPTURE_PATH_MAX 1024
/** Bytes of a filter, with its terminating zero. */
#define AIRLOCK_CAPTURE_FILTER_MAX 2048
/** Bytes of a packet that can be captured; more than any packet here has. */
#define AIRLOCK_CAPTURE_SNAPLEN_MAX 262144
/** Packets that can wait for a capture's thread if none is longer than a buffer. */
#define AIRLOCK_CAPTURE_BUFFERS 4096
/** Bytes of a packet in a buffer; a longer one takes several. */
#define AIRLOCK_CAPTURE_BUFFER_BYTES 2048
/** Bytes of an error's line, with its terminating zero. */
#define AIRLOCK_CAPTURE_ERROR_MAX 512

struct airlock_captures;
struct capture_list;

/** What lcores look at. Control publishes (release), lcores read (acquire). */
struct airlock_capture_tap {
	_Atomic(struct capture_list *) list; /**< NULL: nothing is captured */
};

struct airlock_capture_conf {
	const char *name; /**< letters, digits, '.', '_' and '-'; 1 to 31 */
	const char *path; /**< absolute */
	bool overwrite; /**< a file that is there */
	const struct airlock_point *point; /**< NULL: all */
	bool directions[AIRLOCK_DIRECTION_MAX];
	bool drops_only; /**< only what is dropped; else only what is not */
	const char *filter; /**< as pcap-filter(7) has it; NULL or empty: all */
	uint32_t snaplen_bytes; /**< 1 to AIRLOCK_CAPTURE_SNAPLEN_MAX */
	uint64_t count; /**< packets after which it ends; 0: no limit */
};

enum airlock_capture_state {
	AIRLOCK_CAPTURE_RUNNING,
	AIRLOCK_CAPTURE_COMPLETE, /**< *count* packets are in the file */
	AIRLOCK_CAPTURE_STOPPED,
	AIRLOCK_CAPTURE_GONE, /**< its point was removed */
	AIRLOCK_CAPTURE_FAILED, /**< the file could not be written */
	AIRLOCK_CAPTURE_STATE_MAX,
};

/** A capture as control threads see it. */
struct airlock_capture_info {
	char name[AIRLOCK_CAPTURE_NAME_MAX];
	char path[AIRLOCK_CAPTURE_PATH_MAX];
	char filter[AIRLOCK_CAPTURE_FILTER_MAX];
	char point[AIRLOCK_POINT_NAME_MAX]; /**< empty: all */
	bool directions[AIRLOCK_DIRECTION_MAX];
	bool drops_only;
	uint32_t snaplen_bytes;
	uint64_t count;
	enum airlock_capture_state state;
	int error; /**< errno, if it failed */
	uint64_t packets; /**< in the file */
	uint64_t bytes; /**< of the file */
	uint64_t missed; /**< packets that found no buffer, or that the file had no room for */
};

/**
 * Make a set of captures, without any.
 *
 * @param qsv  of the lcores that have the tap; outlives the set
 * @return the set, to be given to airlock_captures_destroy(); NULL if out of memory
 */
struct airlock_captures *airlock_captures_create(struct rte_rcu_qsbr *qsv);

/** Stop all captures, and free the set. NULL is ignored. */
void airlock_captures_destroy(struct airlock_captures *captures);

/** What lcores look at, for the set's life. */
const struct airlock_capture_tap *airlock_captures_tap(const struct airlock_captures *captures);

/**
 * Start a capture. Its file is there, with a head, on return.
 *
 * @param conf   copied; the point must stay until airlock_captures_end() or the capture's end
 * @param error  AIRLOCK_CAPTURE_ERROR_MAX bytes; receives one line if it fails
 * @return 0; -EINVAL: a value of conf is out of range; -EEXIST: a capture has the name, or the
 *         file is there; -EBUSY: another capture writes the file; -ENOSPC: too many captures;
 *         -ENOMEM; or what opening the file said. On error nothing has changed.
 */
int airlock_captures_start(
	struct airlock_captures *captures, const struct airlock_capture_conf *conf, char *error);

/**
 * Stop a capture, whether it has ended or not, and forget it. Its file is complete on return.
 *
 * @param info  receives its last figures
 * @return 0, or -ENOENT
 */
int airlock_captures_stop(
	struct airlock_captures *captures, const char *name, struct airlock_capture_info *info);

/** End all captures of a point; they stay listed. On return no lcore uses the point for them. */
void airlock_captures_end(struct airlock_captures *captures, const struct airlock_point *point);

/**
 * A capture, in the order of their starts.
 *
 * @param idx  from 0 on
 * @return 0; -ENOENT: there are no more
 */
int airlock_captures_info(
	struct airlock_captures *captures, unsigned int idx, struct airlock_capture_info *info);

/** Name of a state: "running". */
const char *airlock_capture_state_name(enum airlock_capture_state state);

/** Copy packets to the captures that want them: the slow part. AIRLOCK_DROP_MAX: not dropped. */
void capture_copy(struct capture_list *list, const struct airlock_point *point,
	enum airlock_direction direction, enum airlock_drop reason, struct rte_mbuf *const *mbufs,
	uint16_t n);

/** Whether anything is captured; what is found a moment later may differ. Any lcore. */
static inline bool
airlock_capture_is_on(const struct airlock_capture_tap *tap)
{
	return atomic_load_explicit(&tap->list, memory_order_relaxed) != NULL;
}

/**
 * Packets pass a point. Any lcore; the packets stay the caller's, unchanged.
 *
 * What it finds in the tap it uses until it returns: the lcore's next quiescent state comes later.
 */
static inline void
airlock_capture_burst(const struct airlock_capture_tap *tap, const struct airlock_point *point,
	enum airlock_direction direction, struct rte_mbuf *const *mbufs, uint16_t n)
{
	/* Pairs with the exchange in list_publish(). */
	struct capture_list *list = atomic_load_explicit(&tap->list, memory_order_acquire);

	if (unlikely(list != NULL))
		capture_copy(list, point, direction, AIRLOCK_DROP_MAX, mbufs, n);
}

/**
 * Packets are dropped: count them under *reason*, and capture them. The one writer of *drops*; the
 * packets stay the caller's.
 */
static inline void
airlock_capture_drop(const struct airlock_capture_tap *tap, struct airlock_drops *drops,
	enum airlock_drop reason, struct rte_mbuf *const *mbufs, uint16_t n)
{
	/* Pairs with the exchange in list_publish(). */
	struct capture_list *list = atomic_load_explicit(&tap->list, memory_order_acquire);

	airlock_drop_count(drops, reason, n);
	if (unlikely(list != NULL))
		capture_copy(list, drops->point, drops->direction, reason, mbufs, n);
}

#endif /* AIRLOCK_CAPTURE_H */
