/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The window of a VM: BAR 2 of QEMU's ivshmem-plain device, found and mapped by way of sysfs, so
 * that no driver is needed for it.
 *
 * Only the last page of the BAR may be touched without having received a packet in it: there stands
 * the layout (struct airlock_window_header). Any other may be dark, and reading it would stall.
 *
 * Thread rule: control functions, any thread.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "window_priv.h"

#define DEVICES	       "/sys/bus/pci/devices"
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110
#define WINDOW_BAR     2
#define PCI_COMMAND    4 /* in the configuration space */
#define PCI_MEMORY     0x2 /* in the command register */
#define HEADER_BYTES   4096 /* from the end of the window */
#define NAME_LEN_MAX   16 /* of a device: 0000:00:04.0 */

static_assert(sizeof(struct airlock_window_header) <= HEADER_BYTES, "one page");

/* A file of a device as a string. @return 0, -errno */
static int
read_text(const char *devices, const char *name, const char *file, char *buf, size_t len)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", devices, name, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0)
		n = -errno;
	else
		buf[n] = '\0';
	close(fd);
	return n < 0 ? (int)n : 0;
}

static bool
has_id(const char *devices, const char *name, const char *file, unsigned long id)
{
	char text[32];

	return read_text(devices, name, file, text, sizeof(text)) == 0 &&
		strtoul(text, NULL, 16) == id;
}

static bool
is_ivshmem(const char *devices, const char *name)
{
	return has_id(devices, name, "vendor", IVSHMEM_VENDOR) &&
		has_id(devices, name, "device", IVSHMEM_DEVICE);
}

/* The only ivshmem device there is. @return 0, -ENODEV, -EEXIST, -errno */
static int
find_only(const char *devices, char found[static NAME_LEN_MAX])
{
	const struct dirent *entry;
	unsigned int n = 0;
	DIR *dir;

	dir = opendir(devices);
	if (dir == NULL)
		return -errno;
	while ((entry = readdir(dir)) != NULL) {
		if (strlen(entry->d_name) >= NAME_LEN_MAX || !is_ivshmem(devices, entry->d_name))
			continue;
		strcpy(found, entry->d_name);
		n++;
	}
	closedir(dir);
	if (n == 0)
		return -ENODEV;
	return n == 1 ? 0 : -EEXIST;
}

/* The third line of the file `resource`: first address, last address, flags. */
static int
read_bar(const char *devices, const char *name, struct window_bar *bar)
{
	char text[2048];
	const char *line = text;
	uint64_t last;
	int ret;

	ret = read_text(devices, name, "resource", text, sizeof(text));
	if (ret < 0)
		return ret;
	for (int i = 0; i < WINDOW_BAR; i++) {
		line = strchr(line, '\n');
		if (line == NULL)
			return -EINVAL;
		line++;
	}
	if (sscanf(line, "%" SCNx64 " %" SCNx64, &bar->addr, &last) != 2 || last <= bar->addr)
		return -EINVAL;
	bar->bytes = last - bar->addr + 1;
	snprintf(bar->path, sizeof(bar->path), "%s/%s/resource%d", devices, name, WINDOW_BAR);
	return 0;
}

/* Without a driver nobody has enabled the device; the kernel does if asked by `enable`. */
static int
enable_memory(const char *devices, const char *name)
{
	uint8_t command = 0;
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s/config", devices, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		err = -EIO;
	close(fd);
	if (err < 0 || (command & PCI_MEMORY) != 0)
		return err;
	snprintf(path, sizeof(path), "%s/%s/enable", devices, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) < 0)
		err = -errno;
	close(fd);
	return err;
}

int
window_bar_find(const char *devices, const char *address, struct window_bar *bar)
{
	char only[NAME_LEN_MAX] = "";
	int ret = 0;

	if (address == NULL) {
		ret = find_only(devices, only);
		address = only;
	} else if (!is_ivshmem(devices, address)) {
		ret = -ENODEV;
	}
	if (ret == -ENODEV)
		WINDOW_LOG(ERR, "no ivshmem device (%04x:%04x) %s\n", IVSHMEM_VENDOR,
			IVSHMEM_DEVICE, address);
	if (ret == -EEXIST)
		WINDOW_LOG(ERR, "more than one ivshmem device, such as %s: name one\n", address);
	if (ret == -ENODEV || ret == -EEXIST)
		return ret;
	if (ret == 0)
		ret = read_bar(devices, address, bar);
	if (ret == 0)
		ret = enable_memory(devices, address);
	if (ret < 0)
		WINDOW_LOG(ERR, "%s: cannot be used: %s\n", address, strerror(-ret));
	return ret;
}

/* Copied before it is looked at. Only this page is touched. */
static bool
read_layout(const uint8_t *base, uint64_t bytes, struct airlock_window_layout *layout)
{
	struct airlock_window_header header;

	memcpy(&header, base + bytes - HEADER_BYTES, sizeof(header));
	if (header.magic != AIRLOCK_WINDOW_HEADER_MAGIC) {
		WINDOW_LOG(ERR, "there is no pool of airlockd's in the device\n");
		return false;
	}
	if (header.version != AIRLOCK_WINDOW_VERSION) {
		WINDOW_LOG(ERR, "airlockd speaks version %u, this is version %u\n", header.version,
			AIRLOCK_WINDOW_VERSION);
		return false;
	}
	*layout = header.layout;
	return window_layout_ok(layout, bytes);
}

struct airlock_window *
window_bar_open(const struct window_bar *bar)
{
	struct airlock_window_layout layout;
	struct airlock_window *window;
	uint8_t *base;
	int fd;

	if (bar->bytes < HEADER_BYTES) {
		rte_errno = EINVAL;
		return NULL;
	}
	fd = open(bar->path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rte_errno = errno;
		WINDOW_LOG(ERR, "%s: %s\n", bar->path, strerror(errno));
		return NULL;
	}
	base = mmap(NULL, bar->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	rte_errno = errno;
	close(fd);
	if (base == MAP_FAILED) {
		WINDOW_LOG(ERR, "%s: cannot map: %s\n", bar->path, strerror(rte_errno));
		return NULL;
	}
	if (!read_layout(base, bar->bytes, &layout)) {
		rte_errno = EINVAL;
		goto unmap;
	}
	window = window_create(base, bar->bytes, bar->addr, &layout);
	if (window == NULL)
		goto unmap;
	WINDOW_LOG(INFO, "%s: %zu MiB, frames of %zu bytes, %u partitions\n", bar->path,
		window->bytes >> 20, window_frame_bytes(window), layout.nb_partitions);
	return window;

unmap:
	munmap(base, bar->bytes);
	return NULL;
}

struct airlock_window *
airlock_window_open_pci(const char *address)
{
	struct window_bar bar;
	int ret;

	if (rte_eal_iova_mode() != RTE_IOVA_PA) {
		WINDOW_LOG(ERR,
			"in a VM the NIC is told the VM's physical addresses: --iova-mode=pa\n");
		rte_errno = ENOTSUP;
		return NULL;
	}
	ret = window_bar_find(DEVICES, address, &bar);
	if (ret < 0) {
		rte_errno = -ret;
		return NULL;
	}
	return window_bar_open(&bar);
}
