/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef PCAPNG_H
#define PCAPNG_H

/*
 * Blocks of a pcapng file, appended to memory in the byte order of this machine.
 *
 * Thread rule: no state but the caller's.
 */

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include <airlock_stats.h>

/* A block is never longer than this and the bytes of the packet, the filter or the texts in it. */
#define PCAPNG_OVERHEAD 256

/* Where blocks go; the caller sees to it that there is room. */
struct pcapng_out {
	uint8_t *data;
	size_t len;
	size_t size;
};

struct pcapng_packet {
	uint32_t interface_id;
	uint64_t time_ns; /* since 1970 */
	uint32_t wire_bytes; /* that the packet had */
	enum airlock_direction direction;
	const char *comment; /* NULL: none */
};

struct pcapng_statistics {
	uint32_t interface_id;
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t received;
	uint64_t missed;
};

/* The head of a file. */
void pcapng_section(struct pcapng_out *out, const char *application);

/* An Ethernet interface; they are numbered from 0 on. *filter* may be NULL. */
void pcapng_interface(
	struct pcapng_out *out, const char *name, const char *filter, uint32_t snaplen_bytes);

/* A packet: the first *bytes* bytes of *m*. */
void pcapng_packet(struct pcapng_out *out, const struct pcapng_packet *packet,
	const struct rte_mbuf *m, uint32_t bytes);

/* What became of an interface's packets. */
void pcapng_statistics(struct pcapng_out *out, const struct pcapng_statistics *statistics);

/* Whole blocks in the first *len* bytes. */
struct pcapng_extent {
	size_t bytes;
	uint32_t nb_packets;
};
struct pcapng_extent pcapng_whole(const uint8_t *data, size_t len);

#endif /* PCAPNG_H */
