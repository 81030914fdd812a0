/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * DMA table driver "vfio": frames in the IOMMU domain of a device that works for a VM. A frame's
 * IOVA is its place in the VM's window, which is its offset in the pool's file.
 *
 * Theory. VFIO's type 1 unmaps whole mappings only, as they were made, and any number of them that
 * lie within one range. So what is mapped at once decides what can be unmapped alone:
 *
 *     strict    one mapping for each frame. Each frame goes as soon as it is taken away
 *     batched   one mapping for each run. A frame that is taken away waits, still mapped, until the
 *               last one of its mapping is taken away; then all of them go at once
 *
 * In both, neighbouring mappings that are due go by one call. A VM that holds one frame of a run
 * keeps the others of the run from being used again, which its quota counts; it harms itself.
 *
 * The kernel allows 65535 mappings in a container, and limits locked memory. What it refuses is not
 * mapped; of a run that was mapped in part, the part is taken away as any other.
 *
 * A device that is gone reaches nothing: then every frame is dark.
 *
 * Thread rule: as airlock_dmatable_driver.h says. pieces[] of a frame is written by the lcore that
 * maps it, and by the unmap thread once the frame was taken away; what hands it over, the table's
 * chain, orders both. Control reads *first* alone, at any time.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_common.h>

#include <airlock_dmatable_driver.h>

#include "vfio_container.h"

#define NONE UINT32_MAX

/* A frame in the device's domain. */
struct piece {
	_Atomic uint32_t first; /* frame that its mapping begins with; NONE: not mapped */
	bool taken; /* away from the VM */
	/* Of the mapping, in its first frame's piece. */
	uint32_t nb_frames;
	uint32_t nb_left; /* not taken away */
};

struct vfio_space {
	const struct vfio_container_ops *ops;
	void *container;
	uintptr_t vaddr; /* of the pool */
	struct airlock_frame_size frame;
	uint32_t nb_frames;
	bool strict;
	struct piece *pieces;
};

/* Frames that are dark, or will be by one call. */
struct due {
	uint32_t first;
	uint32_t end;
	bool mapped; /* any of them */
};

static const struct vfio_container_ops *container_ops = &vfio_container_linux;

void
vfio_container_use(const struct vfio_container_ops *ops)
{
	container_ops = ops != NULL ? ops : &vfio_container_linux;
}

static uint32_t
first_get(const struct vfio_space *space, uint32_t frame)
{
	return atomic_load_explicit(&space->pieces[frame].first, memory_order_relaxed);
}

static void
first_set(struct vfio_space *space, uint32_t frame, uint32_t first)
{
	atomic_store_explicit(&space->pieces[frame].first, first, memory_order_relaxed);
}

static int
vfio_check(const char *device, char *why, size_t size)
{
	return container_ops->check(device, why, size);
}

static int
vfio_open(const char *device, const struct airlock_page_table *pages, bool strict, void **arg)
{
	struct vfio_space *space;
	int ret = -ENOMEM;

	space = malloc(sizeof(*space));
	if (space == NULL)
		return -ENOMEM;
	*space = (struct vfio_space){
		.ops = container_ops,
		.vaddr = pages->base,
		.frame = pages->frame,
		.nb_frames = pages->nb_frames,
		.strict = strict,
	};
	space->pieces = calloc(pages->nb_frames, sizeof(space->pieces[0]));
	if (space->pieces == NULL)
		goto free_space;
	for (uint32_t frame = 0; frame < pages->nb_frames; frame++)
		first_set(space, frame, NONE);
	ret = space->ops->open(device, &space->container);
	if (ret < 0)
		goto free_pieces;
	*arg = space;
	return 0;

free_pieces:
	free(space->pieces);
free_space:
	free(space);
	return ret;
}

static int
range_unmap(const struct vfio_space *space, uint32_t first, uint32_t end)
{
	int ret = space->ops->unmap(space->container, airlock_frame_offset(&space->frame, first),
		airlock_frame_offset(&space->frame, end - first));

	return ret < 0 && !space->ops->is_alive(space->container) ? 0 : ret;
}

static int
vfio_unmap_all(void *arg)
{
	struct vfio_space *space = arg;
	int ret = range_unmap(space, 0, space->nb_frames);

	for (uint32_t frame = 0; ret == 0 && frame < space->nb_frames; frame++)
		first_set(space, frame, NONE);
	return ret;
}

static void
vfio_close(void *arg)
{
	struct vfio_space *space = arg;

	/* Somebody else may have the device still. */
	vfio_unmap_all(space);
	space->ops->close(space->container);
	free(space->pieces);
	free(space);
}

static int
mapping_add(struct vfio_space *space, uint32_t first, uint32_t nb_frames)
{
	uint64_t offset = airlock_frame_offset(&space->frame, first);
	int ret;

	ret = space->ops->map(space->container, offset, space->vaddr + offset,
		airlock_frame_offset(&space->frame, nb_frames));
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < nb_frames; i++) {
		space->pieces[first + i].taken = false;
		first_set(space, first + i, first);
	}
	space->pieces[first].nb_frames = nb_frames;
	space->pieces[first].nb_left = nb_frames;
	return 0;
}

static int
map_run(struct vfio_space *space, const struct airlock_run *run)
{
	uint32_t step = space->strict ? 1 : run->nb_frames;
	int ret = 0;

	for (uint32_t i = 0; i < run->nb_frames && ret == 0; i += step)
		ret = mapping_add(space, run->first_frame + i, step);
	return ret;
}

static uint16_t
vfio_map(void *arg, const struct airlock_run *runs, uint16_t n, int *error)
{
	struct vfio_space *space = arg;

	for (uint16_t i = 0; i < n; i++) {
		int ret = map_run(space, &runs[i]);

		if (unlikely(ret < 0)) {
			*error = ret;
			return i;
		}
	}
	return n;
}

/* What could not be unmapped stays as it is, to be tried again with the next call for it. */
static void
due_flush(struct vfio_space *space, struct due *due, airlock_dmatable_dark_fn dark, void *arg)
{
	struct airlock_run run = {.first_frame = due->first, .nb_frames = due->end - due->first};

	if (run.nb_frames == 0)
		return;
	if (!due->mapped || range_unmap(space, due->first, due->end) == 0) {
		for (uint32_t frame = due->first; frame < due->end; frame++)
			first_set(space, frame, NONE);
		dark(arg, &run);
	}
	due->first = due->end;
	due->mapped = false;
}

static void
due_add(struct vfio_space *space, struct due *due, const struct airlock_run *run, bool mapped,
	airlock_dmatable_dark_fn dark, void *arg)
{
	if (run->first_frame != due->end) {
		due_flush(space, due, dark, arg);
		due->first = run->first_frame;
	}
	due->end = run->first_frame + run->nb_frames;
	due->mapped |= mapped;
}

static void
vfio_unmap(void *arg, const struct airlock_run *run, airlock_dmatable_dark_fn dark, void *dark_arg)
{
	uint32_t end = run->first_frame + run->nb_frames;
	struct vfio_space *space = arg;
	struct due due = {0};

	for (uint32_t frame = run->first_frame; frame < end; frame++) {
		struct piece *piece = &space->pieces[frame], *mapping;
		uint32_t first = first_get(space, frame);
		struct airlock_run whole = {.first_frame = frame, .nb_frames = 1};

		/* Of a mapping that is due already. */
		if (frame >= due.first && frame < due.end)
			continue;
		if (first == NONE) {
			due_add(space, &due, &whole, false, dark, dark_arg);
			continue;
		}
		mapping = &space->pieces[first];
		mapping->nb_left -= !piece->taken;
		piece->taken = true;
		if (mapping->nb_left != 0)
			continue;
		whole = (struct airlock_run){first, mapping->nb_frames};
		due_add(space, &due, &whole, true, dark, dark_arg);
	}
	due_flush(space, &due, dark, dark_arg);
}

static bool
vfio_has(const void *arg, uint32_t frame)
{
	return first_get(arg, frame) != NONE;
}

static int
vfio_poll_fd(const void *arg)
{
	const struct vfio_space *space = arg;

	return space->ops->poll_fd(space->container);
}

static int
vfio_device_fd(const void *arg)
{
	const struct vfio_space *space = arg;

	return space->ops->device_fd(space->container);
}

static void
vfio_let_go(void *arg)
{
	struct vfio_space *space = arg;

	space->ops->let_go(space->container);
}

static const struct airlock_dmatable_device_ops vfio_ops = {
	.name = "vfio",
	.check = vfio_check,
	.open = vfio_open,
	.close = vfio_close,
	.map = vfio_map,
	.unmap = vfio_unmap,
	.unmap_all = vfio_unmap_all,
	.has = vfio_has,
	.poll_fd = vfio_poll_fd,
	.device_fd = vfio_device_fd,
	.let_go = vfio_let_go,
};

RTE_INIT(dmatable_vfio_register)
{
	airlock_dmatable_device_driver_register(&vfio_ops);
}
