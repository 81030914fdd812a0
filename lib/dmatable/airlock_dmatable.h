/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_DMATABLE_H
#define AIRLOCK_DMATABLE_H

/**
 * @file
 * A VM's DMA table: which frames of the pool are mapped for the VM, and the socket by which its
 * window comes and goes.
 *
 * Frames are mapped at once, by an lcore, and unmapped later, in batches, by the unmap thread,
 * which asks the VM's agent and gives the frames back to their mempool when the agent has answered.
 *
 * A device that works for the VM (an SR-IOV function, a DMA engine) has a table of its own, in the
 * IOMMU: what is mapped for the VM is mapped there too, at its offset in the pool, or is mapped in
 * neither. The unmap thread unmaps it there itself.
 *
 * A frame is given back only when it is known to be dark, to both. What a window that breaks still
 * held stays UNMAPPING, in quarantine, until the VMM is dead, or its page table shows the frame
 * gone.
 *
 * Thread rule: as each function says. Control must not hold a lock that *event* takes while it
 * starts, stops or destroys a table; any other call never waits for the unmap thread. A table that
 * is up may go down at any moment; what an lcore began with it in an iteration it may finish,
 * because the event callback waits for the lcores.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <airlock_page.h>
#include <airlock_pool.h>
#include <airlock_stats.h>

/** RX rings of a VM at most, each with its own lcore. */
#define AIRLOCK_DMATABLE_MAX_QUEUES 16
/** Bytes of a name and of a socket's path, with the terminating zero. */
#define AIRLOCK_DMATABLE_NAME_MAX 32
#define AIRLOCK_DMATABLE_PATH_MAX 108

struct airlock_dmatable;

/** What a guest does that touches a frame that is not mapped for it. */
enum airlock_stray {
	AIRLOCK_STRAY_STALL, /**< it waits until the frame becomes its own */
	AIRLOCK_STRAY_KILL, /**< it gets SIGBUS, where the kernel can (Linux 6.6) */
};

/** When a frame that is given back is taken from the VM's device. */
enum airlock_iommu {
	/** With the agent's batch, never later than it is given on; neighbours share a mapping. */
	AIRLOCK_IOMMU_BATCHED,
	AIRLOCK_IOMMU_STRICT, /**< at once, alone, before the agent is asked */
};

/** A window, as the one who serves the ring needs it. */
struct airlock_window_place {
	uint64_t base; /**< its address in the VMM */
	uint64_t bytes;
	bool in_process; /**< the guest's descriptors hold addresses of the VMM */
	uint32_t tag; /**< of this window's frames (airlock_page.h) */
	uint64_t owner; /**< of the VMM's process alone, as long as this machine is up; not 0 */
};

/**
 * The window came (the place) or went (NULL). In the unmap thread.
 *
 * When it has gone, the callee must not return before no lcore is in a burst with this table:
 * afterwards all its frames are taken back.
 */
typedef void (*airlock_dmatable_event_fn)(
	struct airlock_dmatable *table, const struct airlock_window_place *place, void *arg);

/**
 * Whether the VM may read this frame though it is not mapped: a packet for it was there before its
 * window was lost, and it has not posted the frame since. In the unmap thread.
 *
 * Such a frame is given to the VM when it touches it, empty, as soon as it is free.
 */
typedef bool (*airlock_dmatable_resume_fn)(
	struct airlock_dmatable *table, uint32_t frame, void *arg);

struct airlock_dmatable_conf {
	const char *name; /**< the VM's, for logs */
	const char *path; /**< of the window socket */
	struct airlock_pool *pool;
	enum airlock_stray stray;
	const char *device; /**< PCI address of one that works for the VM; NULL: none */
	const char *device_path; /**< of the socket where it is to be had; NULL without one */
	enum airlock_iommu iommu;
	airlock_dmatable_event_fn event;
	airlock_dmatable_resume_fn resume; /**< NULL: never */
	void *arg; /**< for *event* and *resume* */
};

/** Counters of a table; see airlock_dmatable_stats(). */
struct airlock_dmatable_stats {
	bool up;
	uint32_t tag; /**< of the window that is up */
	int pid; /**< of the VMM; 0 while down */
	uint32_t held; /**< frames LEASED, RELEASED or UNMAPPING */
	uint32_t quarantined; /**< of these, frames of windows that are gone but perhaps not dark */
	uint64_t mapped; /**< frames, ever */
	uint64_t map_calls; /**< runs */
	uint64_t map_tsc; /**< cycles spent mapping */
	uint64_t map_errors;
	uint64_t unmapped; /**< frames, ever */
	uint64_t unmap_runs;
	uint64_t unmap_requests;
	uint64_t unmap_tsc; /**< cycles from request to answer, summed over requests */
	/** That the agents' kernel took for them, as the agents say; and the device's table. */
	uint64_t unmap_ns;
	bool device; /**< there is one, and it was not let go */
	uint32_t held_back; /**< of *held*, dark to the VMM and not yet to the device */
	uint64_t nb_windows; /**< times that an agent handed over a window */
	uint64_t refused; /**< agents turned away */
	uint64_t resumed; /**< frames that were given to the VM because it touched them */
	uint64_t strays; /**< faults on frames that are not the VM's */
};

/**
 * Whether a device can be given to a VM, as far as can be told without taking it. Control.
 *
 * @param device  its PCI address, "0000:00:05.0"
 * @param why     receives what is wrong and what was expected: "does not exist, expected ..."
 * @return 0 or -EINVAL
 */
int airlock_dmatable_check_device(const char *device, char *why, size_t size);

/**
 * Create a table, without a socket yet. It takes the device.
 *
 * @return the table, to be given to airlock_dmatable_destroy(); NULL with rte_errno EINVAL or
 * ENOMEM, or, logged, why the device cannot be had: EBUSY (somebody else has it), or what the
 * driver said
 */
struct airlock_dmatable *airlock_dmatable_create(const struct airlock_dmatable_conf *conf);

/**
 * Listen for the agent, and for who drives the device: it gets the device's descriptor (VFIO), and
 * the connection ends. The first table's start starts the unmap thread.
 *
 * @return 0; -EADDRINUSE (somebody listens there, or it is no socket); or what socket(2), bind(2)
 * or listen(2) said
 */
int airlock_dmatable_start(struct airlock_dmatable *table);

/** Treat strays in another way from now on. Control, at any time. */
void airlock_dmatable_set_stray(struct airlock_dmatable *table, enum airlock_stray stray);

/**
 * Stop: the agent is asked to unmap all, its answer is awaited for up to *wait_ms*, then the
 * connection is closed; *event* is called if the window was there. Frames that were not confirmed
 * to be dark stay UNMAPPING, and go back to the mempool when the VMM is dead or its page table
 * shows them gone: the unmap thread goes on looking. Main thread.
 */
void airlock_dmatable_stop(struct airlock_dmatable *table, uint32_t wait_ms);

/**
 * Stop if it was not stopped, and free. NULL is ignored. The last one ends the unmap thread, unless
 * frames are in quarantine: these are looked after until airlock_dmatable_forget(). Main thread.
 */
void airlock_dmatable_destroy(struct airlock_dmatable *table);

/**
 * Let go of what tables of this pool left in quarantine, before the pool is destroyed and after the
 * tables. Main thread.
 *
 * @return frames that may still be mapped for a VM; they stay UNMAPPING, and out of the mempool
 */
uint32_t airlock_dmatable_forget(struct airlock_pool *pool);

/** Whether frames can be mapped now. Any thread. */
bool airlock_dmatable_is_up(const struct airlock_dmatable *table);

/**
 * Map frames for the VM. The lcore that owns the RX ring.
 *
 * @param queue_id  the RX ring, less than AIRLOCK_DMATABLE_MAX_QUEUES
 * @param runs      n runs; their frames are LEASED to the table's tag
 * @return runs mapped, from the first on. With less than n the window is going, or the kernel
 *         refused (counted): frames of the others are not mapped, but a part of the first of them
 *         may be; all of these are to be withdrawn and given back by airlock_dmatable_unmap()
 */
uint16_t airlock_dmatable_map(struct airlock_dmatable *table, uint16_t queue_id,
	const struct airlock_run *runs, uint16_t n);

/**
 * Have frames unmapped and given back to their mempool. The lcore that owns the RX ring, or
 * control while no lcore can have it.
 *
 * @param frames  n frames, LEASED or RELEASED to the table's tag: they become UNMAPPING. In any
 *                order: the unmap thread sorts them and merges neighbours, of all that is given
 *                within 50 us to 1 ms. A page alone costs the agent some 1000 ns, in a run of 64 it
 *                costs 12 to 75: give whole extents. Their mbufs must be as rte_mbuf_raw_free()
 *                wants them: single, with one reference, and with no next
 */
void airlock_dmatable_unmap(struct airlock_dmatable *table, const uint32_t *frames, uint32_t n);

/**
 * Take back every frame that is LEASED or RELEASED to the window. Control, while no lcore has a
 * ring of this VM.
 */
void airlock_dmatable_unmap_all(struct airlock_dmatable *table);

/** Frames that the VM holds: LEASED, RELEASED or UNMAPPING. Any thread. */
uint32_t airlock_dmatable_held(const struct airlock_dmatable *table);

/** Read the counters. Any thread. */
void airlock_dmatable_stats(
	const struct airlock_dmatable *table, struct airlock_dmatable_stats *stats);

/** What airlock_dmatable_verify() found wrong first. */
struct airlock_dmatable_fault {
	uint32_t page; /**< of the pool */
	enum airlock_page_state state; /**< what the page table says */
	uint32_t tag;
	bool device; /**< it is the device's table that differs; or else the VMM's */
	bool present; /**< what that table says */
};

/**
 * Hold the page table against the VMM's own (/proc/PID/pagemap): a page that is present there must
 * be LEASED, RELEASED or UNMAPPING to this window, and one that is LEASED must be present. The same
 * of the device's table, as far as its driver knows it. Control; exact while the lcores rest: while
 * they run, a page that differs is looked at again.
 *
 * @param fault  receives the first page that differs; may be NULL
 * @return pages that differ, in both tables, 0 also for a table that is down; -EACCES: the VMM's
 *         page table may not be read
 */
int airlock_dmatable_verify(struct airlock_dmatable *table, struct airlock_dmatable_fault *fault);

#endif /* AIRLOCK_DMATABLE_H */
