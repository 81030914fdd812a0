/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Answers on their way to a client: a buffer that grows up to a bound, so that a client which does
 * not read costs no more than that.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpc_priv.h"

int
rpc_out_put(struct rpc_out *out, const char *bytes, size_t len)
{
	size_t size = out->size;
	char *data;

	if (len == 0)
		return 0;
	if (len > AIRLOCK_RPC_ANSWER_MAX - out->len)
		return -ENOBUFS;
	while (size < out->len + len)
		size = size == 0 ? 4096 : 2 * size;
	if (size != out->size) {
		data = realloc(out->data, size);
		if (data == NULL)
			return -ENOMEM;
		out->data = data;
		out->size = size;
	}
	memcpy(out->data + out->len, bytes, len);
	out->len += len;
	return 0;
}

struct dump {
	struct rpc_out *out;
	int ret;
};

static int
dump_piece(const char *bytes, size_t len, void *arg)
{
	struct dump *dump = arg;

	dump->ret = rpc_out_put(dump->out, bytes, len);
	return dump->ret;
}

int
rpc_out_json(struct rpc_out *out, const json_t *value)
{
	struct dump dump = {.out = out};

	if (json_dump_callback(value, dump_piece, &dump, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return 0;
	return dump.ret != 0 ? dump.ret : -ENOMEM;
}

ssize_t
rpc_out_send(struct rpc_out *out, int fd)
{
	while (out->sent < out->len) {
		ssize_t n = send(fd, out->data + out->sent, out->len - out->sent,
			MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return out->len - out->sent;
		if (n < 0)
			return -errno;
		out->sent += n;
	}
	rpc_out_reset(out);
	return 0;
}

void
rpc_out_reset(struct rpc_out *out)
{
	free(out->data);
	*out = (struct rpc_out){0};
}
