/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Reads pcapng by the book, and nothing by the code that wrote it.
 */

#include <stdlib.h>

#include "captured.h"
#include "test.h"

struct captured captured;

void
captured_free(void)
{
	free(captured.file);
	memset(&captured, 0, sizeof(captured));
}

static uint32_t
word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The value of an option among those from *at* to *end*; NULL: it is not there. */
static const uint8_t *
option(const uint8_t *at, const uint8_t *end, uint16_t code, uint16_t *len)
{
	while (at + 4 <= end) {
		uint16_t this_code;

		memcpy(&this_code, at, 2);
		memcpy(len, at + 2, 2);
		if (this_code == code && code != 0)
			return at + 4;
		if (this_code == 0)
			return NULL;
		at += 4 + RTE_ALIGN(*len, 4);
	}
	return NULL;
}

static int
read_interface(const uint8_t *block, const uint8_t *end)
{
	uint16_t len;
	const uint8_t *resolution = option(block + 16, end, 9, &len), *name;

	TEST_ASSERT(resolution != NULL && *resolution == 9, "nanoseconds");
	name = option(block + 16, end, 2, &len);
	TEST_ASSERT_NOT_NULL(name, "an interface has a name");
	TEST_ASSERT(captured.nb_interfaces < RTE_DIM(captured.interfaces), "too many");
	memcpy(captured.interfaces[captured.nb_interfaces++], name, len);
	return TEST_SUCCESS;
}

static int
read_packet(const uint8_t *block, const uint8_t *end)
{
	struct captured_packet *packet = &captured.packets[captured.nb_packets++];
	const uint8_t *options, *value;
	uint16_t len;

	TEST_ASSERT(captured.nb_packets < CAPTURED_MAX, "too many packets");
	packet->interface_id = word(block + 8);
	TEST_ASSERT(packet->interface_id < captured.nb_interfaces, "its interface came before");
	packet->time_ns = (uint64_t)word(block + 12) << 32 | word(block + 16);
	packet->bytes = word(block + 20);
	packet->wire_bytes = word(block + 24);
	packet->data = block + 28;
	options = packet->data + RTE_ALIGN(packet->bytes, 4);
	TEST_ASSERT(options <= end, "%u bytes are in the block", packet->bytes);
	value = option(options, end, 2, &len);
	packet->flags = value != NULL ? word(value) : 0;
	value = option(options, end, 1, &len);
	if (value != NULL)
		memcpy(packet->comment, value, RTE_MIN(len, sizeof(packet->comment) - 1));
	return TEST_SUCCESS;
}

static int
read_block(const uint8_t *block, uint32_t len)
{
	const uint8_t *end = block + len - 4, *value;
	uint16_t size;

	TEST_ASSERT_EQUAL(word(end), len, "the length behind a block");
	switch (word(block)) {
	case 0x0a0d0d0a:
		TEST_ASSERT_EQUAL(block - captured.file, 0, "one head");
		TEST_ASSERT_EQUAL(word(block + 8), 0x1a2b3c4d, "byte order");
		return TEST_SUCCESS;
	case 1:
		return read_interface(block, end);
	case 5:
		captured.nb_statistics++;
		value = option(block + 20, end, 5, &size);
		TEST_ASSERT(value != NULL && size == 8, "what was missed");
		memcpy(&captured.missed, value, 8);
		return TEST_SUCCESS;
	case 6:
		return read_packet(block, end);
	default:
		TEST_ASSERT(false, "a block of type %u", word(block));
	}
}

int
captured_read(const char *path)
{
	FILE *file = fopen(path, "rb");
	const uint8_t *at;

	captured_free();
	TEST_ASSERT_NOT_NULL(file, "%s", path);
	fseek(file, 0, SEEK_END);
	captured.file_bytes = ftell(file);
	rewind(file);
	captured.file = malloc(captured.file_bytes + 1);
	captured.file_bytes = fread(captured.file, 1, captured.file_bytes, file);
	fclose(file);
	at = captured.file;
	while (at < captured.file + captured.file_bytes) {
		long left = captured.file + captured.file_bytes - at;
		uint32_t len = left < 12 ? 0 : word(at + 4);

		TEST_ASSERT(len >= 12 && len <= left && len % 4 == 0, "a block of %u bytes", len);
		if (read_block(at, len) != TEST_SUCCESS)
			return TEST_FAILED;
		at += len;
	}
	TEST_ASSERT(captured.file_bytes > 0, "a head");
	return TEST_SUCCESS;
}
