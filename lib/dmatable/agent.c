/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The window socket: agents come, speak and go. What they say is in lib/window's
 * airlock_window_proto.h; what is done about it in window.c and unmap.c.
 *
 * One agent at a time. A second one is told so and turned away: the first one's connection ends by
 * itself when its process does. An agent that is connected and says nothing costs a descriptor.
 *
 * An agent is trusted with pages, but a program may have bugs and versions: a message that is not
 * exactly what is due ends the connection, and so the window, and is counted. Descriptors that
 * come with a message are closed unless they are what HELLO brings.
 *
 * Thread rule: the unmap thread.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "dmatable_priv.h"

#define MESSAGES_PER_TURN 64
/* More of them in one message are closed by the kernel. */
#define MAX_FDS 4

union message {
	struct airlock_window_head head;
	struct airlock_window_hello hello;
	struct airlock_window_unmapped unmapped;
};

/* A message as it came. */
struct parcel {
	union message msg;
	ssize_t bytes;
	bool cut; /* longer than any that an agent sends, or with more descriptors */
	int fd; /* -1: none */
};

static void
take_fds(struct parcel *parcel, struct msghdr *mh)
{
	unsigned int nb_fds = 0;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (nb_fds++ == 0)
				parcel->fd = fd;
			else
				close(fd);
		}
	}
	if (nb_fds > 1)
		parcel->cut = true;
}

/* Bytes, 0 at the end, or -errno. */
static ssize_t
parcel_read(int fd, struct parcel *parcel)
{
	char control[CMSG_SPACE(MAX_FDS * sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {.iov_base = &parcel->msg, .iov_len = sizeof(parcel->msg)};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	memset(parcel, 0, sizeof(*parcel));
	parcel->fd = -1;
	parcel->bytes = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (parcel->bytes < 0)
		return -errno;
	take_fds(parcel, &mh);
	parcel->cut |= (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
	return parcel->bytes;
}

int
agent_send(struct airlock_dmatable *table, const void *msg, uint32_t bytes)
{
	if (send(table->agent.fd, msg, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static void
refused_send(int fd, const char *text)
{
	struct airlock_window_refused refused = {
		.head = {.type = AIRLOCK_WINDOW_REFUSED, .bytes = sizeof(refused)}};

	snprintf(refused.text, sizeof(refused.text), "%s", text);
	/* Who does not hear it sees the connection end. */
	(void)!send(fd, &refused, sizeof(refused), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
agent_refuse(struct airlock_dmatable *table, const char *format, ...)
{
	char text[AIRLOCK_WINDOW_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	airlock_count(&table->counters.refused, 1);
	DMATABLE_LOG(WARNING, "%s: agent of process %d refused: %s\n", table->name,
		table->agent_pid, text);
	refused_send(table->agent.fd, text);
	window_lost(table);
}

static void
hello_handle(struct airlock_dmatable *table, struct parcel *parcel)
{
	int fd = parcel->fd;

	parcel->fd = -1;
	if (parcel->bytes != sizeof(parcel->msg.hello)) {
		agent_refuse(table, "HELLO of %zd bytes, expected %zu", parcel->bytes,
			sizeof(parcel->msg.hello));
	} else if (fd < 0) {
		agent_refuse(table, "HELLO without a descriptor, expected a userfaultfd");
	} else if (table->window != NULL) {
		agent_refuse(table, "HELLO again, expected one");
	} else if (table->listener.fd < 0) {
		agent_refuse(table, "airlockd takes this VM away");
	} else {
		window_up(table, &parcel->msg.hello, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void
unmapped_handle(struct airlock_dmatable *table, const struct parcel *parcel)
{
	const struct airlock_window_unmapped *answer = &parcel->msg.unmapped;

	if (parcel->bytes != sizeof(*answer))
		agent_refuse(table, "UNMAPPED of %zd bytes, expected %zu", parcel->bytes,
			sizeof(*answer));
	else if (parcel->fd >= 0)
		agent_refuse(table, "UNMAPPED with a descriptor, expected none");
	else if (unmap_answer(table, answer) < 0)
		agent_refuse(table, "UNMAPPED %llu with error %d, expected the next one, without",
			(unsigned long long)answer->id, answer->error);
}

static void
parcel_handle(struct airlock_dmatable *table, struct parcel *parcel)
{
	const struct airlock_window_head *head = &parcel->msg.head;

	if (parcel->cut || parcel->bytes < (ssize_t)sizeof(*head) ||
		head->bytes != (size_t)parcel->bytes)
		agent_refuse(table, "a message of %zd bytes that is cut short or too long",
			parcel->bytes);
	else if (head->type == AIRLOCK_WINDOW_HELLO)
		hello_handle(table, parcel);
	else if (head->type == AIRLOCK_WINDOW_UNMAPPED)
		unmapped_handle(table, parcel);
	else
		agent_refuse(table, "a message of type %u, expected HELLO or UNMAPPED", head->type);
	if (parcel->fd >= 0)
		close(parcel->fd);
}

static void
agent_ready(struct watch *watch, uint32_t events)
{
	struct airlock_dmatable *table = watch->arg;
	struct parcel parcel;

	if ((events & EPOLLOUT) != 0)
		unmap_resume(table);
	for (unsigned int i = 0; i < MESSAGES_PER_TURN && watch->fd >= 0; i++) {
		ssize_t bytes = parcel_read(watch->fd, &parcel);

		if (bytes == -EAGAIN || bytes == -EINTR)
			return;
		if (bytes <= 0) {
			if (parcel.fd >= 0)
				close(parcel.fd);
			DMATABLE_LOG(DEBUG, "%s: agent of process %d is gone\n", table->name,
				table->agent_pid);
			window_lost(table);
			return;
		}
		parcel_handle(table, &parcel);
	}
}

static void
layout_fill(const struct airlock_page_table *pages, struct airlock_window_layout *layout)
{
	layout->pool_bytes = pages->bytes;
	layout->frame_pages = pages->frame.pages;
	layout->nb_partitions = RTE_MIN(pages->nb_partitions, AIRLOCK_WINDOW_MAX_PARTITIONS);
	for (uint32_t i = 0; i < layout->nb_partitions; i++) {
		layout->partitions[i].first_frame = pages->partitions[i].first_frame;
		layout->partitions[i].nb_frames = pages->partitions[i].nb_frames;
	}
}

void
agent_write_header(const struct airlock_pool *pool)
{
	struct airlock_window_header *header = airlock_pool_header(pool);

	if (header == NULL)
		return;
	header->magic = AIRLOCK_WINDOW_HEADER_MAGIC;
	header->version = AIRLOCK_WINDOW_VERSION;
	layout_fill(airlock_pool_table(pool), &header->layout);
}

static int
welcome_send(struct airlock_dmatable *table)
{
	struct airlock_window_welcome welcome = {
		.head = {.type = AIRLOCK_WINDOW_WELCOME, .bytes = sizeof(welcome)},
		.version = AIRLOCK_WINDOW_VERSION,
	};
	uint64_t bytes;

	airlock_pool_file(table->pool, &welcome.pool_dev, &welcome.pool_ino, &bytes);
	layout_fill(table->pages, &welcome.layout);
	return agent_send(table, &welcome, sizeof(welcome));
}

static int
peer_pid(int fd)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}

void
agent_accept(struct watch *listener, uint32_t events)
{
	struct airlock_dmatable *table = listener->arg;
	char text[AIRLOCK_WINDOW_TEXT_MAX];
	int fd;

	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	/* The same agent may be back before the end of its last connection was read. */
	if (table->agent.fd >= 0)
		agent_ready(&table->agent, EPOLLIN);
	if (table->agent.fd >= 0) {
		snprintf(text, sizeof(text), "%s has an agent already, in process %d", table->name,
			table->agent_pid);
		airlock_count(&table->counters.refused, 1);
		refused_send(fd, text);
		DMATABLE_LOG(
			WARNING, "%s: process %d refused: %s\n", table->name, peer_pid(fd), text);
		close(fd);
		return;
	}
	table->agent_pid = peer_pid(fd);
	table->agent.fd = fd;
	table->agent.ready = agent_ready;
	if (watch_add(&table->agent, EPOLLIN) < 0 || welcome_send(table) < 0)
		watch_close(&table->agent);
}
