/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Which VM's packets are copied to which other: the control side of mirror.c. A mirror names the VM
 * that gets the copies by number and stamp, so nothing dangles when that is deleted.
 *
 * Thread rule: control threads under the pipeline's lock.
 */

#include <errno.h>

#include "mirror.h"
#include "pipeline_priv.h"

/* Whether the VM gets copies of another's packets. */
static bool
is_output(struct airlock_pipeline *pl, const struct vm *vm)
{
	for (unsigned int i = 0; i < AIRLOCK_FDB_MAX_VMS; i++) {
		const struct vm *other = vm_get(pl, i);
		struct mirror mirror;

		if (other == NULL)
			continue;
		mirror = mirror_get(other);
		if (mirror.directions != 0 && mirror.vm_id == vm->id && mirror.stamp == vm->stamp)
			return true;
	}
	return false;
}

/* Pairs with nothing: the word is all there is to it. */
static void
mirror_set(struct vm *vm, const struct mirror *mirror)
{
	uint64_t word;

	memcpy(&word, mirror, sizeof(word));
	atomic_store_explicit(&vm->mirror, word, memory_order_relaxed);
}

static int
set(struct airlock_pipeline *pl, struct vm *vm, const struct vm *to,
	enum airlock_mirror_direction direction)
{
	static const uint32_t bits[] = {
		[AIRLOCK_MIRROR_BOTH] = MIRROR_RX | MIRROR_TX,
		[AIRLOCK_MIRROR_RX] = MIRROR_RX,
		[AIRLOCK_MIRROR_TX] = MIRROR_TX,
	};
	struct mirror mirror = {0};

	if (vm == NULL)
		return -ENOENT;
	if (to != NULL) {
		if (to == vm)
			return -EINVAL;
		if (mirror_get(to).directions != 0 || is_output(pl, vm))
			return -ELOOP;
		mirror.vm_id = to->id;
		mirror.stamp = to->stamp;
		mirror.directions = bits[direction];
	}
	mirror_set(vm, &mirror);
	return 0;
}

int
airlock_pipeline_mirror_vm(struct airlock_pipeline *pl, uint16_t vm_id, int to_id,
	enum airlock_mirror_direction direction)
{
	const struct vm *to = NULL;
	int ret = -ENOENT;

	if (vm_id >= AIRLOCK_FDB_MAX_VMS || to_id >= AIRLOCK_FDB_MAX_VMS)
		return -ENOENT;
	pthread_mutex_lock(&pl->lock);
	if (to_id >= 0)
		to = vm_get(pl, to_id);
	if (to_id < 0 || to != NULL)
		ret = set(pl, vm_get(pl, vm_id), to, direction);
	pthread_mutex_unlock(&pl->lock);
	return ret;
}
