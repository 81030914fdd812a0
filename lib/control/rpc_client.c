/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * One client of the control socket.
 *
 * Requests are run one after the other as they come. While answers wait for the client to read
 * them, its further requests wait too, in its own buffer and then in the socket's: so a client that
 * reads slowly holds up itself only, and what it costs is bounded by one request and one answer.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rpc_priv.h"

/* Bytes read at once: others get their turn before more. */
#define READ_BYTES 65536
/* Bytes of answers that may wait before requests do. */
#define PAUSE_BYTES 65536

struct rpc_client {
	const struct rpc_env *env;
	int fd;
	char *in;
	size_t in_len;
	size_t in_size;
	struct rpc_scan scan;
	struct rpc_out out;
	time_t moved_s; /* when it last took something, or there was nothing to take */
	bool eof; /* it sends no more */
	bool closing; /* it gets what waits, and that is all */
};

static time_t
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

struct rpc_client *
rpc_client_create(const struct rpc_env *env, int fd)
{
	struct rpc_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	client->env = env;
	client->fd = fd;
	client->moved_s = now_s();
	return client;
}

void
rpc_client_destroy(struct rpc_client *client)
{
	close(client->fd);
	free(client->in);
	rpc_out_reset(&client->out);
	free(client);
}

bool
rpc_client_is_dead(const struct rpc_client *client)
{
	return client->out.len != 0 && now_s() - client->moved_s > AIRLOCK_RPC_STALL_S;
}

/* Forget what is behind, so that a buffer holds one request and one read at most. */
static void
trim(struct rpc_client *client)
{
	size_t start = client->scan.start;

	client->in_len -= start;
	client->scan.at -= start;
	client->scan.start = 0;
	if (client->in_len > 0) {
		memmove(client->in, client->in + start, client->in_len);
		return;
	}
	free(client->in);
	client->in = NULL;
	client->in_size = 0;
}

static int
make_room(struct rpc_client *client)
{
	size_t size = client->in_size;
	char *in;

	while (size < client->in_len + READ_BYTES)
		size = size == 0 ? READ_BYTES : 2 * size;
	if (size == client->in_size)
		return 0;
	in = realloc(client->in, size);
	if (in == NULL)
		return -ENOMEM;
	client->in = in;
	client->in_size = size;
	return 0;
}

static int
read_some(struct rpc_client *client)
{
	ssize_t n;

	if (make_room(client) < 0)
		return -ENOMEM;
	n = recv(client->fd, client->in + client->in_len, READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->in_len += n;
	client->eof = n == 0;
	return 0;
}

static int
refuse(struct rpc_client *client)
{
	client->closing = true;
	return rpc_answer_error(&client->out, RPC_INVALID_REQUEST,
		"request of more than 1048576 bytes, expected a shorter one; closing");
}

/* Run one request. Returns 1, 0 if there is no whole one, or an error. */
static int
run_one(struct rpc_client *client)
{
	struct rpc_scan *scan = &client->scan;
	bool whole = rpc_scan(scan, client->in, client->in_len);
	size_t len = scan->at - scan->start;
	int ret;

	if (scan->begun && len > AIRLOCK_RPC_REQUEST_MAX)
		return refuse(client);
	/* At the end of the stream the parser says what is missing, or that nothing is. */
	if (!whole && !(client->eof && scan->begun))
		return 0;
	ret = rpc_answer(client->env, client->in + scan->start, len, &client->out);
	rpc_scan_next(scan, ret == -EBADMSG);
	return ret < 0 && ret != -EBADMSG ? ret : 1;
}

static int
run_all(struct rpc_client *client)
{
	int ret = 1;

	while (ret > 0 && !client->closing && client->out.len - client->out.sent < PAUSE_BYTES)
		ret = run_one(client);
	return ret;
}

static int
send_some(struct rpc_client *client)
{
	size_t sent = client->out.sent;
	ssize_t left = rpc_out_send(&client->out, client->fd);

	if (left == 0 || client->out.sent != sent)
		client->moved_s = now_s();
	return left < 0 ? left : 0;
}

uint32_t
rpc_client_run(struct rpc_client *client, uint32_t events)
{
	int more;

	/* Hung up, both ways: nobody is there for an answer. */
	if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (events & EPOLLIN) == 0)
		return 0;
	if ((events & EPOLLIN) != 0 && read_some(client) < 0)
		return 0;
	do {
		more = run_all(client);
		if (more < 0 || send_some(client) < 0)
			return 0;
	} while (more > 0 && client->out.len == 0 && !client->closing);
	trim(client);
	/* No further requests while answers wait. */
	if (client->out.len != 0)
		return EPOLLOUT;
	return client->eof || client->closing ? 0 : EPOLLIN;
}
