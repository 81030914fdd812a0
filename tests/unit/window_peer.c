/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * See window_peer.h. The socket is real, the userfaultfd too; only airlockd is played.
 *
 * Waits have a limit of ten seconds, so that a test that fails ends.
 */

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"
#include "window_peer.h"

#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP (1 << 1) /* Linux 6.4 */
#endif

#define LIMIT_MS 10000
#define LINES	 64

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[LINES][512];
static unsigned int nb_lines;

void
peer_log(const char *line)
{
	pthread_mutex_lock(&log_lock);
	if (nb_lines < LINES)
		snprintf(lines[nb_lines++], sizeof(lines[0]), "%s", line);
	pthread_mutex_unlock(&log_lock);
}

unsigned int
peer_nb_logged(const char *text)
{
	unsigned int nb = 0;

	pthread_mutex_lock(&log_lock);
	for (unsigned int i = 0; i < nb_lines; i++)
		nb += strstr(lines[i], text) != NULL;
	pthread_mutex_unlock(&log_lock);
	return nb;
}

bool
peer_has_logged(const char *text)
{
	for (unsigned int i = 0; i < LIMIT_MS / 10 && peer_nb_logged(text) == 0; i++)
		usleep(10000);
	return peer_nb_logged(text) > 0;
}

static int
pool_create(struct window_peer *peer)
{
	struct stat st;

	peer->pool_fd = memfd_create("pool", MFD_CLOEXEC);
	if (peer->pool_fd < 0 || ftruncate(peer->pool_fd, PEER_BYTES) < 0 ||
		fstat(peer->pool_fd, &st) < 0)
		return -errno;
	peer->pool = mmap(NULL, PEER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, peer->pool_fd, 0);
	peer->window = mmap(NULL, PEER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, peer->pool_fd, 0);
	if (peer->pool == MAP_FAILED || peer->window == MAP_FAILED)
		return -errno;
	for (unsigned int i = 0; i < PEER_PAGES; i++)
		memset(peer->pool + i * 4096, i + 1, 4096);
	peer->welcome = (struct airlock_window_welcome){
		.head = {.type = AIRLOCK_WINDOW_WELCOME, .bytes = sizeof(peer->welcome)},
		.version = AIRLOCK_WINDOW_VERSION,
		.pool_dev = st.st_dev,
		.pool_ino = st.st_ino,
		.layout =
			{
				.pool_bytes = PEER_BYTES,
				.frame_pages = 1,
				.nb_partitions = 1,
				.partitions = {{.first_frame = 0, .nb_frames = PEER_PAGES - 1}},
			},
	};
	return 0;
}

int
peer_open(struct window_peer *peer)
{
	*peer = (struct window_peer){.pool_fd = -1, .listener = -1, .sock = -1, .uffd = -1};
	nb_lines = 0;
	snprintf(peer->dir, sizeof(peer->dir), "/tmp/airlock-test.XXXXXX");
	if (mkdtemp(peer->dir) == NULL)
		return -errno;
	snprintf(peer->path, sizeof(peer->path), "%s/window", peer->dir);
	return pool_create(peer) == 0 ? peer_listen(peer) : -ENOMEM;
}

void
peer_close(struct window_peer *peer)
{
	airlock_window_agent_close_unmapped(peer->agent);
	peer_die(peer);
	if (peer->window != NULL)
		munmap(peer->window, PEER_BYTES);
	if (peer->pool != NULL)
		munmap(peer->pool, PEER_BYTES);
	close(peer->pool_fd);
	rmdir(peer->dir);
}

int
peer_listen(struct window_peer *peer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer->path);
	peer->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (peer->listener < 0 ||
		bind(peer->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(peer->listener, 4) < 0)
		return -errno;
	return 0;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
peer_hang_up(struct window_peer *peer)
{
	close_fd(&peer->sock);
	close_fd(&peer->uffd);
}

void
peer_die(struct window_peer *peer)
{
	close_fd(&peer->listener);
	unlink(peer->path);
	peer_hang_up(peer);
}

static bool
is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, LIMIT_MS) == 1;
}

int
peer_accept(struct window_peer *peer)
{
	if (!is_readable(peer->listener))
		return -ETIMEDOUT;
	peer->sock = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
	if (peer->sock < 0)
		return -errno;
	return peer_send(peer, &peer->welcome, sizeof(peer->welcome));
}

int
peer_take_hello(struct window_peer *peer)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec body = {.iov_base = &peer->hello, .iov_len = sizeof(peer->hello)};
	struct msghdr message = {
		.msg_iov = &body,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	ssize_t bytes;

	if (!is_readable(peer->sock))
		return -ETIMEDOUT;
	bytes = recvmsg(peer->sock, &message, MSG_CMSG_CLOEXEC);
	if (bytes <= 0)
		return -ECONNRESET;
	head = CMSG_FIRSTHDR(&message);
	if (bytes != sizeof(peer->hello) || head == NULL || head->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(&peer->uffd, CMSG_DATA(head), sizeof(int));
	peer->last_id = 0;
	return 0;
}

int
peer_serve(struct window_peer *peer)
{
	int ret;

	peer->agent = airlock_window_agent_open_known(peer->path, &peer->welcome, peer_log);
	if (peer->agent == NULL)
		return -errno;
	ret = airlock_window_agent_serve(peer->agent, peer->window, PEER_BYTES, false);
	if (ret < 0)
		return ret;
	ret = peer_accept(peer);
	return ret < 0 ? ret : peer_take_hello(peer);
}

int
peer_send(struct window_peer *peer, const void *message, size_t bytes)
{
	return send(peer->sock, message, bytes, MSG_NOSIGNAL) == (ssize_t)bytes ? 0 : -errno;
}

int
peer_receive(struct window_peer *peer, void *message, size_t bytes)
{
	ssize_t got;

	if (!is_readable(peer->sock))
		return -ETIMEDOUT;
	got = recv(peer->sock, message, bytes, 0);
	return got < 0 && errno == ECONNRESET ? 0 : (int)got;
}

static int
map_pages(struct window_peer *peer, uint32_t first, uint32_t nb, uint64_t mode)
{
	struct uffdio_continue range = {
		.range = {.start = peer->hello.base + first * 4096ULL, .len = nb * 4096ULL},
		.mode = mode,
	};

	return ioctl(peer->uffd, UFFDIO_CONTINUE, &range) < 0 ? -errno : 0;
}

int
peer_map(struct window_peer *peer, uint32_t first, uint32_t nb)
{
	return map_pages(peer, first, nb, 0);
}

int
peer_map_read_only(struct window_peer *peer, uint32_t first, uint32_t nb)
{
	return map_pages(peer, first, nb, UFFDIO_CONTINUE_MODE_WP);
}

int
peer_unmap(struct window_peer *peer, uint32_t first, uint32_t nb)
{
	union {
		struct airlock_window_unmap unmap;
		uint8_t bytes[sizeof(struct airlock_window_unmap) +
			sizeof(struct airlock_window_run)];
	} message = {{
		.head = {.type = AIRLOCK_WINDOW_UNMAP, .bytes = sizeof(message)},
		.id = ++peer->last_id,
		.nb_runs = 1,
	}};

	message.unmap.runs[0] = (struct airlock_window_run){.first_page = first, .nb_pages = nb};
	return peer_send(peer, &message, sizeof(message));
}

int
peer_take_answer(struct window_peer *peer, uint64_t id)
{
	struct airlock_window_unmapped answer;
	int ret;

	ret = peer_receive(peer, &answer, sizeof(answer));
	if (ret <= 0)
		return ret < 0 ? ret : -ECONNRESET;
	if (ret != sizeof(answer) || answer.head.type != AIRLOCK_WINDOW_UNMAPPED ||
		answer.head.bytes != sizeof(answer) || answer.id != id)
		return -EPROTO;
	return answer.error;
}

static bool
read_pagemap(const struct window_peer *peer, uint64_t entries[PEER_PAGES])
{
	const size_t bytes = PEER_PAGES * sizeof(entries[0]);
	bool read_all;
	int fd;

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	read_all = fd >= 0 &&
		pread(fd, entries, bytes, (uintptr_t)peer->window / 4096 * 8) == (ssize_t)bytes;
	close(fd);
	return read_all;
}

uint64_t
peer_pagemap(const struct window_peer *peer, uint32_t page)
{
	uint64_t entries[PEER_PAGES];

	return read_pagemap(peer, entries) ? entries[page] : 0;
}

unsigned int
peer_nb_mapped(const struct window_peer *peer)
{
	uint64_t entries[PEER_PAGES];
	unsigned int nb = 0;

	if (!read_pagemap(peer, entries))
		return UINT32_MAX;
	for (unsigned int i = 0; i < PEER_PAGES; i++)
		nb += entries[i] >> 63;
	return nb;
}

bool
peer_is_dark(const struct window_peer *peer)
{
	for (unsigned int i = 0; i < LIMIT_MS / 10 && peer_nb_mapped(peer) != 0; i++)
		usleep(10000);
	return peer_nb_mapped(peer) == 0;
}
