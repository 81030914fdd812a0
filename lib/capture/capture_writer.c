/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A capture's thread: takes what lcores copied, makes blocks of it, and writes whole blocks, so
 * that the file can be read at any time and whatever ends it.
 *
 * Lcores make no system call, so nobody wakes the thread: without packets it sleeps a millisecond.
 * It ends when control says so, after lcores have ceased to find the capture; or by itself, when
 * the file has as many packets as it shall have or takes no more, and then it sees to the former.
 *
 * Time stamps are cycle counts until here. The two clocks are compared once a second, so that they
 * do not drift apart.
 *
 * Thread rule: the thread's own, but for capture_writer_start().
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "capture_priv.h"
#include "pcapng.h"

#define NAP_US	     1000
#define BURST	     64
#define BLOCK_MAX    (AIRLOCK_CAPTURE_SNAPLEN_MAX + PCAPNG_OVERHEAD)
#define BUFFER_BYTES (2 * BLOCK_MAX)
#define NS_PER_SEC   1000000000
#define CLOCK_TRIES  5

/* The same moment by two clocks. */
struct moment {
	uint64_t tsc;
	uint64_t ns;
};

struct writer {
	struct capture *capture;
	struct pcapng_out out;
	uint32_t nb_waiting; /* packets in *out* */
	int err;
	struct moment now;
	uint64_t start_ns;
	double ns_per_tick;
	uint32_t nb_interfaces;
	char (*interfaces)[AIRLOCK_POINT_NAME_MAX];
};

/* The try that was interrupted least. */
static struct moment
moment_now(void)
{
	struct moment best = {0};
	uint64_t best_ticks = UINT64_MAX;

	for (unsigned int i = 0; i < CLOCK_TRIES; i++) {
		struct timespec now;
		uint64_t before = rte_rdtsc(), ticks;

		clock_gettime(CLOCK_REALTIME, &now);
		ticks = rte_rdtsc() - before;
		if (ticks >= best_ticks)
			continue;
		best_ticks = ticks;
		best.tsc = before + ticks / 2;
		best.ns = (uint64_t)now.tv_sec * NS_PER_SEC + now.tv_nsec;
	}
	return best;
}

static uint64_t
time_of(const struct writer *w, uint64_t tsc)
{
	return w->now.ns + (int64_t)((double)(int64_t)(tsc - w->now.tsc) * w->ns_per_tick);
}

/* What does not go is cut back to whole blocks, and counted as missed. */
static void
flush(struct writer *w)
{
	struct capture *capture = w->capture;
	struct pcapng_extent whole = {.bytes = w->out.len, .nb_packets = w->nb_waiting};
	uint64_t bytes = atomic_load_explicit(&capture->bytes, memory_order_relaxed);
	size_t done = 0;

	while (done < w->out.len && w->err == 0) {
		ssize_t n = write(capture->file.fd, w->out.data + done, w->out.len - done);

		if (n >= 0)
			done += n;
		else if (errno != EINTR)
			w->err = errno;
	}
	if (done < w->out.len) {
		whole = pcapng_whole(w->out.data, done);
		if (ftruncate(capture->file.fd, bytes + whole.bytes) < 0)
			whole.bytes = done;
	}
	atomic_fetch_add_explicit(
		&capture->source.missed, w->nb_waiting - whole.nb_packets, memory_order_relaxed);
	airlock_count(&capture->packets, whole.nb_packets);
	airlock_count(&capture->bytes, whole.bytes);
	w->out.len = 0;
	w->nb_waiting = 0;
}

static void
make_room(struct writer *w)
{
	if (w->out.size - w->out.len < BLOCK_MAX)
		flush(w);
}

static const char *
filter_of(const struct capture *capture)
{
	return capture->filter[0] != '\0' ? capture->filter : NULL;
}

/* The interface of a point, by its name; a new one gets a block. -1: no memory. */
static int
interface_of(struct writer *w, const char *name)
{
	void *interfaces;

	for (uint32_t i = 0; i < w->nb_interfaces; i++) {
		if (strcmp(w->interfaces[i], name) == 0)
			return i;
	}
	interfaces = realloc(w->interfaces, (w->nb_interfaces + 1) * sizeof(*w->interfaces));
	if (interfaces == NULL) {
		w->err = ENOMEM;
		return -1;
	}
	w->interfaces = interfaces;
	snprintf(w->interfaces[w->nb_interfaces], sizeof(*w->interfaces), "%s", name);
	make_room(w);
	pcapng_interface(&w->out, name[0] != '\0' ? name : "none", filter_of(w->capture),
		w->capture->source.snaplen_bytes);
	return w->nb_interfaces++;
}

static void
put_packet(struct writer *w, struct rte_mbuf *m)
{
	const struct capture_record *record = rte_mbuf_to_priv(m);
	char comment[64];
	struct pcapng_packet packet = {
		.time_ns = time_of(w, record->tsc),
		.wire_bytes = record->wire_bytes,
		.direction = record->direction,
	};
	int interface = w->err == 0 ? interface_of(w, record->point) : -1;

	if (interface < 0) {
		atomic_fetch_add_explicit(&w->capture->source.missed, 1, memory_order_relaxed);
		return;
	}
	packet.interface_id = interface;
	if (record->reason != AIRLOCK_DROP_MAX) {
		snprintf(comment, sizeof(comment), "drop: %s", airlock_drop_name(record->reason));
		packet.comment = comment;
	}
	make_room(w);
	/* A tag that was put in again may have made it longer. */
	pcapng_packet(&w->out, &packet, m, RTE_MIN(m->pkt_len, w->capture->source.snaplen_bytes));
	w->nb_waiting++;
}

/* Returns packets. */
static unsigned int
take_packets(struct writer *w)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned int n;

	n = rte_ring_sc_dequeue_burst(w->capture->source.ring, (void **)mbufs, BURST, NULL);
	if (rte_rdtsc() - w->now.tsc > rte_get_tsc_hz())
		w->now = moment_now();
	for (unsigned int i = 0; i < n; i++)
		put_packet(w, mbufs[i]);
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static bool
is_complete(const struct writer *w)
{
	const struct capture *capture = w->capture;

	return capture->source.count != 0 &&
		atomic_load_explicit(&capture->packets, memory_order_relaxed) ==
		capture->source.count;
}

/* Until there is a reason to end. */
static enum airlock_capture_state
run(struct writer *w)
{
	for (;;) {
		/* Pairs with the store in end_capture(): no lcore has the capture any more. */
		enum airlock_capture_state end =
			atomic_load_explicit(&w->capture->end, memory_order_acquire);

		if (take_packets(w) == 0) {
			flush(w);
			if (end == AIRLOCK_CAPTURE_RUNNING)
				usleep(NAP_US);
		} else {
			end = AIRLOCK_CAPTURE_RUNNING;
		}
		if (w->err != 0)
			return AIRLOCK_CAPTURE_FAILED;
		if (is_complete(w))
			return AIRLOCK_CAPTURE_COMPLETE;
		if (end != AIRLOCK_CAPTURE_RUNNING)
			return end;
	}
}

/*
 * Of all points together there is nothing that could be said of one interface. But one there has to
 * be: readers refuse a file without any.
 */
static void
put_end(struct writer *w)
{
	const struct capture *capture = w->capture;
	struct pcapng_statistics statistics = {
		.start_ns = w->start_ns,
		.end_ns = moment_now().ns,
		.missed = atomic_load_explicit(&capture->source.missed, memory_order_relaxed),
	};

	if (capture->point[0] == '\0') {
		if (w->nb_interfaces == 0)
			interface_of(w, "");
		flush(w);
		return;
	}
	statistics.received =
		statistics.missed + atomic_load_explicit(&capture->packets, memory_order_relaxed);
	pcapng_statistics(&w->out, &statistics);
	flush(w);
}

static void
writer_free(struct writer *w)
{
	free(w->interfaces);
	free(w->out.data);
	free(w);
}

static void *
writer_main(void *arg)
{
	struct writer *w = arg;
	struct capture *capture = w->capture;
	enum airlock_capture_state state = run(w);

	/* If it ends by itself, lcores have it still. */
	capture_unpublish(capture);
	while (take_packets(w) > 0)
		;
	if (w->err == 0)
		put_end(w);
	if (close(capture->file.fd) < 0 && w->err == 0)
		w->err = errno;
	capture->error = w->err;
	/* Pairs with the load in fill_info(). */
	atomic_store_explicit(&capture->state, w->err == 0 ? state : AIRLOCK_CAPTURE_FAILED,
		memory_order_release);
	writer_free(w);
	return NULL;
}

static struct writer *
writer_create(struct capture *capture)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->capture = capture;
	w->out.size = BUFFER_BYTES;
	w->out.data = malloc(w->out.size);
	w->now = moment_now();
	w->start_ns = w->now.ns;
	w->ns_per_tick = (double)NS_PER_SEC / rte_get_tsc_hz();
	if (w->out.data == NULL) {
		writer_free(w);
		return NULL;
	}
	return w;
}

static void
put_head(struct writer *w)
{
	pcapng_section(&w->out, "airlockd " AIRLOCK_VERSION);
	if (w->capture->point[0] != '\0')
		interface_of(w, w->capture->point);
	flush(w);
}

int
capture_writer_start(struct capture *capture)
{
	struct writer *w = writer_create(capture);
	sigset_t all, before;
	int ret;

	if (w == NULL)
		return -ENOMEM;
	if (ftruncate(capture->file.fd, 0) < 0)
		w->err = errno;
	put_head(w);
	ret = -w->err;
	if (ret == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		ret = -pthread_create(&capture->thread, NULL, writer_main, w);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (ret < 0)
		writer_free(w);
	else
		pthread_setname_np(capture->thread, "airlock-capture");
	return ret;
}
