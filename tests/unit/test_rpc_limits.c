/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What the control socket's protocol bounds: the length of a request, of a batch and of answers,
 * how deep a message may nest, and what one client that does not read may cost.
 */

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "rpc_end.h"

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
		rpc_end_say(text, len, 100000);
		free(text);
		TEST_ASSERT_EQUAL(rpc_end.nb_runs, 1, "%u more: only the first is run", more);
		if (more == 0) {
			TEST_ASSERT_STRINGS_ARE_EQUAL(rpc_end.answer, OK("1", "1"), "1 MiB");
			rpc_end.answer_len = 0;
		}
	}
	TEST_ASSERT_NOT_NULL(strstr(rpc_end.answer, "-32600"), "%s", rpc_end.answer);
	TEST_ASSERT_NOT_NULL(strstr(rpc_end.answer, "1048576"), "%s", rpc_end.answer);
	TEST_ASSERT_NULL(rpc_end.client, "closed");
	return TEST_SUCCESS;
}

static int
test_deep_nesting_is_refused(void)
{
	static char text[200000];

	memset(text, '[', sizeof(text) / 2);
	memset(text + sizeof(text) / 2, ']', sizeof(text) / 2);
	rpc_end_say(text, sizeof(text), 65536);
	TEST_ASSERT_NOT_NULL(strstr(rpc_end.answer, "-32700"), "%.200s", rpc_end.answer);
	TEST_ASSERT_EQUAL(rpc_end_count_of("\n"), 1, "one answer");
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
		rpc_end_say(text, len, 65536);
		TEST_ASSERT_EQUAL(rpc_end.nb_runs, 256, "batch of %u", nb);
	}
	TEST_ASSERT_NOT_NULL(strstr(rpc_end.answer, "batch of 257 requests"), "%s", rpc_end.answer);
	return TEST_SUCCESS;
}

static int
test_a_client_that_does_not_read_waits_alone(void)
{
	static const char text[] = CALL("1", "blob") "\n" CALL("2", "count") "\n";

	/* Says more than the socket takes, and reads nothing. */
	TEST_ASSERT_EQUAL(send(rpc_end.peer, text, sizeof(text) - 1, 0), sizeof(text) - 1, "sent");
	rpc_end_turn();
	rpc_end_turn();
	TEST_ASSERT_EQUAL(rpc_end.wanted, EPOLLOUT, "waits to send");
	TEST_ASSERT_EQUAL(rpc_end.nb_runs, 0, "the second request waits");
	rpc_end_say("", 0, 1);
	TEST_ASSERT_EQUAL(rpc_end.nb_runs, 1, "and is run when the first answer is read");
	TEST_ASSERT(rpc_end.answer_len > BLOB_BYTES, "all of it: %zu", rpc_end.answer_len);
	TEST_ASSERT_EQUAL(rpc_end.wanted, EPOLLIN, "waits for requests");
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
	rpc_end_say(text, len, 65536);
	TEST_ASSERT_NULL(rpc_end.client, "closed");
	return TEST_SUCCESS;
}

static struct unit_test_suite suite = {
	.suite_name = "rpc_limits",
	.unit_test_cases =
		{
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown,
				test_a_request_of_1_mib_is_served_and_a_byte_more_closes),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown, test_deep_nesting_is_refused),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown,
				test_a_batch_of_256_is_run_and_one_more_is_not),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown,
				test_a_client_that_does_not_read_waits_alone),
			TEST_CASE_ST(rpc_end_setup, rpc_end_teardown,
				test_an_answer_over_the_bound_closes),
			TEST_CASES_END(),
		},
};

static int
test_rpc_limits(void)
{
	return unit_test_suite_runner(&suite);
}

REGISTER_FAST_TEST(rpc_limits_autotest, true, true, test_rpc_limits);
