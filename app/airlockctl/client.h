/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef CLIENT_H
#define CLIENT_H

/*
 * A JSON-RPC 2.0 client on a Unix stream socket: a request is a line, and so is its answer.
 *
 * Thread rule: one thread.
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct client {
	int fd;
	unsigned int timeout_ms; /* for one request and its answer, and for the connection */
	uint64_t last_id;
	char *buffer; /* what came and was not used yet */
	size_t len;
	size_t size;
};

/**
 * Connect to the socket *path*.
 *
 * @return 0; -ENAMETOOLONG, -ETIMEDOUT, or what socket() and connect() say. client_close() is right
 *   after either.
 */
int client_open(struct client *client, const char *path, unsigned int timeout_ms);

/** Undo client_open(). */
void client_close(struct client *client);

/**
 * Ask, and wait for the answer.
 *
 * @param params object or array; NULL: none. The reference is taken.
 * @param answer the whole answer, with either "result" or a well-formed "error" in it; to be
 *   given back by json_decref()
 * @return 0; -ETIMEDOUT; -ECONNRESET: closed before the answer was whole; -EMSGSIZE: the answer is
 *   too long; -EPROTO: it is no answer to this request; -ENOMEM; or what send() and recv() say.
 *   After an error the connection is of no more use.
 */
int client_call(struct client *client, const char *method, json_t *params, json_t **answer);

#endif /* CLIENT_H */
