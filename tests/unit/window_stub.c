/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * An agent in pieces; see window_stub.h. Each test puts together what its agent does.
 *
 * Thread rule: one thread a stub.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "window_stub.h"

static int
window_register(struct window_stub *stub)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM};
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)stub->base, .len = stub->bytes},
		.mode = UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP,
	};

	stub->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (stub->uffd < 0)
		return -errno;
	if (ioctl(stub->uffd, UFFDIO_API, &api) < 0)
		return -errno;
	if (ioctl(stub->uffd, UFFDIO_REGISTER, &range) == 0)
		return 0;
	range.mode = UFFDIO_REGISTER_MODE_MINOR;
	return ioctl(stub->uffd, UFFDIO_REGISTER, &range) < 0 ? -errno : 0;
}

int
window_stub_map(struct window_stub *stub, const char *pool_path, size_t bytes)
{
	int fd, ret;

	*stub = (struct window_stub){.sock = -1, .uffd = -1, .bytes = bytes};
	fd = open(pool_path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	stub->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ret = -errno;
	close(fd);
	if (stub->base == MAP_FAILED) {
		stub->base = NULL;
		return ret;
	}
	madvise(stub->base, bytes, MADV_NOHUGEPAGE);
	ret = window_register(stub);
	window_stub_hide(stub);
	return ret;
}

void
window_stub_fini(struct window_stub *stub)
{
	if (stub->sock > 0)
		close(stub->sock);
	if (stub->base != NULL)
		munmap(stub->base, stub->bytes);
	if (stub->uffd > 0)
		close(stub->uffd);
	*stub = (struct window_stub){.sock = -1, .uffd = -1};
}

int
window_stub_connect(struct window_stub *stub, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	ssize_t len;

	if (stub->sock >= 0)
		close(stub->sock);
	stub->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (stub->sock < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (connect(stub->sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	len = window_stub_recv(stub, &stub->welcome, sizeof(stub->welcome));
	if (len < (ssize_t)sizeof(stub->welcome.head))
		return len < 0 ? (int)len : -EPROTO;
	return stub->welcome.head.type == AIRLOCK_WINDOW_WELCOME ? 0 : -ECONNREFUSED;
}

struct airlock_window_hello
window_stub_hello(const struct window_stub *stub)
{
	return (struct airlock_window_hello){
		.head = {.type = AIRLOCK_WINDOW_HELLO,
			.bytes = sizeof(struct airlock_window_hello)},
		.version = AIRLOCK_WINDOW_VERSION,
		.in_process = 1,
		.base = (uintptr_t)stub->base,
		.bytes = stub->bytes,
	};
}

int
window_stub_send(
	const struct window_stub *stub, const void *msg, size_t bytes, const int *fds, int nb_fds)
{
	char control[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = bytes};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (nb_fds > 0) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(nb_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nb_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nb_fds * sizeof(int));
	}
	return sendmsg(stub->sock, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int
window_stub_up(struct window_stub *stub, const char *path)
{
	struct airlock_window_hello hello = window_stub_hello(stub);
	int ret;

	ret = window_stub_connect(stub, path);
	if (ret < 0)
		return ret;
	return window_stub_send(stub, &hello, sizeof(hello), &stub->uffd, 1);
}

ssize_t
window_stub_recv(const struct window_stub *stub, void *msg, size_t bytes)
{
	struct pollfd pfd = {.fd = stub->sock, .events = POLLIN};
	ssize_t len;

	if (poll(&pfd, 1, STUB_DEADLINE_MS) <= 0)
		return -ETIMEDOUT;
	len = recv(stub->sock, msg, bytes, 0);
	return len < 0 ? -errno : len;
}

int
window_stub_serve_one(const struct window_stub *stub)
{
	union {
		struct airlock_window_unmap msg;
		char bytes[sizeof(struct airlock_window_unmap) +
			AIRLOCK_WINDOW_MAX_RUNS * sizeof(struct airlock_window_run)];
	} in;
	struct airlock_window_unmapped answer = {
		.head = {.type = AIRLOCK_WINDOW_UNMAPPED, .bytes = sizeof(answer)}};
	ssize_t len = window_stub_recv(stub, &in, sizeof(in));

	if (len <= 0)
		return len < 0 ? (int)len : -EPIPE;
	if (in.msg.head.type != AIRLOCK_WINDOW_UNMAP || in.msg.head.bytes != (size_t)len)
		return -EPROTO;
	for (uint32_t i = 0; i < in.msg.nb_runs; i++) {
		if (madvise(stub->base + in.msg.runs[i].first_page * 4096ul,
			    in.msg.runs[i].nb_pages * 4096ul, MADV_DONTNEED) < 0)
			return -errno;
	}
	answer.id = in.msg.id;
	return window_stub_send(stub, &answer, sizeof(answer), NULL, 0);
}

void
window_stub_hide(const struct window_stub *stub)
{
	madvise(stub->base, stub->bytes, MADV_DONTNEED);
}
