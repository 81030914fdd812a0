/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * One socket stays registered until the process ends, and somebody who connects to it wakes
 * rte_vhost's thread.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "vhost_wake.h"

static struct sockaddr_un bell = {.sun_family = AF_UNIX};

static void
remove_bell(void)
{
	unlink(bell.sun_path);
}

static int
hang_bell(void)
{
	static const struct rte_vhost_device_ops nothing;

	snprintf(bell.sun_path, sizeof(bell.sun_path), "/tmp/airlock-test-%d-bell", getpid());
	if (rte_vhost_driver_register(bell.sun_path, 0) < 0 ||
		rte_vhost_driver_callback_register(bell.sun_path, &nothing) < 0 ||
		rte_vhost_driver_start(bell.sun_path) < 0)
		return -EIO;
	atexit(remove_bell);
	return 0;
}

int
vhost_wake(void)
{
	int ret = 0, fd;

	if (bell.sun_path[0] == '\0')
		ret = hang_bell();
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&bell, sizeof(bell)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}
