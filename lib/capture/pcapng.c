/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * pcapng: blocks of 32-bit words, each with its type in front and its length in front and behind;
 * options in a block are a code, a length, and a value that is filled up to whole words
 * (draft-ietf-opsawg-pcapng).
 *
 * rte_pcapng of DPDK 22.11 knows no comment of a packet, and no interface but its Ethernet ports,
 * so a VM could have no name; later versions have comments, but still no such interfaces.
 *
 * Thread rule: no state but the caller's.
 */

#include <assert.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "pcapng.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
};

enum {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_TIME_RESOLUTION = 9,
	INTERFACE_FILTER = 11,
	PACKET_FLAGS = 2,
	STATISTICS_START = 2,
	STATISTICS_END = 3,
	STATISTICS_RECEIVED = 4,
	STATISTICS_DROPPED = 5,
};

#define BYTE_ORDER_MAGIC   0x1a2b3c4d
#define LENGTH_UNKNOWN	   UINT64_MAX
#define LINK_ETHERNET	   1
#define NANOSECONDS	   9 /* 10^-9 */
#define FILTER_IS_TEXT	   0
#define DIRECTION_INBOUND  1
#define DIRECTION_OUTBOUND 2

static void
put(struct pcapng_out *out, const void *bytes, size_t len)
{
	memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

static void
put_u16(struct pcapng_out *out, uint16_t value)
{
	put(out, &value, sizeof(value));
}

static void
put_u32(struct pcapng_out *out, uint32_t value)
{
	put(out, &value, sizeof(value));
}

/* Times stand as two words, the upper one first, whatever the byte order. */
static void
put_time(struct pcapng_out *out, uint64_t time_ns)
{
	put_u32(out, time_ns >> 32);
	put_u32(out, (uint32_t)time_ns);
}

/* Up to whole words. */
static void
pad(struct pcapng_out *out)
{
	while (out->len % sizeof(uint32_t) != 0)
		out->data[out->len++] = 0;
}

static void
put_option(struct pcapng_out *out, uint16_t code, const void *value, uint16_t len)
{
	put_u16(out, code);
	put_u16(out, len);
	if (len > 0)
		put(out, value, len);
	pad(out);
}

static void
put_option_time(struct pcapng_out *out, uint16_t code, uint64_t time_ns)
{
	put_u16(out, code);
	put_u16(out, sizeof(time_ns));
	put_time(out, time_ns);
}

/* Returns where it begins. */
static size_t
block_begin(struct pcapng_out *out, uint32_t type)
{
	size_t start = out->len;

	put_u32(out, type);
	put_u32(out, 0);
	return start;
}

static void
block_end(struct pcapng_out *out, size_t start)
{
	uint32_t len;

	put_option(out, OPT_END, NULL, 0);
	len = out->len + sizeof(len) - start;
	put_u32(out, len);
	memcpy(out->data + start + sizeof(uint32_t), &len, sizeof(len));
	assert(out->len <= out->size);
}

void
pcapng_section(struct pcapng_out *out, const char *application)
{
	uint64_t length = LENGTH_UNKNOWN;
	size_t start = block_begin(out, BLOCK_SECTION);

	put_u32(out, BYTE_ORDER_MAGIC);
	put_u16(out, 1); /* version 1.0 */
	put_u16(out, 0);
	put(out, &length, sizeof(length));
	put_option(out, SECTION_APPLICATION, application, strlen(application));
	block_end(out, start);
}

void
pcapng_interface(
	struct pcapng_out *out, const char *name, const char *filter, uint32_t snaplen_bytes)
{
	const uint8_t resolution = NANOSECONDS, kind = FILTER_IS_TEXT;
	size_t start = block_begin(out, BLOCK_INTERFACE);

	put_u16(out, LINK_ETHERNET);
	put_u16(out, 0);
	put_u32(out, snaplen_bytes);
	put_option(out, INTERFACE_NAME, name, strlen(name));
	put_option(out, INTERFACE_TIME_RESOLUTION, &resolution, sizeof(resolution));
	if (filter != NULL) {
		put_u16(out, INTERFACE_FILTER);
		put_u16(out, strlen(filter) + 1);
		put(out, &kind, sizeof(kind));
		put(out, filter, strlen(filter));
		pad(out);
	}
	block_end(out, start);
}

void
pcapng_packet(struct pcapng_out *out, const struct pcapng_packet *packet, const struct rte_mbuf *m,
	uint32_t bytes)
{
	uint32_t flags = packet->direction == AIRLOCK_IN ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
	size_t start = block_begin(out, BLOCK_PACKET);

	put_u32(out, packet->interface_id);
	put_time(out, packet->time_ns);
	put_u32(out, bytes);
	put_u32(out, packet->wire_bytes);
	for (; bytes > 0; m = m->next) {
		uint32_t len = RTE_MIN(bytes, m->data_len);

		put(out, rte_pktmbuf_mtod(m, const void *), len);
		bytes -= len;
	}
	pad(out);
	put_option(out, PACKET_FLAGS, &flags, sizeof(flags));
	if (packet->comment != NULL)
		put_option(out, OPT_COMMENT, packet->comment, strlen(packet->comment));
	block_end(out, start);
}

void
pcapng_statistics(struct pcapng_out *out, const struct pcapng_statistics *statistics)
{
	size_t start = block_begin(out, BLOCK_STATISTICS);

	put_u32(out, statistics->interface_id);
	put_time(out, statistics->end_ns);
	put_option_time(out, STATISTICS_START, statistics->start_ns);
	put_option_time(out, STATISTICS_END, statistics->end_ns);
	put_option(out, STATISTICS_RECEIVED, &statistics->received, sizeof(uint64_t));
	put_option(out, STATISTICS_DROPPED, &statistics->missed, sizeof(uint64_t));
	block_end(out, start);
}

struct pcapng_extent
pcapng_whole(const uint8_t *data, size_t len)
{
	struct pcapng_extent whole = {0};

	while (len - whole.bytes >= 2 * sizeof(uint32_t)) {
		uint32_t head[2];

		memcpy(head, data + whole.bytes, sizeof(head));
		if (head[1] > len - whole.bytes)
			break;
		whole.bytes += head[1];
		whole.nb_packets += head[0] == BLOCK_PACKET;
	}
	return whole;
}
