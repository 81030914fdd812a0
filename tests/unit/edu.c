/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * QEMU's edu, by VFIO; see edu.h. Its registers are in QEMU's docs/specs/edu.
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
#include "edu.h"
#include "test.h"

#define EDU_ID UINT32_C(0x11e81234)

#define EDU_DMA_FROM  0x80
#define EDU_DMA_TO    0x88
#define EDU_DMA_BYTES 0x90
#define EDU_DMA_START 0x98
#define EDU_BUFFER    UINT64_C(0x40000)
#define EDU_TO_MEMORY RTE_BIT64(1)
#define EDU_STARTED   RTE_BIT64(0)

void
edu_init(struct edu *edu)
{
	*edu = (struct edu){.fd = -1, .kernel_log = -1, .bar = MAP_FAILED};
}

static uint32_t
device_id(const char *name)
{
	char path[300];
	uint32_t id = 0;
	int fd;

	snprintf(path, sizeof(path), EDU_PCI_DEVICES "/%s/config", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &id, sizeof(id)) != sizeof(id))
		id = 0;
	close(fd);
	return id;
}

bool
edu_find(char *name, size_t size)
{
	const struct dirent *entry;
	char why[256] = "there is none";
	bool found = false;
	DIR *dir = opendir(EDU_PCI_DEVICES);

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

int
edu_open(struct edu *edu, int fd)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	edu->fd = fd;
	TEST_ASSERT(fd >= 0, "the device");
	TEST_ASSERT_SUCCESS(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info), "BAR");
	TEST_ASSERT_SUCCESS(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &config), "config");
	TEST_ASSERT_EQUAL(pwrite(fd, &command, sizeof(command), config.offset + PCI_COMMAND),
		sizeof(command), "command");
	edu->bar_bytes = info.size;
	edu->bar = mmap(NULL, edu->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, info.offset);
	TEST_ASSERT(edu->bar != MAP_FAILED, "mmap");
	edu->kernel_log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	TEST_ASSERT(edu->kernel_log >= 0, "/dev/kmsg");
	lseek(edu->kernel_log, 0, SEEK_END);
	return TEST_SUCCESS;
}

void
edu_close(struct edu *edu)
{
	if (edu->bar != MAP_FAILED)
		munmap(edu->bar, edu->bar_bytes);
	if (edu->fd >= 0)
		close(edu->fd);
	if (edu->kernel_log >= 0)
		close(edu->kernel_log);
	edu_init(edu);
}

static void
edu_dma(struct edu *edu, uint64_t from, uint64_t to, uint64_t direction)
{
	rte_write64(from, edu->bar + EDU_DMA_FROM);
	rte_write64(to, edu->bar + EDU_DMA_TO);
	rte_write64(EDU_COPY_BYTES, edu->bar + EDU_DMA_BYTES);
	rte_write64(EDU_STARTED | direction, edu->bar + EDU_DMA_START);
	(void)dmatable_wait((rte_read64(edu->bar + EDU_DMA_START) & EDU_STARTED) == 0);
}

void
edu_read(struct edu *edu, uint64_t iova)
{
	edu_dma(edu, iova, EDU_BUFFER, 0);
}

void
edu_write(struct edu *edu, uint64_t iova)
{
	edu_dma(edu, EDU_BUFFER, iova, EDU_TO_MEMORY);
}

int
edu_nb_faults(struct edu *edu, uint64_t iova)
{
	char line[1024], expected[64];
	int nb = 0;
	ssize_t len;

	snprintf(expected, sizeof(expected), "fault addr 0x%" PRIx64 " ", iova);
	while ((len = read(edu->kernel_log, line, sizeof(line) - 1)) > 0 || errno == EPIPE) {
		line[RTE_MAX(len, 0)] = '\0';
		nb += strstr(line, "DMAR: [DMA") != NULL && strstr(line, expected) != NULL;
	}
	return nb;
}

bool
edu_has_fault(struct edu *edu, uint64_t iova)
{
	int nb = 0;

	return dmatable_wait(nb != 0 || (nb = edu_nb_faults(edu, iova)) != 0) && nb > 0;
}
