/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Can a PCI device have an IOMMU domain of its own? Asked of sysfs, before anything is opened, so
 * that each reason is one line.
 *
 * Thread rule: no state; any thread.
 */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio_container.h"

#define DRIVER "vfio-pci"

/* The last part of what a link of the device leads to, or NULL. */
static const char *
link_name(const char *devices, const char *device, const char *link, char target[PATH_MAX])
{
	char path[PATH_MAX];
	const char *slash;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s/%s", devices, device, link);
	len = readlink(path, target, PATH_MAX - 1);
	if (len < 0)
		return NULL;
	target[len] = '\0';
	slash = strrchr(target, '/');
	return slash != NULL ? slash + 1 : target;
}

int
vfio_device_group(const char *devices, const char *device)
{
	char target[PATH_MAX], *end;
	const char *name = link_name(devices, device, "iommu_group", target);
	long group;

	if (name == NULL)
		return -ENOENT;
	group = strtol(name, &end, 10);
	return *name == '\0' || *end != '\0' || group < 0 || group > INT_MAX ? -ENOENT : (int)group;
}

/* Another device of its group. False: there is none. */
static bool
group_has_another(const char *devices, const char *device, char *other, size_t size)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/iommu_group/devices", devices, device);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, device) == 0)
			continue;
		snprintf(other, size, "%s", entry->d_name);
		found = true;
	}
	closedir(dir);
	return found;
}

int
vfio_device_check(const char *devices, const char *device, char *why, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX], other[NAME_MAX + 1];
	const char *driver;
	struct stat st;
	int group;

	snprintf(path, sizeof(path), "%s/%s", devices, device);
	if (stat(path, &st) < 0) {
		snprintf(why, size, "does not exist, expected the address of a PCI device");
		return -EINVAL;
	}
	group = vfio_device_group(devices, device);
	if (group < 0) {
		snprintf(why, size,
			"is in no IOMMU group, expected an IOMMU that is switched on "
			"(intel_iommu=on or the like)");
		return -EINVAL;
	}
	driver = link_name(devices, device, "driver", target);
	if (driver == NULL || strcmp(driver, DRIVER) != 0) {
		snprintf(why, size, "is bound to %.60s, expected " DRIVER,
			driver != NULL ? driver : "no driver");
		return -EINVAL;
	}
	if (group_has_another(devices, device, other, sizeof(other))) {
		snprintf(why, size,
			"shares IOMMU group %d with %s, expected it to be alone in its group",
			group, other);
		return -EINVAL;
	}
	return 0;
}
