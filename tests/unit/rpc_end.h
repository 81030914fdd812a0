/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef RPC_END_H
#define RPC_END_H

/**
 * @file
 * The control socket's protocol for a test: one of its clients at one end of a socket pair, with
 * methods of the test's own, and the test at the other.
 *
 * "count" counts its runs, "echo" gives *text* back, "blob" answers BLOB_BYTES, "fail" fails.
 *
 * Thread rule: main thread.
 */

#include "rpc_priv.h"
#include "test.h"

#define OK(id, result)	 "{\"jsonrpc\":\"2.0\",\"result\":" result ",\"id\":" id "}\n"
#define ANSWER_MAX	 (4 * 1024 * 1024)
#define BLOB_BYTES	 (1024 * 1024)
#define CALL(id, method) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"id\":" id "}"
#define NOTIFICATION	 "{\"jsonrpc\":\"2.0\",\"method\":\"count\"}"
#define WITH(method, params) \
	"{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params ",\"id\":1}"

/** What is at the two ends, from rpc_end_setup() to rpc_end_teardown(). */
struct rpc_end {
	unsigned int nb_runs; /**< of "count" */
	struct rpc_client *client; /**< NULL: it was closed */
	int peer; /**< the test's end */
	uint32_t wanted; /**< events that the client waits for */
	char *answer; /**< what came, as a string */
	size_t answer_len;
};

extern struct rpc_end rpc_end;

/** A setup and a teardown of a test case. */
int rpc_end_setup(void);
void rpc_end_teardown(void);

/** A turn of the client, as the server would give it; it is destroyed when it is done. */
void rpc_end_turn(void);

/** Add to the answer what has come. */
void rpc_end_take_answer(void);

/** Send all, in pieces of *piece* bytes, reading what comes back. */
void rpc_end_say(const char *text, size_t len, size_t piece);

/** How often the answer has this. */
unsigned int rpc_end_count_of(const char *what);

#endif /* RPC_END_H */
