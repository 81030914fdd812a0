/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef CAPTURED_H
#define CAPTURED_H

/*
 * What a pcapng file of one capture holds.
 *
 * Thread rule: one thread.
 */

#include <stdint.h>

#define CAPTURED_MAX 4096

struct captured_packet {
	uint32_t interface_id;
	uint32_t bytes;
	uint32_t wire_bytes;
	uint32_t flags;
	uint64_t time_ns;
	const uint8_t *data;
	char comment[64];
};

struct captured {
	uint8_t *file;
	long file_bytes;
	unsigned int nb_interfaces;
	char interfaces[8][64];
	unsigned int nb_packets;
	unsigned int nb_statistics;
	uint64_t missed; /* by the statistics */
	struct captured_packet packets[CAPTURED_MAX];
};

extern struct captured captured;

/* Read a file; each block's lengths agree. @return TEST_SUCCESS or TEST_FAILED */
int captured_read(const char *path);

void captured_free(void);

#endif /* CAPTURED_H */
