/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The control socket's protocol in lib/control, at one end of a socket pair and with methods of its
 * own: good, bad, half, oversize, batched and nested messages, in any pieces.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc_priv.h"
#include "test.h"

#define OK(id, result)	 "{\"jsonrpc\":\"2.0\",\"result\":" result ",\"id\":" id "}\n"
#define ANSWER_MAX	 (4 * 1024 * 1024)
#define BLOB_BYTES	 (1024 * 1024)
#define CALL(id, method) "{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"id\":" id "}"
#define NOTIFICATION	 "{\"jsonrpc\":\"2.0\",\"method\":\"count\"}"
#define WITH(method, params) \
	"{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params ",\"id\":1}"

static unsigned int nb_runs;
static struct rpc_client *client;
static int peer = -1;
static uint32_t wanted;
static char *answer;
static size_t answer_len;

static int
run_count(struct rpc_call *call)
{
	nb_runs++;
	call->result = json_integer(nb_runs);
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
	{"echo", "give back", {{"text", JSON_STRING, "a string"}}, .run = run_echo},
	{"blob", "1 MiB", .run = run_blob},
	{"fail", "fail", .run = run_fail},
};
static const struct rpc_env env = {.methods = methods, .nb_methods = RTE_DIM(methods)};

static int
setup(void)
{
	int pair[2];

	nb_runs = 0;
	answer_len = 0;
	answer = calloc(1, ANSWER_MAX);
	if (answer == NULL ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return TEST_FAILED;
	peer = pair[1];
	client = rpc_client_create(&env, pair[0]);
	wanted = EPOLLIN;
	return client == NULL ? TEST_FAILED : TEST_SUCCESS;
}

static void
teardown(void)
{
	if (client != NULL)
		rpc_client_destroy(client);
	client = NULL;
	if (peer >= 0)
		close(peer);
	peer = -1;
	free(answer);
	answer = NULL;
}

/* A turn of the client, as the server would give it; it is destroyed when it is done. */
static void
turn(void)
{
	if (client == NULL)
		return;
	wanted = rpc_client_run(client, wanted);
	if (wanted != 0)
		return;
	rpc_client_destroy(client);
	client = NULL;
}

static void
take_answer(void)
{
	ssize_t n;

	while ((n = recv(peer, answer + answer_len, ANSWER_MAX - 1 - answer_len, 0)) > 0)
		answer_len += n;
	answer[answer_len] = '\0';
}

/* Send all, in pieces of *piece* bytes, reading what comes back. */
static void
say(const char *text, size_t len, size_t piece)
{
	for (size_t at = 0; at < len && client != NULL;) {
		ssize_t n = send(peer, text + at, RTE_MIN(piece, len - at), MSG_NOSIGNAL);

		at += n > 0 ? n : 0;
		turn();
		take_answer();
	}
	for (unsigned int i = 0; i < 64; i++) {
		turn();
		take_answer();
	}
}

struct exchange {
	const char *said;
	const char *answered; /* whole, or what an error has in it */
	int code; /* 0: no error */
};

static const struct exchange exchanges[] = {
	{CALL("1", "count"), OK("1", "1"), 0},
	{CALL("\"a\"", "count"), OK("\"a\"", "1"), 0},
	{CALL("1.5", "count"), OK("1.5", "1"), 0},
	{CALL("null", "count"), OK("null", "1"), 0},
	{" \t\r\n" CALL("1", "count"), OK("1", "1"), 0},
	{NOTIFICATION, "", 0},
	{WITH("count", "[]"), OK("1", "1"), 0},
	{WITH("count", "{}"), OK("1", "1"), 0},
	{WITH("echo", "{\"text\":\"}]\\\"\\\\\"}"), OK("1", "\"}]\\\"\\\\\""), 0},
	{CALL("1", "count") CALL("2", "count"), OK("1", "1") OK("2", "2"), 0},
	{CALL("1", "count") "\n\n" CALL("2", "count"), OK("1", "1") OK("2", "2"), 0},
	{"[" CALL("1", "count") "]", "[{\"jsonrpc\":\"2.0\",\"result\":1,\"id\":1}]\n", 0},
	{"[" NOTIFICATION "," CALL("1", "count") "," NOTIFICATION "]",
		"[{\"jsonrpc\":\"2.0\",\"result\":2,\"id\":1}]\n", 0},
	{"[" NOTIFICATION "," NOTIFICATION "]", "", 0},
	{"[]", "batch of 0 requests, expected 1 to 256", -32600},
	{"[[]]", "[{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"an array", -32600},
	{"[1]", "a number, expected a request object", -32600},
	{"1", "a number, expected a request object", -32600},
	{"\"x\"", "a string, expected", -32600},
	{"null", "null, expected", -32600},
	{"{}", "expected it", -32600},
	{"{\"jsonrpc\":\"1.0\",\"method\":\"count\",\"id\":7}", "\"id\":7}", -32600},
	{"{\"jsonrpc\":2.0,\"method\":\"count\",\"id\":7}", "expected it", -32600},
	{"{\"jsonrpc\":\"2.0\",\"id\":7}", "no method", -32600},
	{"{\"jsonrpc\":\"2.0\",\"method\":7,\"id\":7}", "no method", -32600},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"count\",\"id\":[]}", "id is an array", -32600},
	{WITH("count", "7"), "params is a number", -32600},
	{WITH("echo", "[1]"), "params is an array", -32602},
	{WITH("echo", "{}"), "echo: no text, expected a string", -32602},
	{WITH("echo", "{\"text\":1}"), "echo: text is a number, expected a string", -32602},
	{WITH("echo", "{\"text\":\"a\",\"b\":1}"), "parameter 'b', expected text", -32602},
	{WITH("count", "{\"b\":1}"), "parameter 'b', expected none", -32602},
	{CALL("1", "nothing"), "method 'nothing'", -32601},
	{CALL("1", "fail"), "\"cannot??\"", -32000},
	{"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\"}", "duplicate", -32700},
	{"{]", "expected JSON", -32700},
	{"]", "expected JSON", -32700},
	{"nonsense and more of it", "expected JSON", -32700},
	{"{\"a\":\"\xff\"}", "expected JSON", -32700},
	{"{\"a\":\"\\u0000\"}", "expected JSON", -32700},
	{"\"cut off", "expected JSON", -32700},
};

static unsigned int
count_of(const char *what)
{
	unsigned int n = 0;

	for (const char *at = answer; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

static int
check_exchange(const struct exchange *x, size_t piece)
{
	char code[32];

	TEST_ASSERT_SUCCESS(setup(), "setup");
	say(x->said, strlen(x->said), piece);
	say("\n", 1, 1);
	TEST_ASSERT_NOT_NULL(client, "still connected after '%s'", x->said);
	if (x->code == 0) {
		TEST_ASSERT_STRINGS_ARE_EQUAL(answer, x->answered, "to '%s'", x->said);
		return TEST_SUCCESS;
	}
	snprintf(code, sizeof(code), "\"code\":%d,", x->code);
	TEST_ASSERT_NOT_NULL(strstr(answer, code), "'%s' to '%s'", answer, x->said);
	TEST_ASSERT_NOT_NULL(strstr(answer, x->answered), "'%s' to '%s'", answer, x->said);
	TEST_ASSERT_EQUAL(count_of("\n"), 1, "one line: '%s' to '%s'", answer, x->said);
	TEST_ASSERT_EQUAL(nb_runs, 0, "nothing run by '%s'", x->said);
	/* What was wrong is over with its line. */
	answer_len = 0;
	say(CALL("9", "count"), strlen(CALL("9", "count")), piece);
	TEST_ASSERT_STRINGS_ARE_EQUAL(answer, OK("9", "1"), "after '%s'", x->said);
	return TEST_SUCCESS;
}

static int
test_each_message_has_its_answer_in_any_pieces(void)
{
	static const size_t pieces[] = {1, 7, 65536};

	for (unsigned int i = 0; i < RTE_DIM(exchanges); i++)
		for (unsigned int j = 0; j < RTE_DIM(pieces); j++) {
			int ret = check_exchange(&exchanges[i], pieces[j]);

			teardown();
			if (ret != TEST_SUCCESS)
				return ret;
		}
	return TEST_SUCCESS;
}

static int
test_half_a_request_runs_nothing_and_its_end_says_so(void)
{
	static const char text[] = CALL("1", "count");

	for (size_t len = 1; len < sizeof(text) - 1; len++) {
		TEST_ASSERT_SUCCESS(setup(), "setup");
		say(text, len, len);
		TEST_ASSERT_EQUAL(answer_len, 0, "%zu bytes: '%s'", len, answer);
		shutdown(peer, SHUT_WR);
		say("", 0, 1);
		TEST_ASSERT_NOT_NULL(strstr(answer, "-32700"), "%zu bytes: '%s'", len, answer);
		TEST_ASSERT_NULL(client, "closed");
		TEST_ASSERT_EQUAL(nb_runs, 0, "%zu bytes", len);
		teardown();
	}
	return TEST_SUCCESS;
}

static int
test_a_request_may_end_with_the_stream(void)
{
	say(CALL("1", "count"), strlen(CALL("1", "count")), 64);
	shutdown(peer, SHUT_WR);
	say("", 0, 1);
	TEST_ASSERT_STRINGS_ARE_EQUAL(answer, OK("1", "1"), "the answer");
	TEST_ASSERT_NULL(client, "closed");
	return TEST_SUCCESS;
}

/* A request of *len* bytes: blanks inside, which mean nothing. */
static char *
long_request(size_t len)
{
	static const char end[] = "\"jsonrpc\":\"2.0\",\"method\":\"count\",\"id\":1}";
	char *text = malloc(len);

	if (text == NULL)
		return NULL;
	memset(text, ' ', len);
	text[0] = '{';
	memcpy(text + len - (sizeof(end) - 1), end, sizeof(end) - 1);
	return text;
}

static int
test_a_request_of_1_mib_is_served_and_a_byte_more_closes(void)
{
	for (unsigned int more = 0; more < 2; more++) {
		size_t len = AIRLOCK_RPC_REQUEST_MAX + more;
		char *text = long_request(len);

		TEST_ASSERT_NOT_NULL(text, "memory");
		say(text, len, 100000);
		free(text);
		TEST_ASSERT_EQUAL(nb_runs, 1, "%u more: only the first is run", more);
		if (more == 0) {
			TEST_ASSERT_STRINGS_ARE_EQUAL(answer, OK("1", "1"), "1 MiB");
			answer_len = 0;
		}
	}
	TEST_ASSERT_NOT_NULL(strstr(answer, "-32600"), "%s", answer);
	TEST_ASSERT_NOT_NULL(strstr(answer, "1048576"), "%s", answer);
	TEST_ASSERT_NULL(client, "closed");
	return TEST_SUCCESS;
}

static int
test_deep_nesting_is_refused(void)
{
	static char text[200000];

	memset(text, '[', sizeof(text) / 2);
	memset(text + sizeof(text) / 2, ']', sizeof(text) / 2);
	say(text, sizeof(text), 65536);
	TEST_ASSERT_NOT_NULL(strstr(answer, "-32700"), "%.200s", answer);
	TEST_ASSERT_EQUAL(count_of("\n"), 1, "one answer");
	return TEST_SUCCESS;
}

static int
test_a_batch_of_256_is_run_and_one_more_is_not(void)
{
	static char text[257 * (sizeof(NOTIFICATION) + 1) + 8];

	for (unsigned int nb = 256; nb <= 257; nb++) {
		size_t len = 0;

		for (unsigned int i = 0; i < nb; i++)
			len += snprintf(text + len, sizeof(text) - len, "%s%s", i == 0 ? "[" : ",",
				NOTIFICATION);
		len += snprintf(text + len, sizeof(text) - len, "]\n");
		say(text, len, 65536);
		TEST_ASSERT_EQUAL(nb_runs, 256, "batch of %u", nb);
	}
	TEST_ASSERT_NOT_NULL(strstr(answer, "batch of 257 requests"), "%s", answer);
	return TEST_SUCCESS;
}

static int
test_a_client_that_does_not_read_waits_alone(void)
{
	static const char text[] = CALL("1", "blob") "\n" CALL("2", "count") "\n";

	/* Says more than the socket takes, and reads nothing. */
	TEST_ASSERT_EQUAL(send(peer, text, sizeof(text) - 1, 0), sizeof(text) - 1, "sent");
	turn();
	turn();
	TEST_ASSERT_EQUAL(wanted, EPOLLOUT, "waits to send");
	TEST_ASSERT_EQUAL(nb_runs, 0, "the second request waits");
	say("", 0, 1);
	TEST_ASSERT_EQUAL(nb_runs, 1, "and is run when the first answer is read");
	TEST_ASSERT(answer_len > BLOB_BYTES, "all of it: %zu", answer_len);
	TEST_ASSERT_EQUAL(wanted, EPOLLIN, "waits for requests");
	return TEST_SUCCESS;
}

static int
test_an_answer_over_the_bound_closes(void)
{
	static char text[20 * sizeof(CALL("1", "blob")) + 8];
	size_t len = 0;

	for (unsigned int i = 0; i < 20; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i == 0 ? "[" : ",",
			CALL("1", "blob"));
	len += snprintf(text + len, sizeof(text) - len, "]\n");
	say(text, len, 65536);
	TEST_ASSERT_NULL(client, "closed");
	return TEST_SUCCESS;
}

static int
test_random_bytes_do_no_harm(void)
{
	static const char alphabet[] = "{}[]\",:\\ \n\r\x01\xff"
				       "0e-truenull";
	char text[64];

	srandom(7);
	for (unsigned int i = 0; i < 20000; i++) {
		for (unsigned int j = 0; j < sizeof(text); j++)
			text[j] = alphabet[random() % (sizeof(alphabet) - 1)];
		answer_len = 0;
		TEST_ASSERT_EQUAL(send(peer, text, sizeof(text), 0), sizeof(text), "sent");
		turn();
		take_answer();
		TEST_ASSERT_EQUAL(count_of("\"result\""), 0, "nothing run: %s", answer);
		if (client != NULL)
			continue;
		teardown();
		TEST_ASSERT_SUCCESS(setup(), "setup");
	}
	TEST_ASSERT_EQUAL(nb_runs, 0, "nothing run");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "rpc",
	.unit_test_cases =
		{
			TEST_CASE(test_each_message_has_its_answer_in_any_pieces),
			TEST_CASE_ST(NULL, teardown,
				test_half_a_request_runs_nothing_and_its_end_says_so),
			TEST_CASE_ST(setup, teardown, test_a_request_may_end_with_the_stream),
			TEST_CASE_ST(setup, teardown,
				test_a_request_of_1_mib_is_served_and_a_byte_more_closes),
			TEST_CASE_ST(setup, teardown, test_deep_nesting_is_refused),
			TEST_CASE_ST(
				setup, teardown, test_a_batch_of_256_is_run_and_one_more_is_not),
			TEST_CASE_ST(setup, teardown, test_a_client_that_does_not_read_waits_alone),
			TEST_CASE_ST(setup, teardown, test_an_answer_over_the_bound_closes),
			TEST_CASE_ST(setup, teardown, test_random_bytes_do_no_harm),
			TEST_CASES_END(),
		},
};

static int
test_rpc(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(rpc_autotest, true, true, test_rpc);
