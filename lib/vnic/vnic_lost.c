/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A guest's memory that is gone while it is mapped.
 *
 * A guest's memory is a file of the front end's. Whoever has it can truncate it; a file in
 * hugetlbfs can lack a huge page at the first access, and a page of it can fail (the machine
 * check). Airlock's next access then raises SIGBUS, which would end the daemon for all VMs. So it
 * is handled: the memory is replaced by anonymous memory that reads as zero, the access is
 * repeated, and the VM is *lost*: its rings are down until it connects anew. What an lcore makes of
 * the zeros in the burst that it is in is what it makes of any ring of a guest's: nothing that is
 * not checked.
 *
 * Which addresses are a guest's is noted (the *guard*) while its device is up, which is when lcores
 * use them. rte_vhost's thread uses rings before that, and in the middle of a message that brings
 * new memory; so what it cannot access counts as memory of the VM whose message it handles, or did
 * last. Only the page is replaced then: nobody knows yet how much belongs to it.
 *
 * The handler runs in the thread that made the access. It looks into the guards, which are never
 * freed, and calls mmap(2); both are safe there. While a thread reads memory nobody unmaps that, so
 * what is replaced is what it read from.
 *
 * Thread rule: rte_vhost's thread, and whoever creates, stops or polls the NIC; the handler any.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vnic_priv.h"

/* As many sockets as rte_vhost takes. */
#define MAX_GUARDS 1024
/* As many regions as rte_vhost takes, and the log. */
#define MAX_AREAS 9
#define LOG_AREA  (MAX_AREAS - 1)

/* One mapping. rte_vhost's thread changes it, while no lcore uses it; handlers read. */
struct area {
	_Atomic uintptr_t start;
	_Atomic size_t bytes; /* 0: none. Written last (release) */
};

enum state {
	THERE, /* a new connection says so */
	LOST, /* a handler does */
	TOLD, /* that was logged, by rte_vhost's thread or by the one that polls */
};

struct vnic_guard {
	struct airlock_vnic
		*vnic; /* NULL: free. Under guards_lock; handlers read that of their VM */
	_Atomic enum state state;
	_Atomic uint64_t nb_lost; /* times; handlers write */
	struct area areas[MAX_AREAS];
};

static struct vnic_guard guards[MAX_GUARDS];
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;

/* Of the VM whose message this thread has begun to handle last. */
static __thread struct vnic_guard *in_message;

static bool
replace(uintptr_t start, size_t bytes)
{
	return mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		       0) != MAP_FAILED;
}

/* A part of a huge page cannot be replaced; then the error is EINVAL. */
static bool
replace_page(uintptr_t address)
{
	static const size_t sizes[] = {4096, RTE_PGSIZE_2M, RTE_PGSIZE_1G};

	for (unsigned int i = 0; i < RTE_DIM(sizes); i++) {
		if (replace(RTE_ALIGN_FLOOR(address, sizes[i]), sizes[i]))
			return true;
		if (errno != EINVAL)
			return false;
	}
	return false;
}

static bool
is_in_area(struct area *area, uintptr_t address, uintptr_t *start, size_t *bytes)
{
	*bytes = atomic_load_explicit(&area->bytes, memory_order_acquire);
	*start = atomic_load_explicit(&area->start, memory_order_acquire);
	return address - *start < *bytes &&
		atomic_load_explicit(&area->bytes, memory_order_relaxed) == *bytes;
}

static void
lose(struct vnic_guard *guard)
{
	enum state there = THERE;

	if (!atomic_compare_exchange_strong(&guard->state, &there, LOST))
		return;
	atomic_fetch_add(&guard->nb_lost, 1);
	/* After the state: vring_changed() sets them, and looks at it then. */
	atomic_store(&guard->vnic->rx_mask, 0);
	atomic_store(&guard->vnic->tx_mask, 0);
}

static bool
is_handled(uintptr_t address, int code)
{
	for (unsigned int i = 0; i < MAX_GUARDS * MAX_AREAS; i++) {
		struct vnic_guard *guard = &guards[i / MAX_AREAS];
		uintptr_t start;
		size_t bytes;

		if (!is_in_area(&guard->areas[i % MAX_AREAS], address, &start, &bytes))
			continue;
		lose(guard);
		/* A log that lies in huge pages may begin and end within one. */
		return replace(start, bytes) || replace_page(address);
	}
	if (in_message == NULL || in_message->vnic == NULL || code != BUS_ADRERR)
		return false;
	lose(in_message);
	return replace_page(address);
}

static void
on_sigbus(int signo, siginfo_t *info, void *context)
{
	bool is_access = info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR;
	int saved = errno;

	RTE_SET_USED(context);
	/* A page went bad that nobody has accessed yet: not now, then. */
	if (info->si_code == BUS_MCEERR_AO)
		return;
	if (!is_access || !is_handled((uintptr_t)info->si_addr, info->si_code)) {
		/* To whom it would have gone. An access is repeated on return, others are not. */
		sigaction(SIGBUS, &before, NULL);
		if (!is_access)
			raise(signo);
	}
	errno = saved;
}

static void
install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &before);
}

int
vnic_guard_open(struct airlock_vnic *vnic)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	pthread_mutex_lock(&guards_lock);
	for (unsigned int i = 0; i < MAX_GUARDS && vnic->guard == NULL; i++) {
		if (guards[i].vnic == NULL)
			vnic->guard = &guards[i];
	}
	if (vnic->guard != NULL) {
		vnic->guard->vnic = vnic;
		atomic_store(&vnic->guard->state, THERE);
		atomic_store(&vnic->guard->nb_lost, 0);
	}
	pthread_mutex_unlock(&guards_lock);
	return vnic->guard != NULL ? 0 : -ENOSPC;
}

void
vnic_guard_close(struct airlock_vnic *vnic)
{
	if (vnic->guard == NULL)
		return;
	pthread_mutex_lock(&guards_lock);
	vnic->guard->vnic = NULL;
	pthread_mutex_unlock(&guards_lock);
	vnic->guard = NULL;
}

/* What has not changed may be in use. */
static void
note(struct area *area, uintptr_t start, size_t bytes)
{
	if (atomic_load_explicit(&area->start, memory_order_relaxed) == start &&
		atomic_load_explicit(&area->bytes, memory_order_relaxed) == bytes)
		return;
	atomic_store_explicit(&area->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&area->start, start, memory_order_release);
	atomic_store_explicit(&area->bytes, bytes, memory_order_release);
}

static void
note_log(struct vnic_guard *guard, int vid)
{
	uint64_t base, bytes;

	if (rte_vhost_get_log_base(vid, &base, &bytes) == 0 && base != 0)
		note(&guard->areas[LOG_AREA], RTE_ALIGN_FLOOR(base, 4096),
			RTE_ALIGN_CEIL(base + bytes, 4096) - RTE_ALIGN_FLOOR(base, 4096));
}

int
vnic_guard_up(struct airlock_vnic *vnic, int vid)
{
	struct vnic_guard *guard = vnic->guard;
	struct rte_vhost_memory *memory;

	if (rte_vhost_get_mem_table(vid, &memory) < 0)
		return -EFAULT;
	for (uint32_t i = 0; i < RTE_MIN(memory->nregions, (uint32_t)LOG_AREA); i++)
		note(&guard->areas[i], (uintptr_t)memory->regions[i].mmap_addr,
			memory->regions[i].mmap_size);
	free(memory);
	note_log(guard, vid);
	return airlock_vnic_is_lost(vnic) ? -EFAULT : 0;
}

void
vnic_guard_down(struct airlock_vnic *vnic)
{
	for (unsigned int i = 0; i < MAX_AREAS; i++)
		note(&vnic->guard->areas[i], 0, 0);
}

void
vnic_guard_connect(struct airlock_vnic *vnic)
{
	vnic_guard_tell(vnic);
	atomic_store(&vnic->guard->state, THERE);
}

void
vnic_guard_message(struct airlock_vnic *vnic)
{
	in_message = vnic != NULL ? vnic->guard : NULL;
}

bool
airlock_vnic_is_lost(const struct airlock_vnic *vnic)
{
	return atomic_load(&vnic->guard->state) != THERE;
}

void
vnic_guard_tell(struct airlock_vnic *vnic)
{
	enum state lost = LOST;

	if (atomic_compare_exchange_strong(&vnic->guard->state, &lost, TOLD))
		VNIC_LOG(ERR,
			"%s: its memory is gone (was its file truncated?): down until it connects "
			"anew\n",
			vnic->name);
}

uint64_t
airlock_vnic_memory_lost(const struct airlock_vnic *vnic)
{
	return atomic_load_explicit(&vnic->guard->nb_lost, memory_order_relaxed);
}
