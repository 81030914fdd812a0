/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef FRONT_VM_H
#define FRONT_VM_H

/**
 * @file
 * A virtual NIC with one queue pair, a VM by hand in front of it (front_end.h), and an lcore at
 * work on its rings: a worker lcore of the test. One at a time.
 *
 * Thread rule: the test's.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "airlock_vnic.h"
#include "front_end.h"

/** Descriptors of each ring. */
#define FRONT_RING_SIZE 16
#define FRONT_VMM_ADDR	UINT64_C(0x10000000)

/** What there is; anything may be used and replaced, and is closed in the end. */
struct front_vm {
	struct airlock_vnic *vnic;
	char path[64]; /**< of its socket */
	int client; /**< the connection; -1: none */
	int memory_fds[2]; /**< the guest's memory, with a buffer in its RX ring; differ in size */
	int kick_fd;
	int call_fd;
};

extern struct front_vm front_vm;

/** What the lcore does. */
struct front_lcore {
	unsigned int id;
	bool runs;
	bool copies; /**< into the RX ring, too; else it only looks */
	_Atomic bool stop;
	_Atomic uint64_t rounds;
	_Atomic uint64_t nb_found; /**< buffers that a look has found */
	_Atomic bool stuck; /**< it was waited for in vain */
};

extern struct front_lcore front_lcore;

/** Open the NIC, and connect to it. *window*: airlock serves the RX ring. */
int front_vm_open(bool window);

/** Undo all of it. */
void front_vm_close(void);

/**
 * Make its memory, and bring the VM up: a guest without mergeable buffers.
 *
 * @param features      VIRTIO feature bits besides VIRTIO_F_VERSION_1
 * @param memory_flags  of memfd_create(2); the memory has whole huge pages
 */
int front_vm_come_up(uint64_t features, unsigned int memory_flags);

/** Whether the VM can connect once more; until the end of the connection before is noticed. */
bool front_vm_can_connect_again(void);

/** Tell of memory 0 or 1. @return 0, or -errno */
int front_vm_send_memory(unsigned int i);

/** Tell of a ring's eventfd. @return 0, or -errno */
int front_vm_send_fd(enum front_request request, uint64_t vring_id, int fd);

/** @return a packet of 100 bytes, from a pool that is the fixture's; or NULL */
struct rte_mbuf *front_vm_packet(void);

int front_lcore_start(bool copies);
void front_lcore_stop(void);

/** @return the TSC when a test gives up waiting */
uint64_t front_deadline_tsc(void);

#endif /* FRONT_VM_H */
