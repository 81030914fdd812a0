/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/* See rpc_end.h. */

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc_end.h"

struct rpc_end rpc_end = {.peer = -1};

static int
run_count(struct rpc_call *call)
{
	rpc_end.nb_runs++;
	call->result = json_integer(rpc_end.nb_runs);
	return 0;
}

static int
run_echo(struct rpc_call *call)
{
	call->result = json_incref(json_object_get(call->params, "text"));
	return 0;
}

static int
run_blob(struct rpc_call *call)
{
	char *blob = malloc(BLOB_BYTES);

	if (blob == NULL)
		return 0;
	memset(blob, 'x', BLOB_BYTES);
	call->result = json_stringn(blob, BLOB_BYTES);
	free(blob);
	return 0;
}

static int
run_fail(struct rpc_call *call)
{
	return rpc_fail(call, RPC_FAILED, "cannot\n%s", "\xff");
}

static const struct rpc_method methods[] = {
	{"count", "count runs", .run = run_count},
	{"echo", "give back", {{"text", JSON_STRING, "a string", false}}, .run = run_echo},
	{"blob", "1 MiB", .run = run_blob},
	{"fail", "fail", .run = run_fail},
};
static const struct rpc_env env = {.methods = methods, .nb_methods = RTE_DIM(methods)};

int
rpc_end_setup(void)
{
	int pair[2];

	rpc_end.nb_runs = 0;
	rpc_end.answer_len = 0;
	rpc_end.answer = calloc(1, ANSWER_MAX);
	if (rpc_end.answer == NULL ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return TEST_FAILED;
	rpc_end.peer = pair[1];
	rpc_end.client = rpc_client_create(&env, pair[0]);
	rpc_end.wanted = EPOLLIN;
	return rpc_end.client == NULL ? TEST_FAILED : TEST_SUCCESS;
}

void
rpc_end_teardown(void)
{
	if (rpc_end.client != NULL)
		rpc_client_destroy(rpc_end.client);
	rpc_end.client = NULL;
	if (rpc_end.peer >= 0)
		close(rpc_end.peer);
	rpc_end.peer = -1;
	free(rpc_end.answer);
	rpc_end.answer = NULL;
}

void
rpc_end_turn(void)
{
	if (rpc_end.client == NULL)
		return;
	rpc_end.wanted = rpc_client_run(rpc_end.client, rpc_end.wanted);
	if (rpc_end.wanted != 0)
		return;
	rpc_client_destroy(rpc_end.client);
	rpc_end.client = NULL;
}

void
rpc_end_take_answer(void)
{
	ssize_t n;

	while ((n = recv(rpc_end.peer, rpc_end.answer + rpc_end.answer_len,
			ANSWER_MAX - 1 - rpc_end.answer_len, 0)) > 0)
		rpc_end.answer_len += n;
	rpc_end.answer[rpc_end.answer_len] = '\0';
}

void
rpc_end_say(const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len && rpc_end.client != NULL;) {
		ssize_t n = send(rpc_end.peer, text + at, RTE_MIN(piece, len - at), MSG_NOSIGNAL);

		at += n > 0 ? n : 0;
		rpc_end_turn();
		rpc_end_take_answer();
	}
	for (unsigned int i = 0; i < 64; i++) {
		rpc_end_turn();
		rpc_end_take_answer();
	}
}

unsigned int
rpc_end_count_of(const char *what)
{
	unsigned int n = 0;

	for (const char *at = rpc_end.answer; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}
