/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Whether a device will do for a VM, and which IOMMU group it is in: of a sysfs that the test
 * makes.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "test.h"
#include "vfio_container.h"

#define DEVICE "0000:00:05.0"

static char sysfs[64];

static int
shell(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static int
setup_sysfs(void)
{
	int ret;

	snprintf(sysfs, sizeof(sysfs), "/tmp/airlock-sysfs-XXXXXX");
	TEST_ASSERT_NOT_NULL(mkdtemp(sysfs), "directory");
	ret = shell("cd %s && mkdir -p devices drivers/vfio-pci drivers/e1000e "
		    "groups/7/devices devices/" DEVICE " devices/0000:00:06.0 "
		    "devices/0000:00:07.0 && touch groups/7/devices/" DEVICE
		    " && ln -s ../../groups/7 devices/" DEVICE "/iommu_group"
		    " && ln -s ../../drivers/vfio-pci devices/" DEVICE "/driver"
		    " && ln -s ../../groups/7 devices/0000:00:07.0/iommu_group",
		sysfs);
	TEST_ASSERT_EQUAL(ret, 0, "tree");
	strlcat(sysfs, "/devices", sizeof(sysfs));
	return TEST_SUCCESS;
}

static void
teardown_sysfs(void)
{
	shell("rm -rf %.*s", (int)(strlen(sysfs) - strlen("/devices")), sysfs);
}

static int
expect(const char *device, const char *text)
{
	char why[256] = "";
	int ret = vfio_device_check(sysfs, device, why, sizeof(why));

	TEST_ASSERT_EQUAL(ret, *text == '\0' ? 0 : -EINVAL, "%s: %s", device, why);
	TEST_ASSERT(strstr(why, text) != NULL, "%s: '%s', not '%s'", device, why, text);
	return TEST_SUCCESS;
}

static int
test_device_that_will_not_do_is_told_why(void)
{
	TEST_ASSERT_SUCCESS(expect(DEVICE, ""), "good");
	TEST_ASSERT_EQUAL(vfio_device_group(sysfs, DEVICE), 7, "group");
	TEST_ASSERT_SUCCESS(expect("0000:00:09.0", "does not exist, expected"), "none");
	TEST_ASSERT_SUCCESS(
		expect("0000:00:06.0", "is in no IOMMU group, expected an IOMMU"), "no IOMMU");
	TEST_ASSERT_SUCCESS(
		expect("0000:00:07.0", "is bound to no driver, expected vfio-pci"), "no driver");
	shell("ln -s ../../drivers/e1000e %s/0000:00:07.0/driver", sysfs);
	TEST_ASSERT_SUCCESS(
		expect("0000:00:07.0", "is bound to e1000e, expected vfio-pci"), "driver");
	shell("touch %s/../groups/7/devices/0000:00:07.0", sysfs);
	TEST_ASSERT_SUCCESS(
		expect(DEVICE, "shares IOMMU group 7 with 0000:00:07.0, expected it to be alone"),
		"group of two");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "vfio_device",
	.unit_test_cases =
		{
			TEST_CASE_ST(setup_sysfs, teardown_sysfs,
				test_device_that_will_not_do_is_told_why),
			TEST_CASES_END(),
		},
};

static int
test_vfio_device(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(vfio_device_autotest, true, true, test_vfio_device);
