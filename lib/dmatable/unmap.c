/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Frames on their way back: from the chain that lcores fill, by way of a set that sorts and merges
 * them, into requests to the agent; and with its answer into their mempool.
 *
 * Many requests are on their way at a time. One for which the socket has no room waits for
 * EPOLLOUT, and what comes meanwhile gathers in the set. Answers come in the order of the requests;
 * anything else, and any error in one, ends the connection, since nobody knows then what is mapped.
 *
 * Thread rule: the unmap thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <rte_cycles.h>

#include <airlock_card.h>

#include "dmatable_priv.h"

/* Mbufs given back in one call. */
#define BULK 64

/* Take over what was given. */
static bool
chain_take(struct airlock_dmatable *table)
{
	uint32_t frame;

	if (atomic_load_explicit(&table->chain, memory_order_relaxed) == CHAIN_END)
		return false;
	/* Acquire: pairs with airlock_dmatable_unmap(), for links and words. */
	frame = atomic_exchange_explicit(&table->chain, CHAIN_END, memory_order_acquire);
	for (; frame != CHAIN_END; frame = table->next_in_chain[frame])
		frames_add(&table->pending, frame);
	return true;
}

/* Of frames to pages. */
static void
request_add(struct request *request, const struct airlock_run *run, uint32_t frame_pages)
{
	request->msg.runs[request->msg.nb_runs++] = (struct airlock_window_run){
		.first_page = run->first_frame * frame_pages,
		.nb_pages = run->nb_frames * frame_pages,
	};
	request->nb_frames += run->nb_frames;
}

/* NULL: no memory. */
static struct request *
request_create(struct airlock_dmatable *table)
{
	uint32_t frame_pages = table->pages->frame.pages;
	struct request *request;
	struct airlock_run run;

	request = malloc(sizeof(*request) + AIRLOCK_WINDOW_MAX_RUNS * sizeof(request->msg.runs[0]));
	if (request == NULL)
		return NULL;
	memset(request, 0, sizeof(*request));
	while (request->msg.nb_runs < AIRLOCK_WINDOW_MAX_RUNS &&
		frames_take_run(&table->pending, &run)) {
		device_take(table, &run);
		request_add(request, &run, frame_pages);
	}
	request->msg.head.type = AIRLOCK_WINDOW_UNMAP;
	request->msg.head.bytes =
		sizeof(request->msg) + request->msg.nb_runs * sizeof(request->msg.runs[0]);
	request->msg.id = ++table->last_id;
	STAILQ_INSERT_TAIL(&table->requests, request, next);
	table->nb_requests++;
	return request;
}

/* 0; -EAGAIN: the socket is full. Another error shows when the socket is read. */
static int
request_send(struct airlock_dmatable *table, struct request *request)
{
	int ret;

	request->sent_tsc = rte_rdtsc();
	ret = agent_send(table, &request->msg, request->msg.head.bytes);
	if (ret == -EAGAIN || ret == -ENOBUFS || ret == -ENOMEM) {
		if (!table->socket_full)
			watch_change(&table->agent, EPOLLIN | EPOLLOUT);
		table->socket_full = true;
		return -EAGAIN;
	}
	request->sent = true;
	airlock_count(&table->counters.unmap_requests, 1);
	airlock_count(&table->counters.unmap_runs, request->msg.nb_runs);
	return 0;
}

static void
waiting_count(struct airlock_dmatable *table)
{
	const struct request *request;
	uint32_t waiting = table->pending.count;

	STAILQ_FOREACH (request, &table->requests, next)
		waiting += request->nb_frames;
	atomic_store_explicit(&table->counters.waiting, waiting, memory_order_relaxed);
}

static void
requests_send(struct airlock_dmatable *table)
{
	while (!table->socket_full && table->pending.count != 0 &&
		table->nb_requests < MAX_REQUESTS) {
		struct request *request = request_create(table);

		if (request == NULL || request_send(table, request) < 0)
			break;
	}
}

bool
unmap_look(struct airlock_dmatable *table)
{
	bool took = chain_take(table);

	requests_send(table);
	waiting_count(table);
	return took;
}

void
unmap_resume(struct airlock_dmatable *table)
{
	struct request *request;

	if (!table->socket_full)
		return;
	table->socket_full = false;
	watch_change(&table->agent, EPOLLIN);
	STAILQ_FOREACH (request, &table->requests, next) {
		if (!request->sent && request_send(table, request) < 0)
			return;
	}
	requests_send(table);
}

/* Mbufs of one mempool. */
static void
bulk_put(struct rte_mbuf **mbufs, unsigned int n)
{
	if (n != 0)
		rte_mempool_put_bulk(mbufs[0]->pool, (void **)mbufs, n);
}

uint32_t
unmap_give_back(struct airlock_page_table *pages, const struct airlock_run *run)
{
	struct rte_mbuf *mbufs[BULK];
	uint32_t nb_stuck = 0;
	unsigned int n = 0;

	for (uint32_t i = 0; i < run->nb_frames; i++) {
		struct rte_mbuf *m = pages->mbufs[run->first_frame + i];

		if (unlikely(pages->card != NULL) &&
			!airlock_card_give(pages->card, run->first_frame + i)) {
			nb_stuck++;
			continue;
		}
		if (n == BULK || (n != 0 && mbufs[0]->pool != m->pool)) {
			bulk_put(mbufs, n);
			n = 0;
		}
		mbufs[n++] = m;
	}
	bulk_put(mbufs, n);
	return run->nb_frames - nb_stuck;
}

static void
request_finish(struct airlock_dmatable *table, const struct request *request)
{
	const struct airlock_frame_size *frame = &table->pages->frame;

	for (uint32_t i = 0; i < request->msg.nb_runs; i++) {
		struct airlock_run run = {
			.first_frame =
				airlock_frame_of_page(frame, request->msg.runs[i].first_page),
			.nb_frames = airlock_frame_of_page(frame, request->msg.runs[i].nb_pages),
		};

		device_finish(table, &run);
	}
	airlock_count(&table->counters.unmapped, request->nb_frames);
	airlock_count(&table->counters.unmap_tsc, rte_rdtsc() - request->sent_tsc);
}

int
unmap_answer(struct airlock_dmatable *table, const struct airlock_window_unmapped *answer)
{
	struct request *request = STAILQ_FIRST(&table->requests);

	if (request == NULL || !request->sent || request->msg.id != answer->id ||
		answer->error != 0)
		return -EPROTO;
	STAILQ_REMOVE_HEAD(&table->requests, next);
	table->nb_requests--;
	request_finish(table, request);
	airlock_count(&table->counters.unmap_ns, answer->ns);
	free(request);
	waiting_count(table);
	return 0;
}

void
unmap_forget(struct airlock_dmatable *table)
{
	struct request *request;

	while ((request = STAILQ_FIRST(&table->requests)) != NULL) {
		STAILQ_REMOVE_HEAD(&table->requests, next);
		free(request);
	}
	table->nb_requests = 0;
	table->socket_full = false;
	atomic_store_explicit(&table->chain, CHAIN_END, memory_order_relaxed);
	frames_clear(&table->pending);
	waiting_count(table);
}
