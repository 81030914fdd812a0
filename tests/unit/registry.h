/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef REGISTRY_H
#define REGISTRY_H

/**
 * @file
 * The registered tests, for those who list and run them.
 *
 * Thread rule: main thread.
 */

#include <stdio.h>

/** How often tests ended in which way. */
struct test_tally {
	unsigned int passed;
	unsigned int failed;
	unsigned int skipped;
};

/** Print a row for each test: name, then nohuge, asan and perf, or a dash, where they apply. */
void test_list(FILE *out);

/**
 * Run a test, or with "all" every fast test, and print and count how each ended.
 *
 * @return 0, or -ENOENT where no test has that name
 */
int test_run(const char *name, struct test_tally *tally);

/** All names, "all" first, joined by '#'. @return a string for free(), or NULL */
char *test_names(void);

/** Read commands from standard input until `quit` or the end: at a prompt if it is a terminal. */
int test_prompt(struct test_tally *tally);

#endif /* REGISTRY_H */
