/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef TEST_CONFIG_H
#define TEST_CONFIG_H

/**
 * @file
 * What the tests of the configuration share: a file to be read, flags, and what came of them.
 *
 * Files are memfds, so nothing is left on disk; their name, "/proc/self/fd/N", is what errors show.
 */

#include <sys/mman.h>
#include <unistd.h>

#include "airlock_config.h"
#include "test.h"

#define MAX_ARGS 64
#define WEB	 "name=web,mac=52:54:00:00:00:01"
#define DB	 "name=db,mac=52:54:00:00:00:02"
#define VM_WEB	 "[vm web]\nmac = 52:54:00:00:00:01\n"
#define VM_DB	 "[vm db]\nmac = 52:54:00:00:00:02\n"
#define ASSERT_TEXT(text, wanted, message) \
	TEST_ASSERT(strcmp(text, wanted) == 0, "%s: '%s', not '%s'", message, text, wanted)
#define X10(x) x x x x x x x x x x

static struct airlock_config config;
static enum airlock_config_verdict verdict;
static char error[AIRLOCK_ERROR_MAX];
static char conf_path[32];
static int conf_fd = -1;

static inline int
setup(void)
{
	conf_fd = memfd_create("test_config", MFD_CLOEXEC);
	if (conf_fd < 0)
		return TEST_FAILED;
	snprintf(conf_path, sizeof(conf_path), "/proc/self/fd/%d", conf_fd);
	return TEST_SUCCESS;
}

static inline void
teardown(void)
{
	airlock_config_fini(&config);
	if (conf_fd >= 0)
		close(conf_fd);
	conf_fd = -1;
}

static inline int
write_conf(const char *text, size_t len)
{
	if (ftruncate(conf_fd, 0) < 0 || pwrite(conf_fd, text, len, 0) != (ssize_t)len)
		return TEST_FAILED;
	return TEST_SUCCESS;
}

/* Parse flags; with a file in front of them if *with_file*. */
static inline enum airlock_config_verdict
parse_args(bool with_file, const char *const *args, unsigned int nb_args)
{
	char name[] = "airlockd";
	char flag[] = "-c";
	char *argv[MAX_ARGS + 4] = {name, flag, conf_path};
	int argc = with_file ? 3 : 1;

	for (unsigned int i = 0; i < nb_args; i++)
		argv[argc++] = (char *)(uintptr_t)args[i];
	argv[argc] = NULL;
	airlock_config_fini(&config);
	return airlock_config_parse(&config, argc, argv, error);
}

#define PARSE(with_file, ...) \
	parse_args(with_file, (const char *const[]){__VA_ARGS__}, \
		RTE_DIM(((const char *const[]){__VA_ARGS__})))

static inline enum airlock_config_verdict
parse_file(const char *text)
{
	if (write_conf(text, strlen(text)) != TEST_SUCCESS)
		return AIRLOCK_CONFIG_VERSION;
	return parse_args(true, NULL, 0);
}

/* The error is "WHERE: FOUND, expected EXPECTED" on one line. */
static inline int
check_error(const char *where, const char *found, const char *input)
{
	TEST_ASSERT_EQUAL(strncmp(error, where, strlen(where)), 0, "%s for '%s', not: %s", where,
		input, error);
	TEST_ASSERT_EQUAL(strncmp(error + strlen(where), ": ", 2), 0, "'%s': %s", input, error);
	TEST_ASSERT_NOT_NULL(strstr(error, found), "'%s' for '%s', not: %s", found, input, error);
	TEST_ASSERT_NOT_NULL(strstr(error, "expected "), "'%s': %s", input, error);
	for (const char *c = error; *c != '\0'; c++)
		TEST_ASSERT((unsigned char)*c >= ' ' && *c != 0x7f, "'%s': byte 0x%02x", input,
			(unsigned char)*c);
	return TEST_SUCCESS;
}

#define CONFIG_CASE(fn) TEST_CASE_ST(setup, teardown, fn)

#endif /* TEST_CONFIG_H */
