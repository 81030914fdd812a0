/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent's connection to airlockd: messages in and out, checked for form. What they mean for
 * the window is window_agent.c's.
 *
 * The socket does not block. Every wait also waits for agent->stop_fd, so that the thread ends at
 * once when it is told to.
 *
 * Thread rule: one thread at a time: the opener, then the agent's thread.
 */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "window_agent_priv.h"

/* How long an airlockd that has accepted may take to say WELCOME. */
#define WELCOME_TIMEOUT_MS 2000

/* @return 0: the socket is ready; -ETIMEDOUT; -ECANCELED */
static int
link_wait(struct airlock_window_agent *agent, short events, int timeout_ms)
{
	struct pollfd fds[] = {
		{.fd = agent->stop_fd, .events = POLLIN},
		{.fd = agent->sock, .events = events},
	};
	int nb;

	do {
		nb = poll(fds, 2, timeout_ms);
	} while (nb < 0 && errno == EINTR);
	if (fds[0].revents != 0)
		return -ECANCELED;
	return nb == 0 ? -ETIMEDOUT : 0;
}

bool
window_link_pause(struct airlock_window_agent *agent, int timeout_ms)
{
	return link_wait(agent, 0, timeout_ms) == -ECANCELED;
}

void
window_link_close(struct airlock_window_agent *agent)
{
	window_fork_lock();
	if (agent->sock >= 0)
		close(agent->sock);
	agent->sock = -1;
	window_fork_unlock();
}

static int
link_connect(struct airlock_window_agent *agent)
{
	int err = 0;

	window_fork_lock();
	agent->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (agent->sock < 0)
		err = -errno;
	window_fork_unlock();
	if (err == 0 &&
		connect(agent->sock, (const struct sockaddr *)&agent->address,
			sizeof(agent->address)) < 0)
		err = -errno;
	switch (err) {
	case 0:
		return 0;
	case -ENOENT:
	case -ECONNREFUSED:
	case -EAGAIN:
		/* No airlockd, or one that is busy. */
		break;
	default:
		window_say_once(
			agent, "cannot connect to %s: %s", agent->address.sun_path, strerror(-err));
	}
	window_link_close(agent);
	return -EAGAIN;
}

/* Its words go to a log: one line, nothing but text. */
static int
link_refused(struct airlock_window_agent *agent, size_t bytes)
{
	char *text = agent->message.refused.text;

	if (bytes != sizeof(agent->message.refused))
		return -EPROTO;
	text[AIRLOCK_WINDOW_TEXT_MAX - 1] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	window_say_once(agent, "airlockd refuses: %s", text);
	return -ECONNREFUSED;
}

int
window_link_receive(struct airlock_window_agent *agent, int timeout_ms)
{
	ssize_t bytes;
	int err;

	/* Tried before it is waited for: requests come in trains. */
	for (;;) {
		bytes = recv(agent->sock, &agent->message, sizeof(agent->message), MSG_TRUNC);
		if (bytes >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -ECONNRESET;
		err = link_wait(agent, POLLIN, timeout_ms);
		if (err < 0)
			return err;
	}
	/* What is too long is longer than the buffer by MSG_TRUNC's word. */
	if (bytes == 0)
		return -ECONNRESET;
	if ((size_t)bytes < sizeof(agent->message.head) || (size_t)bytes > WINDOW_MESSAGE_MAX ||
		agent->message.head.bytes != (size_t)bytes)
		return -EPROTO;
	if (agent->message.head.type == AIRLOCK_WINDOW_REFUSED)
		return link_refused(agent, bytes);
	return (int)bytes;
}

static bool
layout_is_sound(const struct airlock_window_layout *layout)
{
	uint64_t nb_frames;

	if (layout->frame_pages == 0 || layout->frame_pages > AIRLOCK_WINDOW_MAX_FRAME_PAGES ||
		layout->pool_bytes == 0 || layout->pool_bytes % AIRLOCK_WINDOW_PAGE_BYTES != 0 ||
		layout->pool_bytes >> WINDOW_PAGE_SHIFT > UINT32_MAX ||
		layout->nb_partitions == 0 || layout->nb_partitions > AIRLOCK_WINDOW_MAX_PARTITIONS)
		return false;
	nb_frames = layout->pool_bytes / AIRLOCK_WINDOW_PAGE_BYTES / layout->frame_pages;
	for (uint32_t i = 0; i < layout->nb_partitions; i++) {
		const struct airlock_window_partition *partition = &layout->partitions[i];

		if (partition->first_frame > nb_frames ||
			partition->nb_frames > nb_frames - partition->first_frame)
			return false;
	}
	return true;
}

static int
welcome_check(struct airlock_window_agent *agent, size_t bytes)
{
	const struct airlock_window_welcome *welcome = &agent->message.welcome;

	if (welcome->head.type != AIRLOCK_WINDOW_WELCOME ||
		bytes < offsetof(struct airlock_window_welcome, reserved)) {
		window_say_once(
			agent, "what listens at %s is no airlockd", agent->address.sun_path);
		return -EPROTO;
	}
	if (welcome->version != AIRLOCK_WINDOW_VERSION) {
		window_say_once(agent, "airlockd speaks version %u of the window protocol, not %u",
			welcome->version, AIRLOCK_WINDOW_VERSION);
		return -EPROTO;
	}
	if (bytes != sizeof(*welcome) || !layout_is_sound(&welcome->layout)) {
		window_say_once(agent, "airlockd describes a pool that cannot be");
		return -EPROTO;
	}
	return 0;
}

int
window_link_open(struct airlock_window_agent *agent)
{
	int err;

	err = link_connect(agent);
	if (err < 0)
		return err;
	err = window_link_receive(agent, WELCOME_TIMEOUT_MS);
	if (err == -EPROTO)
		window_say_once(
			agent, "what listens at %s is no airlockd", agent->address.sun_path);
	if (err > 0)
		err = welcome_check(agent, err);
	if (err == -ECONNRESET || err == -ETIMEDOUT)
		err = -EAGAIN;
	if (err < 0)
		window_link_close(agent);
	return err;
}

static int
link_send(struct airlock_window_agent *agent, const struct msghdr *message)
{
	int err;

	while (sendmsg(agent->sock, message, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -ECONNRESET;
		err = link_wait(agent, POLLOUT, -1);
		if (err < 0)
			return err;
	}
	return 0;
}

int
window_link_hello(struct airlock_window_agent *agent)
{
	struct airlock_window_hello hello = {
		.head = {.type = AIRLOCK_WINDOW_HELLO, .bytes = sizeof(hello)},
		.version = AIRLOCK_WINDOW_VERSION,
		.in_process = agent->in_process,
		.base = (uintptr_t)agent->map.base,
		.bytes = agent->map.bytes,
	};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {
			     .cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
		     }};
	struct iovec body = {.iov_base = &hello, .iov_len = sizeof(hello)};
	struct msghdr message = {
		.msg_iov = &body,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &agent->map.uffd, sizeof(int));
	return link_send(agent, &message);
}

int
window_link_answer(struct airlock_window_agent *agent, uint64_t id, int error, uint64_t ns)
{
	struct airlock_window_unmapped answer = {
		.head = {.type = AIRLOCK_WINDOW_UNMAPPED, .bytes = sizeof(answer)},
		.id = id,
		.error = error,
		.ns = ns < UINT32_MAX ? ns : UINT32_MAX,
	};
	struct iovec body = {.iov_base = &answer, .iov_len = sizeof(answer)};
	struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};

	return link_send(agent, &message);
}
