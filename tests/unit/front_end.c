/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The messages of a vhost-user front end: a head, a payload, and descriptors beside it.
 *
 * Thread rule: the test's.
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "front_end.h"

#define VERSION 1
#define MAX_FDS FRONT_MAX_REGIONS

struct head {
	uint32_t request;
	uint32_t flags;
	uint32_t bytes;
};

int
front_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (sock < 0)
		return -errno;
	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	if (connect(sock, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return sock;
	err = -errno;
	close(sock);
	return err;
}

int
front_send(int sock, enum front_request request, const void *payload, uint32_t bytes,
	const int *fds, unsigned int nb_fds)
{
	struct head head = {.request = request, .flags = VERSION, .bytes = bytes};
	struct iovec iov[] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = bytes},
	};
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))] = {0};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct cmsghdr *cmsg;

	if (nb_fds > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nb_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nb_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nb_fds * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(head) + bytes) ? 0 : -errno;
}

int
front_send_table(int sock, const struct front_table *table, const int *fds)
{
	uint32_t bytes = offsetof(struct front_table, regions) +
		table->nb_regions * sizeof(table->regions[0]);

	return front_send(sock, FRONT_SET_MEM_TABLE, table, bytes, fds, table->nb_regions);
}

bool
front_answers(int sock)
{
	uint8_t answer[sizeof(struct head) + sizeof(uint64_t)];

	return front_send(sock, FRONT_GET_FEATURES, NULL, 0, NULL, 0) == 0 &&
		recv(sock, answer, sizeof(answer), MSG_WAITALL) == (ssize_t)sizeof(answer);
}
