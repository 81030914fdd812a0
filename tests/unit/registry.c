/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The tests that the test_*.c files register in their constructors, in order of their names, and
 * the running of one. Knows nothing of where a name comes from: that is main.c and prompt.c.
 *
 * Thread rule: main thread.
 */

#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "registry.h"
#include "test.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN true
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN false
#endif

static TAILQ_HEAD(, test_command) commands = TAILQ_HEAD_INITIALIZER(commands);

void
test_register(struct test_command *command)
{
	struct test_command *other;

	TAILQ_FOREACH (other, &commands, next) {
		if (strcmp(command->name, other->name) < 0) {
			TAILQ_INSERT_BEFORE(other, command, next);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&commands, command, next);
}

void
test_list(FILE *out)
{
	const struct test_command *command;

	TAILQ_FOREACH (command, &commands, next) {
		fprintf(out, "%s %s %s%s\n", command->name, command->nohuge_ok ? "nohuge" : "-",
			command->asan_ok ? "asan" : "-", command->perf ? " perf" : "");
	}
}

char *
test_names(void)
{
	const struct test_command *command;
	size_t size;
	char *names;
	FILE *out;

	out = open_memstream(&names, &size);
	if (out == NULL)
		return NULL;
	fputs("all", out);
	TAILQ_FOREACH (command, &commands, next)
		fprintf(out, "#%s", command->name);
	return fclose(out) == 0 ? names : NULL;
}

static const char *
unfit(const struct test_command *command)
{
	if (!command->nohuge_ok && rte_eal_has_hugepages() == 0)
		return "needs hugepages";
	if (!command->asan_ok && UNDER_ASAN)
		return "not under AddressSanitizer";
	return NULL;
}

static void
run_one(const struct test_command *command, struct test_tally *tally)
{
	const char *reason = unfit(command);
	uint64_t start_tsc;
	double seconds;
	int ret;

	if (reason != NULL) {
		tally->skipped++;
		printf("%s: SKIPPED: %s\n", command->name, reason);
		return;
	}
	start_tsc = rte_get_tsc_cycles();
	ret = command->run();
	seconds = (double)(rte_get_tsc_cycles() - start_tsc) / (double)rte_get_tsc_hz();
	if (ret == TEST_SUCCESS) {
		tally->passed++;
		printf("%s: OK (%.2f s)\n", command->name, seconds);
	} else if (ret == TEST_SKIPPED) {
		tally->skipped++;
		printf("%s: SKIPPED\n", command->name);
	} else {
		tally->failed++;
		printf("%s: FAILED (%.2f s)\n", command->name, seconds);
	}
	fflush(stdout);
}

int
test_run(const char *name, struct test_tally *tally)
{
	const bool all = strcmp(name, "all") == 0;
	const struct test_command *command;

	TAILQ_FOREACH (command, &commands, next) {
		if (all ? !command->perf : strcmp(name, command->name) == 0) {
			run_one(command, tally);
			if (!all)
				return 0;
		}
	}
	return all ? 0 : -ENOENT;
}
