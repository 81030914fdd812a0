/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * How a guest in a VM finds its window: devices are directories of plain files here, as in sysfs.
 */

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>

#include "test.h"
#include "test_window.h"

#define BYTES (1 << 20)
#define ADDR  0x380000000000

static char top[64];
static struct airlock_window *window;

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int
setup(void)
{
	snprintf(top, sizeof(top), "/tmp/airlock-test-pci-XXXXXX");
	return mkdtemp(top) != NULL ? TEST_SUCCESS : TEST_FAILED;
}

static void
teardown(void)
{
	airlock_window_close(window);
	window = NULL;
	nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
write_file(const char *device, const char *name, const void *data, size_t len)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", top, device);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/%s", top, device, name);
	file = fopen(path, "w");
	if (file == NULL)
		return;
	fwrite(data, 1, len, file);
	fclose(file);
}

static void
write_text(const char *device, const char *name, const char *text)
{
	write_file(device, name, text, strlen(text));
}

static struct airlock_window_header
good_header(void)
{
	return (struct airlock_window_header){
		.magic = AIRLOCK_WINDOW_HEADER_MAGIC,
		.version = AIRLOCK_WINDOW_VERSION,
		.layout =
			{
				.pool_bytes = BYTES,
				.frame_pages = 4,
				.nb_partitions = 1,
				.partitions = {{0, 32}},
			},
	};
}

static void
add_device(const char *name, const char *device_id, bool enabled)
{
	const uint8_t config[64] = {0xf4, 0x1a, 0x10, 0x11, enabled ? 0x2 : 0x1};
	char text[256];

	write_text(name, "vendor", "0x1af4\n");
	write_text(name, "device", device_id);
	write_file(name, "config", config, sizeof(config));
	write_text(name, "enable", "0");
	snprintf(text, sizeof(text),
		"0x00000000febf1000 0x00000000febf10ff 0x0000000000040200\n"
		"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
		"0x%016llx 0x%016llx 0x000000000014220c\n",
		(unsigned long long)ADDR, (unsigned long long)ADDR + BYTES - 1);
	write_text(name, "resource", text);
}

static void
add_window(const char *name, const struct airlock_window_header *header)
{
	uint8_t *bytes = calloc(1, BYTES);

	add_device(name, "0x1110\n", true);
	if (bytes == NULL)
		return;
	memcpy(bytes + BYTES - 4096, header, sizeof(*header));
	write_file(name, "resource2", bytes, BYTES);
	free(bytes);
}

static int
test_only_device_is_found_and_its_layout_read(void)
{
	const struct airlock_window_header header = good_header();
	struct window_bar bar;

	add_device("0000:00:01.0", "0x1000\n", true);
	add_window("0000:00:04.0", &header);
	TEST_ASSERT_SUCCESS(window_bar_find(top, NULL, &bar), "find");
	TEST_ASSERT_EQUAL(bar.addr, ADDR, "address");
	TEST_ASSERT_EQUAL(bar.bytes, BYTES, "size");
	window = window_bar_open(&bar);
	TEST_ASSERT_NOT_NULL(window, "%s", rte_strerror(rte_errno));
	TEST_ASSERT_EQUAL(window->iova, ADDR, "IOVA is the BAR's address");
	TEST_ASSERT_BUFFERS_ARE_EQUAL(
		airlock_window_layout(window), &header.layout, sizeof(header.layout), "layout");
	TEST_ASSERT(airlock_window_contains(window, window->base + BYTES - 1), "last byte");
	TEST_ASSERT(!airlock_window_contains(window, window->base + BYTES), "behind");
	TEST_ASSERT(!airlock_window_contains(window, window->base - 1), "before");
	return TEST_SUCCESS;
}

static int
test_device_without_a_driver_is_enabled(void)
{
	struct window_bar bar;
	char path[160], text[8] = "";
	FILE *file;

	add_device("0000:00:04.0", "0x1110\n", false);
	TEST_ASSERT_SUCCESS(window_bar_find(top, NULL, &bar), "find");
	snprintf(path, sizeof(path), "%s/0000:00:04.0/enable", top);
	file = fopen(path, "r");
	TEST_ASSERT_NOT_NULL(file, "%s", path);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	TEST_ASSERT_STRINGS_ARE_EQUAL(text, "1", "enabled");
	return TEST_SUCCESS;
}

static int
test_one_of_several_has_to_be_named(void)
{
	struct window_bar bar;

	TEST_ASSERT_EQUAL(window_bar_find(top, NULL, &bar), -ENODEV, "none");
	add_device("0000:00:03.0", "0x1000\n", true);
	add_device("0000:00:04.0", "0x1110\n", true);
	add_device("0000:00:05.0", "0x1110\n", true);
	TEST_ASSERT_EQUAL(window_bar_find(top, NULL, &bar), -EEXIST, "two");
	TEST_ASSERT_EQUAL(window_bar_find(top, "0000:00:03.0", &bar), -ENODEV, "a NIC");
	TEST_ASSERT_EQUAL(window_bar_find(top, "0000:00:06.0", &bar), -ENODEV, "not there");
	TEST_ASSERT_SUCCESS(window_bar_find(top, "0000:00:05.0", &bar), "named");
	TEST_ASSERT(strstr(bar.path, "0000:00:05.0/resource2") != NULL, "%s", bar.path);
	return TEST_SUCCESS;
}

static int
test_device_without_a_window_is_refused(void)
{
	struct window_bar bar;

	add_device("0000:00:04.0", "0x1110\n", true);
	write_text("0000:00:04.0", "resource", "0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n");
	TEST_ASSERT_EQUAL(window_bar_find(top, NULL, &bar), -EINVAL, "empty BAR");
	write_text("0000:00:04.0", "resource", "0x0 0x0 0x0\n");
	TEST_ASSERT_EQUAL(window_bar_find(top, NULL, &bar), -EINVAL, "cut short");
	return TEST_SUCCESS;
}

/* 0 or the errno of opening a window with this header. */
static int
try_header(const struct airlock_window_header *header)
{
	struct window_bar bar;

	add_window("0000:00:04.0", header);
	if (window_bar_find(top, NULL, &bar) < 0)
		return -1;
	window = window_bar_open(&bar);
	return window != NULL ? 0 : rte_errno;
}

static int
test_foreign_memory_is_refused(void)
{
	struct airlock_window_header header = good_header();

	header.magic++;
	TEST_ASSERT_EQUAL(try_header(&header), EINVAL, "magic");
	header = good_header();
	header.version++;
	TEST_ASSERT_EQUAL(try_header(&header), EINVAL, "version");
	header = good_header();
	header.layout.pool_bytes *= 2;
	TEST_ASSERT_EQUAL(try_header(&header), EINVAL, "another pool's");
	header = good_header();
	header.layout.frame_pages = 8;
	TEST_ASSERT_EQUAL(try_header(&header), EINVAL, "frames behind the end");
	header = good_header();
	header.layout.frame_pages = 7;
	TEST_ASSERT_EQUAL(try_header(&header), 0, "frames of which the window is no multiple");
	TEST_ASSERT_EQUAL(window_frame_bytes(window), 28672, "of seven pages");
	airlock_window_close(window);
	header = good_header();
	TEST_ASSERT_EQUAL(try_header(&header), 0, "good");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "the window of a guest in a VM",
	.unit_test_cases =
		{
			TEST_CASE_ST(
				setup, teardown, test_only_device_is_found_and_its_layout_read),
			TEST_CASE_ST(setup, teardown, test_device_without_a_driver_is_enabled),
			TEST_CASE_ST(setup, teardown, test_one_of_several_has_to_be_named),
			TEST_CASE_ST(setup, teardown, test_device_without_a_window_is_refused),
			TEST_CASE_ST(setup, teardown, test_foreign_memory_is_refused),
			TEST_CASES_END(),
		},
};

static int
test_window_pci(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(window_pci_autotest, true, true, test_window_pci);
