/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * A VM's device against the IOMMU: QEMU's edu, which copies between memory and a buffer of its own
 * wherever it is told to. It reaches what is mapped for its VM, and nothing else: the kernel logs a
 * fault with the address for every other try, and memory is as it was.
 *
 * For the lab: on a machine without such a device, bound to vfio-pci, all is skipped.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_cycles.h>
#include <rte_io.h>

#include "dmatable_env.h"
#include "test.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define EDU_ID	    UINT32_C(0x11e81234)

/* Registers (QEMU's docs/specs/edu). */
#define EDU_DMA_FROM   0x80
#define EDU_DMA_TO     0x88
#define EDU_DMA_BYTES  0x90
#define EDU_DMA_START  0x98
#define EDU_BUFFER     UINT64_C(0x40000)
#define EDU_TO_MEMORY  RTE_BIT64(1)
#define EDU_STARTED    RTE_BIT64(0)
#define EDU_COPY_BYTES 64

/* The kernel logs three faults in five seconds, and keeps quiet about more. */
#define FAULT_PAUSE_US 2000000

static struct dmatable_env env;
static struct window_stub stub;
static uint32_t frames[4];
static int device_fd;
static int kernel_log;
static char *bar;
static size_t bar_bytes;

static uint32_t
device_id(const char *name)
{
	char path[300];
	uint32_t id = 0;
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/config", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &id, sizeof(id)) != sizeof(id))
		id = 0;
	close(fd);
	return id;
}

/* One that a VM can have. */
static bool
find_edu(char *name, size_t size)
{
	const struct dirent *entry;
	char why[256] = "there is none";
	bool found = false;
	DIR *dir = opendir(PCI_DEVICES);

	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || device_id(entry->d_name) != EDU_ID)
			continue;
		snprintf(name, size, "%.*s", (int)size - 1, entry->d_name);
		found = airlock_dmatable_check_device(name, why, sizeof(why)) == 0;
	}
	if (dir != NULL)
		closedir(dir);
	if (!found)
		printf("  no edu device: %s\n", why);
	return found;
}

/* Its registers, and the right to do DMA at all. */
static int
edu_open(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	char name[64];

	device_fd = dmatable_env_take_device(&env, name, sizeof(name));
	TEST_ASSERT(device_fd >= 0, "the device from its socket");
	TEST_ASSERT_SUCCESS(ioctl(device_fd, VFIO_DEVICE_GET_REGION_INFO, &info), "BAR");
	TEST_ASSERT_SUCCESS(ioctl(device_fd, VFIO_DEVICE_GET_REGION_INFO, &config), "config");
	TEST_ASSERT_EQUAL(pwrite(device_fd, &command, sizeof(command), config.offset + PCI_COMMAND),
		sizeof(command), "command");
	bar_bytes = info.size;
	bar = mmap(NULL, bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device_fd, info.offset);
	TEST_ASSERT(bar != MAP_FAILED, "mmap");
	return TEST_SUCCESS;
}

static int
setup_for(enum airlock_iommu iommu)
{
	char name[32];
	int ret;

	stub = (struct window_stub){.sock = -1, .uffd = -1};
	bar = MAP_FAILED;
	device_fd = -1;
	kernel_log = -1;
	if (!find_edu(name, sizeof(name)))
		return TEST_SKIPPED;
	ret = dmatable_env_init_device(&env, name, iommu);
	if (ret != TEST_SUCCESS)
		return ret;
	TEST_ASSERT_SUCCESS(
		dmatable_env_open_window(&env, &stub, frames, RTE_DIM(frames)), "window");
	kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	TEST_ASSERT(kernel_log >= 0, "/dev/kmsg");
	lseek(kernel_log, 0, SEEK_END);
	return edu_open();
}

static int
setup(void)
{
	return setup_for(AIRLOCK_IOMMU_BATCHED);
}

static int
setup_strict(void)
{
	return setup_for(AIRLOCK_IOMMU_STRICT);
}

static void
teardown(void)
{
	if (bar != MAP_FAILED)
		munmap(bar, bar_bytes);
	if (device_fd >= 0)
		close(device_fd);
	if (kernel_log >= 0)
		close(kernel_log);
	window_stub_fini(&stub);
	dmatable_env_fini(&env);
}

/* Faults at this frame that the kernel has logged since the last call: one try may be several. */
static int
nb_faults(uint32_t frame)
{
	char line[1024], expected[64];
	int nb = 0;
	ssize_t len;

	snprintf(expected, sizeof(expected), "fault addr 0x%" PRIx64 " ",
		(uint64_t)frame * AIRLOCK_PAGE_SIZE);
	while ((len = read(kernel_log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[RTE_MAX(len, 0)] = '\0';
		nb += strstr(line, "DMAR: [DMA") != NULL && strstr(line, expected) != NULL;
	}
	return nb;
}

/* Wait for one. */
static bool
has_fault(uint32_t frame)
{
	int nb = 0;

	return dmatable_wait(nb != 0 || (nb = nb_faults(frame)) != 0) && nb > 0;
}

static void
edu_dma(uint64_t from, uint64_t to, uint64_t direction)
{
	rte_write64(from, bar + EDU_DMA_FROM);
	rte_write64(to, bar + EDU_DMA_TO);
	rte_write64(EDU_COPY_BYTES, bar + EDU_DMA_BYTES);
	rte_write64(EDU_STARTED | direction, bar + EDU_DMA_START);
	(void)dmatable_wait((rte_read64(bar + EDU_DMA_START) & EDU_STARTED) == 0);
}

static void
edu_read(uint32_t frame)
{
	edu_dma((uint64_t)frame * AIRLOCK_PAGE_SIZE, EDU_BUFFER, 0);
}

static void
edu_write(uint32_t frame)
{
	edu_dma(EDU_BUFFER, (uint64_t)frame * AIRLOCK_PAGE_SIZE, EDU_TO_MEMORY);
}

static void
fill(uint32_t frame, int value)
{
	memset(dmatable_env_addr(&env, frame), value, AIRLOCK_PAGE_SIZE);
}

/* The frame is full of it. */
static bool
is_full_of(uint32_t frame, int value)
{
	const char *at = dmatable_env_addr(&env, frame);

	for (uint32_t i = 0; i < AIRLOCK_PAGE_SIZE; i++) {
		if (at[i] != value)
			return false;
	}
	return true;
}

/* frames[0] and [1] are mapped for the VM, neighbours in one run. */
static int
map_two(void)
{
	struct airlock_run run = {.first_frame = frames[0], .nb_frames = 2};

	TEST_ASSERT_EQUAL(airlock_dmatable_map(env.table, 0, &run, 1), 1, "map");
	fill(frames[0], 'p');
	fill(frames[1], '.');
	return TEST_SUCCESS;
}

/* The device works, and has 'p' in its buffer. */
static int
check_works(void)
{
	const char *copied = dmatable_env_addr(&env, frames[1]);

	edu_read(frames[0]);
	edu_write(frames[1]);
	for (int i = 0; i < EDU_COPY_BYTES; i++)
		TEST_ASSERT_EQUAL(copied[i], 'p', "byte %d", i);
	TEST_ASSERT_EQUAL(copied[EDU_COPY_BYTES], '.', "no more");
	TEST_ASSERT_EQUAL(nb_faults(frames[0]), 0, "no fault");
	return TEST_SUCCESS;
}

/* Neither written nor read, and the kernel says so. */
static int
check_dark(uint32_t frame, const char *what)
{
	fill(frame, 'x');
	rte_delay_us_sleep(FAULT_PAUSE_US);
	edu_write(frame);
	TEST_ASSERT(is_full_of(frame, 'x'), "%s frame was written to", what);
	TEST_ASSERT(has_fault(frame), "a fault at the %s frame", what);
	return TEST_SUCCESS;
}

static int
check_unread(uint32_t frame, const char *what)
{
	const char *copied = dmatable_env_addr(&env, frames[1]);

	fill(frame, 'x');
	rte_delay_us_sleep(FAULT_PAUSE_US);
	edu_read(frame);
	TEST_ASSERT(has_fault(frame), "a fault at the %s frame", what);
	edu_write(frames[1]);
	for (int i = 0; i < EDU_COPY_BYTES; i++)
		TEST_ASSERT(copied[i] != 'x', "%s frame was read", what);
	return TEST_SUCCESS;
}

static int
test_device_reaches_what_its_vm_has(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	return TEST_SUCCESS;
}

static int
test_device_reaches_no_other_frame(void)
{
	uint32_t other = airlock_page_new_tag(env.pages), nobodys = frames[3] + 1;

	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	TEST_ASSERT_EQUAL(
		airlock_page_state_get(env.pages, nobodys), AIRLOCK_PAGE_FREE, "a free frame");
	TEST_ASSERT_SUCCESS(check_dark(nobodys, "free"), "free");
	TEST_ASSERT_SUCCESS(check_unread(nobodys, "free"), "free");
	airlock_page_word_set(env.pages, frames[2], airlock_page_word(AIRLOCK_PAGE_LEASED, other));
	TEST_ASSERT_SUCCESS(check_dark(frames[2], "another VM's"), "another VM's");
	TEST_ASSERT_SUCCESS(check_unread(frames[2], "another VM's"), "another VM's");
	airlock_page_word_set(
		env.pages, frames[2], airlock_page_word(AIRLOCK_PAGE_LEASED, env.place.tag));
	TEST_ASSERT_SUCCESS(check_dark(ENV_FRAMES - 1, "header"), "header");
	return TEST_SUCCESS;
}

static int
test_device_loses_what_its_vm_gives_back(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_unmap(env.table, 0, frames, 2);
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	TEST_ASSERT(
		dmatable_wait(airlock_page_state_get(env.pages, frames[1]) == AIRLOCK_PAGE_FREE),
		"back");
	TEST_ASSERT_SUCCESS(check_dark(frames[1], "released"), "released");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "released"), "released");
	return TEST_SUCCESS;
}

/* Strict: alone, and before the agent has answered. */
static int
test_device_loses_one_frame_of_a_run(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_unmap(env.table, 0, &frames[0], 1);
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).unmap_requests == 1), "asked");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "released"), "released");
	edu_write(frames[1]);
	TEST_ASSERT_EQUAL(nb_faults(frames[1]), 0, "its neighbour is reached");
	TEST_ASSERT_SUCCESS(window_stub_serve_one(&stub), "the agent");
	return TEST_SUCCESS;
}

static int
test_device_loses_all_with_the_window(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	close(stub.sock);
	stub.sock = -1;
	TEST_ASSERT(dmatable_wait(env.downs == 1), "the window went");
	/* The others have never been mapped, and are back. */
	TEST_ASSERT(dmatable_wait(dmatable_env_stats(&env).quarantined == 2), "quarantine");
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "lost"), "lost");
	return TEST_SUCCESS;
}

/* Whoever has the device still. */
static int
test_device_loses_all_with_its_vm(void)
{
	TEST_ASSERT_SUCCESS(map_two(), "map");
	TEST_ASSERT_SUCCESS(check_works(), "works");
	airlock_dmatable_destroy(env.table);
	env.table = NULL;
	TEST_ASSERT_SUCCESS(check_dark(frames[0], "lost"), "lost");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "edu",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup, teardown, test_device_reaches_what_its_vm_has),
			TEST_CASE_ST(setup_strict, teardown, test_device_reaches_what_its_vm_has),
			TEST_CASE_ST(setup, teardown, test_device_reaches_no_other_frame),
			TEST_CASE_ST(setup_strict, teardown, test_device_reaches_no_other_frame),
			TEST_CASE_ST(setup, teardown, test_device_loses_what_its_vm_gives_back),
			TEST_CASE_ST(setup_strict, teardown, test_device_loses_one_frame_of_a_run),
			TEST_CASE_ST(setup, teardown, test_device_loses_all_with_the_window),
			TEST_CASE_ST(setup, teardown, test_device_loses_all_with_its_vm),
			TEST_CASES_END(),
		},
};

static int
test_edu(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(edu_autotest, true, true, test_edu);
