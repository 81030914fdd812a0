/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef FRONT_END_H
#define FRONT_END_H

/**
 * @file
 * A vhost-user front end by hand, for what no VMM does, or not at a moment that a test can choose.
 *
 * Messages are handled in their order, so when a later one is answered all before it are done.
 */

#include <stdbool.h>
#include <stdint.h>

/** Requests of the vhost-user protocol. */
enum front_request {
	FRONT_GET_FEATURES = 1,
	FRONT_SET_FEATURES = 2,
	FRONT_SET_OWNER = 3,
	FRONT_SET_MEM_TABLE = 5,
	FRONT_SET_LOG_BASE = 6,
	FRONT_SET_VRING_NUM = 8,
	FRONT_SET_VRING_ADDR = 9,
	FRONT_SET_VRING_BASE = 10,
	FRONT_SET_VRING_KICK = 12,
	FRONT_SET_VRING_CALL = 13,
	FRONT_SET_INFLIGHT_FD = 32,
};

#define FRONT_MAX_REGIONS 2

struct front_table {
	uint32_t nb_regions;
	uint32_t padding;
	struct {
		uint64_t guest_addr;
		uint64_t bytes;
		uint64_t vmm_addr;
		uint64_t offset;
	} regions[FRONT_MAX_REGIONS];
};

/** @return a descriptor, or -errno */
int front_connect(const char *path);

/** Send a message with *bytes* of payload, 64 at most but for a table. @return 0, or -errno */
int front_send(int sock, enum front_request request, const void *payload, uint32_t bytes,
	const int *fds, unsigned int nb_fds);

/** Send the first regions of a table, each with its file. @return 0, or -errno */
int front_send_table(int sock, const struct front_table *table, const int *fds);

/** Whether the other side is there and has done all that was sent. */
bool front_answers(int sock);

#endif /* FRONT_END_H */
