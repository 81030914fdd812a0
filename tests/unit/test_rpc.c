/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The control socket's protocol in lib/control: good, bad, half, batched and nested messages, in
 * any pieces. What it bounds is in test_rpc_limits.c.
 */

#include <stdlib.h>
#include <sys/socket.h>

#include "rpc_end.h"

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

static int
check_exchange(const struct exchange *x, size_t piece)
{
	char code[32];

	TEST_ASSERT_SUCCESS(rpc_end_setup(), "setup");
	rpc_end_say(x->said, strlen(x->said), piece);
	rpc_end_say("\n", 1, 1);
	TEST_ASSERT_NOT_NULL(rpc_end.client, "still connected after '%s'", x->said);
	if (x->code == 0) {
		TEST_ASSERT_STRINGS_ARE_EQUAL(rpc_end.answer, x->answered, "to '%s'", x->said);
		return TEST_SUCCESS;
	}
	snprintf(code, sizeof(code), "\"code\":%d,", x->code);
	TEST_ASSERT_NOT_NULL(strstr(rpc_end.answer, code), "'%s' to '%s'", rpc_end.answer, x->said);
	TEST_ASSERT_NOT_NULL(
		strstr(rpc_end.answer, x->answered), "'%s' to '%s'", rpc_end.answer, x->said);
	TEST_ASSERT_EQUAL(
		rpc_end_count_of("\n"), 1, "one line: '%s' to '%s'", rpc_end.answer, x->said);
	TEST_ASSERT_EQUAL(rpc_end.nb_runs, 0, "nothing run by '%s'", x->said);
	/* What was wrong is over with its line. */
	rpc_end.answer_len = 0;
	rpc_end_say(CALL("9", "count"), strlen(CALL("9", "count")), piece);
	TEST_ASSERT_STRINGS_ARE_EQUAL(rpc_end.answer, OK("9", "1"), "after '%s'", x->said);
	return TEST_SUCCESS;
}

static int
test_each_message_has_its_answer_in_any_pieces(void)
{
	static const size_t pieces[] = {1, 7, 65536};

	for (unsigned int i = 0; i < RTE_DIM(exchanges); i++)
		for (unsigned int j = 0; j < RTE_DIM(pieces); j++) {
			int ret = check_exchange(&exchanges[i], pieces[j]);

			rpc_end_teardown();
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
		TEST_ASSERT_SUCCESS(rpc_end_setup(), "setup");
		rpc_end_say(text, len, len);
		TEST_ASSERT_EQUAL(rpc_end.answer_len, 0, "%zu bytes: '%s'", len, rpc_end.answer);
		shutdown(rpc_end.peer, SHUT_WR);
		rpc_end_say("", 0, 1);
		TEST_ASSERT_NOT_NULL(
			strstr(rpc_end.answer, "-32700"), "%zu bytes: '%s'", len, rpc_end.answer);
		TEST_ASSERT_NULL(rpc_end.client, "closed");
		TEST_ASSERT_EQUAL(rpc_end.nb_runs, 0, "%zu bytes", len);
		rpc_end_teardown();
	}
	return TEST_SUCCESS;
}

static int
test_a_request_may_end_with_the_stream(void)
{
	rpc_end_say(CALL("1", "count"), strlen(CALL("1", "count")), 64);
	shutdown(rpc_end.peer, SHUT_WR);
	rpc_end_say("", 0, 1);
	TEST_ASSERT_STRINGS_ARE_EQUAL(rpc_end.answer, OK("1", "1"), "the answer");
	TEST_ASSERT_NULL(rpc_end.client, "closed");
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
		rpc_end.answer_len = 0;
		TEST_ASSERT_EQUAL(send(rpc_end.peer, text, sizeof(text), 0), sizeof(text), "sent");
		rpc_end_turn();
		rpc_end_take_answer();
		TEST_ASSERT_EQUAL(
			rpc_end_count_of("\"result\""), 0, "nothing run: %s", rpc_end.answer);
		if (rpc_end.client != NULL)
			continue;
		rpc_end_teardown();
		TEST_ASSERT_SUCCESS(rpc_end_setup(), "setup");
	}
	TEST_ASSERT_EQUAL(rpc_end.nb_runs, 0, "nothing run");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "rpc",
	.unit_test_cases =
		{
			TEST_CASE(test_each_message_has_its_answer_in_any_pieces),
			TEST_CASE_ST(NULL, rpc_end_teardown,
				test_half_a_request_runs_nothing_and_its_end_says_so),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown,
				test_a_request_may_end_with_the_stream),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown, test_random_bytes_do_no_harm),
			TEST_CASES_END(),
		},
};

static int
test_rpc(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(rpc_autotest, true, true, test_rpc);
