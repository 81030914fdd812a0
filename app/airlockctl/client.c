/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The connection to the daemon. Above it, ctl.c says in words what is returned here in numbers.
 *
 * The socket never blocks; each wait is a poll() that ends at the deadline of the request, so a
 * daemon that hangs, or sends a byte a second, does not hang its client. One request is under way
 * at a time: an answer with another id is an error, not something to keep.
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define FIRST_BUFFER_BYTES 65536
#define MAX_ANSWER_BYTES   (64 << 20)
#define RETRY_MS	   20

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until the socket is ready for *events*, or has failed. */
static int
wait_ready(const struct client *client, short events, int64_t deadline_ms)
{
	struct pollfd fd = {.fd = client->fd, .events = events};

	for (;;) {
		int64_t left_ms = deadline_ms - now_ms();
		int ret = poll(&fd, 1, left_ms < 0 ? 0 : (int)left_ms);

		if (ret > 0)
			return 0;
		if (ret == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* A listener with a full backlog refuses with EAGAIN, and poll() cannot wait for its room. */
static int
connect_until(const struct client *client, const struct sockaddr_un *address, int64_t deadline_ms)
{
	const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};

	while (connect(client->fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int
client_open(struct client *client, const char *path, unsigned int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*client = (struct client){.fd = -1, .timeout_ms = timeout_ms};
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	return connect_until(client, &address, now_ms() + timeout_ms);
}

void
client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	*client = (struct client){.fd = -1};
}

static int
send_all(const struct client *client, const char *text, size_t len, int64_t deadline_ms)
{
	while (len > 0) {
		ssize_t sent = send(client->fd, text, len, MSG_NOSIGNAL);
		int ret = 0;

		if (sent >= 0) {
			text += sent;
			len -= sent;
		} else if (errno == EAGAIN) {
			ret = wait_ready(client, POLLOUT, deadline_ms);
		} else if (errno != EINTR) {
			ret = errno == EPIPE ? -ECONNRESET : -errno;
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
send_request(struct client *client, const char *method, json_t *params, int64_t deadline_ms)
{
	json_t *request;
	char *text;
	int ret;

	request = json_pack("{s:s, s:s, s:o*, s:I}", "jsonrpc", "2.0", "method", method, "params",
		params, "id", (json_int_t)++client->last_id);
	if (request == NULL)
		return -ENOMEM;
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return -ENOMEM;
	ret = send_all(client, text, strlen(text), deadline_ms);
	if (ret == 0)
		ret = send_all(client, "\n", 1, deadline_ms);
	free(text);
	return ret;
}

static int
make_room(struct client *client)
{
	size_t size = client->size != 0 ? client->size * 2 : FIRST_BUFFER_BYTES;
	char *buffer;

	if (client->len < client->size)
		return 0;
	if (size > MAX_ANSWER_BYTES)
		return -EMSGSIZE;
	buffer = realloc(client->buffer, size);
	if (buffer == NULL)
		return -ENOMEM;
	client->buffer = buffer;
	client->size = size;
	return 0;
}

/* Some more bytes behind those that are there. */
static int
receive_some(struct client *client, int64_t deadline_ms)
{
	ssize_t got;
	int ret = make_room(client);

	if (ret == 0)
		ret = wait_ready(client, POLLIN, deadline_ms);
	if (ret < 0)
		return ret;
	got = recv(client->fd, client->buffer + client->len, client->size - client->len, 0);
	if (got == 0)
		return -ECONNRESET;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	client->len += got;
	return 0;
}

/* The first line, parsed and taken out of the buffer. */
static int
receive_line(struct client *client, json_t **line, int64_t deadline_ms)
{
	size_t searched = 0, len;
	char *end = NULL;

	while (end == NULL) {
		if (client->len > searched)
			end = memchr(client->buffer + searched, '\n', client->len - searched);
		searched = client->len;
		if (end == NULL) {
			int ret = receive_some(client, deadline_ms);

			if (ret < 0)
				return ret;
		}
	}
	len = end + 1 - client->buffer;
	*line = json_loadb(client->buffer, len, 0, NULL);
	client->len -= len;
	memmove(client->buffer, end + 1, client->len);
	return *line != NULL ? 0 : -EPROTO;
}

/* An error of a request that the daemon could not read has no id. */
static bool
is_answer(const json_t *answer, uint64_t id)
{
	const json_t *error = json_object_get(answer, "error");
	const json_t *answer_id = json_object_get(answer, "id");
	const char *version = json_string_value(json_object_get(answer, "jsonrpc"));

	if (version == NULL || strcmp(version, "2.0") != 0)
		return false;
	if (!json_is_integer(answer_id) || (uint64_t)json_integer_value(answer_id) != id)
		return error != NULL && json_is_null(answer_id);
	if (error == NULL)
		return json_object_get(answer, "result") != NULL;
	return json_is_integer(json_object_get(error, "code")) &&
		json_is_string(json_object_get(error, "message"));
}

int
client_call(struct client *client, const char *method, json_t *params, json_t **answer)
{
	int64_t deadline_ms = now_ms() + client->timeout_ms;
	int ret;

	ret = send_request(client, method, params, deadline_ms);
	/* A daemon that refuses a request may have said why before it closed. */
	if (ret < 0 && ret != -ECONNRESET)
		return ret;
	ret = receive_line(client, answer, deadline_ms);
	if (ret < 0)
		return ret;
	if (is_answer(*answer, client->last_id))
		return 0;
	json_decref(*answer);
	return -EPROTO;
}
