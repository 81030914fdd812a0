/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Runs the cases of a suite and prints a line for each; prints a failed assertion.
 *
 * Thread rule: test_report() from any thread, the rest from the main thread.
 */

#include <stdarg.h>

#include "test.h"

void
test_report(
	const char *file, int line, const char *function, const char *what, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	/* One call: lines of several threads do not mix. */
	printf("%s:%d: %s(): not so: %s: %s\n", file, line, function, what, message);
	fflush(stdout);
}

static int
run_case(const struct unit_test_case *tc)
{
	int ret = TEST_SUCCESS;

	if (tc->setup != NULL)
		ret = tc->setup();
	if (ret == TEST_SUCCESS)
		ret = tc->run();
	if (tc->teardown != NULL)
		tc->teardown();
	return ret;
}

static const char *
result_name(int result)
{
	switch (result) {
	case TEST_SUCCESS:
		return "ok";
	case TEST_SKIPPED:
		return "skipped";
	default:
		return "FAILED";
	}
}

int
unit_test_suite_runner(const struct unit_test_suite *suite)
{
	unsigned int nb_cases = 0, nb_failed = 0, nb_skipped = 0;
	const struct unit_test_case *tc;
	int suite_ret = TEST_SUCCESS;
	int ret;

	printf("suite: %s\n", suite->suite_name);
	if (suite->setup != NULL)
		suite_ret = suite->setup();
	for (tc = suite->unit_test_cases; tc->name != NULL; tc++) {
		ret = suite_ret == TEST_SUCCESS ? run_case(tc) : suite_ret;
		nb_cases++;
		nb_skipped += ret == TEST_SKIPPED;
		nb_failed += ret != TEST_SKIPPED && ret != TEST_SUCCESS;
		printf("  case %2u: %-7s %s\n", nb_cases, result_name(ret), tc->name);
		fflush(stdout);
	}
	if (suite->teardown != NULL)
		suite->teardown();
	printf("suite: %s: %u cases, %u failed, %u skipped\n", suite->suite_name, nb_cases,
		nb_failed, nb_skipped);

	if (nb_failed > 0 || nb_cases == 0)
		return TEST_FAILED;
	return nb_skipped == nb_cases ? TEST_SKIPPED : TEST_SUCCESS;
}
