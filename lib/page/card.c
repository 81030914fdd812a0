/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Which frames the cards have, and who of several threads asks the kernel for a change of that:
 *
 *     NONE   no card is there, or nobody has mapped the frame yet
 *     HAS    mapped
 *     TAKEN  not mapped: a VM has it, or is about to, or had it and it is not FREE yet
 *     BUSY   about to be mapped by attach(), or unmapped by take()
 *
 *     NONE -> BUSY -> HAS    attach()      HAS -> BUSY -> TAKEN    take()
 *     HAS -> NONE            detach()             NONE -> TAKEN
 *     TAKEN -> HAS, NONE     give()
 *
 * A domain that has just ended answers every call with an error; so what an lcore takes from it, or
 * the unmap thread gives to it, is not there, whatever the answer. One that begins anew meanwhile
 * is not missed: give() looks again after it has said NONE.
 *
 * Thread rule: see airlock_card.h.
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "airlock_card.h"

extern int page_logtype;
#define CARD_LOG(level, ...) rte_log(RTE_LOG_##level, page_logtype, "card: " __VA_ARGS__)

enum state {
	NONE,
	HAS,
	TAKEN,
	BUSY,
};

struct airlock_card {
	const struct airlock_page_table *table;
	const struct airlock_card_ops *ops;
	void *domain; /* the main thread's, before anybody takes; NULL: no card was there so far */
	uint32_t nb_frames;
	bool logged; /* that a frame is stuck; the unmap thread's */
	/* Any thread writes and reads. */
	_Atomic uint64_t taken;
	_Atomic uint64_t take_calls;
	_Atomic uint64_t take_tsc;
	_Atomic uint64_t given;
	_Atomic uint64_t give_tsc;
	_Atomic uint64_t errors;
	_Atomic uint32_t nb_stuck;
	_Atomic uint8_t states[]; /* nb_frames */
};

static const struct airlock_card_ops *registered, *driver;

void
airlock_card_driver_register(const struct airlock_card_ops *ops)
{
	registered = ops;
	driver = ops;
}

void
airlock_card_use(const struct airlock_card_ops *ops)
{
	driver = ops != NULL ? ops : registered;
}

struct airlock_card *
airlock_card_create(const struct airlock_page_table *table, uint32_t nb_frames)
{
	struct airlock_card *card;

	rte_errno = nb_frames == 0 || nb_frames > AIRLOCK_CARD_MAX_FRAMES ? EINVAL : ENOTSUP;
	if (rte_errno == EINVAL || driver == NULL)
		return NULL;
	card = calloc(1, sizeof(*card) + nb_frames);
	if (card == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	card->table = table;
	card->ops = driver;
	card->nb_frames = nb_frames;
	return card;
}

static uint64_t
bytes_of(const struct airlock_card *card, uint32_t nb_frames)
{
	return airlock_frame_offset(&card->table->frame, nb_frames);
}

static uintptr_t
address_of(const struct airlock_card *card, uint32_t frame)
{
	return (uintptr_t)airlock_page_addr(card->table, frame);
}

static enum state
state_get(const struct airlock_card *card, uint32_t frame)
{
	return atomic_load_explicit(&card->states[frame], memory_order_acquire);
}

static void
state_set(struct airlock_card *card, uint32_t frame, enum state state)
{
	atomic_store_explicit(&card->states[frame], state, memory_order_release);
}

/* Whether it was this thread that changed it. */
static bool
state_change(struct airlock_card *card, uint32_t frame, enum state from, enum state to)
{
	uint8_t expected = from;

	return atomic_compare_exchange_strong_explicit(
		&card->states[frame], &expected, to, memory_order_acq_rel, memory_order_acquire);
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

bool
airlock_card_is_attached(const struct airlock_card *card)
{
	return card->domain != NULL && card->ops->is_alive(card->domain);
}

int
airlock_card_attach(struct airlock_card *card)
{
	int ret = card->domain == NULL ? card->ops->open(&card->domain) : 0;

	for (uint32_t frame = 0; ret == 0 && frame < card->nb_frames; frame++) {
		if (!state_change(card, frame, NONE, BUSY))
			continue;
		ret = card->ops->map(card->domain, address_of(card, frame), bytes_of(card, 1));
		state_set(card, frame, ret == 0 ? HAS : NONE);
	}
	return ret;
}

void
airlock_card_detach(struct airlock_card *card)
{
	if (card->domain == NULL || card->ops->is_alive(card->domain))
		return;
	for (uint32_t frame = 0; frame < card->nb_frames; frame++)
		state_change(card, frame, HAS, NONE);
}

/* Frames that are BUSY become TAKEN. False: cards have them still. */
static bool
segment_unmap(struct airlock_card *card, uint32_t first, uint32_t end)
{
	bool good;

	if (first == end)
		return true;
	count(&card->take_calls, 1);
	good = card->ops->unmap(
		       card->domain, address_of(card, first), bytes_of(card, end - first)) == 0 ||
		!card->ops->is_alive(card->domain);
	for (uint32_t frame = first; frame < end; frame++)
		state_set(card, frame, good ? TAKEN : HAS);
	return good;
}

static bool
run_take(struct airlock_card *card, const struct airlock_run *run)
{
	uint32_t end = run->first_frame + run->nb_frames, first = run->first_frame, frame;
	bool good = true;

	for (frame = first; frame < end && good; frame++) {
		if (likely(state_change(card, frame, HAS, BUSY)))
			continue;
		/* What is not mapped interrupts what can be unmapped by one call. */
		good = segment_unmap(card, first, frame);
		first = frame + 1;
		good = good && state_change(card, frame, NONE, TAKEN);
	}
	return segment_unmap(card, RTE_MIN(first, frame), frame) && good;
}

uint16_t
airlock_card_take(struct airlock_card *card, const struct airlock_run *runs, uint16_t n)
{
	uint64_t tsc = rte_rdtsc(), nb_frames = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (unlikely(!run_take(card, &runs[i]))) {
			count(&card->errors, runs[i].nb_frames);
			break;
		}
		nb_frames += runs[i].nb_frames;
	}
	count(&card->taken, nb_frames);
	count(&card->take_tsc, rte_rdtsc() - tsc);
	return i;
}

static void
frame_stuck(struct airlock_card *card, uint32_t frame, int error)
{
	count(&card->errors, 1);
	atomic_fetch_add_explicit(&card->nb_stuck, 1, memory_order_relaxed);
	if (!card->logged)
		CARD_LOG(ERR,
			"frame %u cannot be mapped for the cards again: %s; it is not used any "
			"more\n",
			frame, rte_strerror(-error));
	card->logged = true;
}

/* A frame that is TAKEN becomes HAS, or NONE if no card is there. False: it stays TAKEN. */
static bool
frame_give(struct airlock_card *card, uint32_t frame)
{
	for (bool again = false;; again = true) {
		int ret = card->ops->map(card->domain, address_of(card, frame), bytes_of(card, 1));

		if (likely(ret == 0)) {
			state_set(card, frame, HAS);
			return true;
		}
		if (card->ops->is_alive(card->domain)) {
			/* It may have begun after the call. */
			if (ret == -EINVAL && !again)
				continue;
			state_set(card, frame, TAKEN);
			frame_stuck(card, frame, ret);
			return false;
		}
		state_set(card, frame, NONE);
		/* If one begins now, either attach() still comes to this frame, or it is mapped
		 * here.
		 */
		if (likely(!card->ops->is_alive(card->domain)) ||
			!state_change(card, frame, NONE, BUSY))
			return true;
	}
}

bool
airlock_card_give(struct airlock_card *card, uint32_t frame)
{
	uint64_t tsc = rte_rdtsc();
	bool good;

	if (frame >= card->nb_frames || state_get(card, frame) != TAKEN)
		return true;
	if (unlikely(card->domain == NULL)) {
		state_set(card, frame, NONE);
		return true;
	}
	good = frame_give(card, frame);
	count(&card->given, good);
	count(&card->give_tsc, rte_rdtsc() - tsc);
	return good;
}

bool
airlock_card_has(const struct airlock_card *card, uint32_t frame)
{
	return frame < card->nb_frames && state_get(card, frame) == HAS;
}

bool
airlock_card_is_taken(const struct airlock_card *card, uint32_t frame)
{
	return frame >= card->nb_frames || state_get(card, frame) == TAKEN;
}

void
airlock_card_stats(const struct airlock_card *card, struct airlock_card_stats *stats)
{
	*stats = (struct airlock_card_stats){
		.taken = atomic_load_explicit(&card->taken, memory_order_relaxed),
		.take_calls = atomic_load_explicit(&card->take_calls, memory_order_relaxed),
		.take_tsc = atomic_load_explicit(&card->take_tsc, memory_order_relaxed),
		.given = atomic_load_explicit(&card->given, memory_order_relaxed),
		.give_tsc = atomic_load_explicit(&card->give_tsc, memory_order_relaxed),
		.errors = atomic_load_explicit(&card->errors, memory_order_relaxed),
		.nb_stuck = atomic_load_explicit(&card->nb_stuck, memory_order_relaxed),
	};
	for (uint32_t frame = 0; frame < card->nb_frames; frame++)
		stats->nb_has += airlock_card_has(card, frame);
}

void
airlock_card_destroy(struct airlock_card *card)
{
	if (card == NULL)
		return;
	for (uint32_t frame = 0; frame < card->nb_frames; frame++) {
		if (state_get(card, frame) == HAS)
			card->ops->unmap(card->domain, address_of(card, frame), bytes_of(card, 1));
	}
	if (card->domain != NULL)
		card->ops->close(card->domain);
	free(card);
}
