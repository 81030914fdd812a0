/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_H
#define TEST_H

/**
 * @file
 * What a unit test needs: results, assertions, a suite of cases, and registration by name.
 *
 * A test file test_X.c registers X_autotest, test_X_perf.c registers X_perf_autotest, and its X
 * stands in the list in meson.build. The names are those of DPDK's own tests.
 *
 * An assertion that does not hold prints where and why and returns TEST_FAILED from the function
 * it stands in; what has to be undone belongs into a teardown function. Every assertion takes a
 * printf-like message last, and evaluates its arguments once.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_common.h>

#define TEST_SUCCESS 0
#define TEST_FAILED  (-1)
#define TEST_SKIPPED 77

/** Print the place and the reason of a failure. Any thread. */
void test_report(const char *file, int line, const char *function, const char *what,
	const char *format, ...) __rte_format_printf(5, 6);

#define TEST_FAIL_(what, ...) \
	do { \
		test_report(__FILE__, __LINE__, __func__, what, __VA_ARGS__); \
		return TEST_FAILED; \
	} while (0)

/** *condition* is true. */
#define TEST_ASSERT(condition, ...) \
	do { \
		if (!(condition)) \
			TEST_FAIL_(#condition, __VA_ARGS__); \
	} while (0)

/* Both values as intmax_t: prints them, and needs no signedness in common. */
#define TEST_COMPARE_(a, op, b, ...) \
	do { \
		const intmax_t a_ = (intmax_t)(a), b_ = (intmax_t)(b); \
		char what_[256]; \
\
		if (a_ op b_) \
			break; \
		snprintf(what_, sizeof(what_), "%s (%jd) " #op " %s (%jd)", #a, a_, #b, b_); \
		TEST_FAIL_(what_, __VA_ARGS__); \
	} while (0)

/** Two integers or pointers are equal. */
#define TEST_ASSERT_EQUAL(a, b, ...) TEST_COMPARE_(a, ==, b, __VA_ARGS__)

/** Two integers or pointers differ. */
#define TEST_ASSERT_NOT_EQUAL(a, b, ...) TEST_COMPARE_(a, !=, b, __VA_ARGS__)

/** A function returned 0. */
#define TEST_ASSERT_SUCCESS(value, ...) TEST_COMPARE_(value, ==, 0, __VA_ARGS__)

/** A function returned anything but 0. */
#define TEST_ASSERT_FAIL(value, ...) TEST_COMPARE_(value, !=, 0, __VA_ARGS__)

#define TEST_ASSERT_NULL(pointer, ...)	   TEST_ASSERT((pointer) == NULL, __VA_ARGS__)
#define TEST_ASSERT_NOT_NULL(pointer, ...) TEST_ASSERT((pointer) != NULL, __VA_ARGS__)

/** *len* bytes at *a* and *b* are the same. */
#define TEST_ASSERT_BUFFERS_ARE_EQUAL(a, b, len, ...) \
	TEST_ASSERT(memcmp(a, b, len) == 0, __VA_ARGS__)

/** Two strings are the same. */
#define TEST_ASSERT_STRINGS_ARE_EQUAL(a, b, ...) \
	do { \
		const char *const a_ = (a), *const b_ = (b); \
		char what_[256]; \
\
		if (strcmp(a_, b_) == 0) \
			break; \
		snprintf(what_, sizeof(what_), "%s \"%s\" == \"%s\"", #a, a_, b_); \
		TEST_FAIL_(what_, __VA_ARGS__); \
	} while (0)

/** One case of a suite: setup (may be NULL), run, teardown (may be NULL; after any setup). */
struct unit_test_case {
	const char *name;
	int (*setup)(void);
	void (*teardown)(void);
	int (*run)(void);
};

#define TEST_CASE(fn)			  TEST_CASE_ST(NULL, NULL, fn)
#define TEST_CASE_ST(setup, teardown, fn) TEST_CASE_NAMED_ST(#fn, setup, teardown, fn)
#define TEST_CASE_NAMED_ST(n, su, td, fn) \
	{ \
		.name = n, .setup = su, .teardown = td, .run = fn \
	}
#define TEST_CASES_END() \
	{ \
		.name = NULL \
	}

/**
 * Cases that share a setup and a teardown (either may be NULL). The teardown runs after a setup
 * that failed, too: it must cope with what is not there.
 */
struct unit_test_suite {
	const char *suite_name;
	int (*setup)(void);
	void (*teardown)(void);
	struct unit_test_case unit_test_cases[];
};

/**
 * Run the cases in order and print a line for each.
 *
 * @return TEST_SUCCESS; TEST_SKIPPED if every case was skipped; TEST_FAILED if one failed
 */
int unit_test_suite_runner(const struct unit_test_suite *suite);

/** A registered test. */
struct test_command {
	TAILQ_ENTRY(test_command) next;
	const char *name;
	int (*run)(void);
	bool perf; /**< prints figures; not one of "all" */
	bool nohuge_ok; /**< may run without hugepages */
	bool asan_ok; /**< may run under AddressSanitizer */
};

/** Constructors only; use the macros below. */
void test_register(struct test_command *command);

#define TEST_REGISTER_(id, perf_, nohuge, asan, fn) \
	RTE_INIT(register_##id) \
	{ \
		static struct test_command command = { \
			.name = #id, \
			.run = fn, \
			.perf = perf_, \
			.nohuge_ok = nohuge, \
			.asan_ok = asan, \
		}; \
\
		test_register(&command); \
	}

/** Register a test of the `unit` suite, skipped without hugepages or under ASan if not "ok". */
#define REGISTER_FAST_TEST(id, nohuge_ok, asan_ok, fn) \
	TEST_REGISTER_(id, false, nohuge_ok, asan_ok, fn)

/** Register a test that prints figures. */
#define REGISTER_PERF_TEST(id, fn) TEST_REGISTER_(id, true, true, false, fn)

#endif /* TEST_H */
