/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * airlock-test [EAL options] [-- NAME... | -- --list]
 *
 * Runs the tests that DPDK_TEST names (joined by commas or spaces), or else those of the command
 * line, or else those asked for on standard input (prompt.c). Exit status: 0 all passed, 77 all
 * skipped, 1 otherwise.
 *
 * Thread rule: main thread.
 */

#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "registry.h"
#include "test.h"

/* A run without --file-prefix gets one of its own: runs of several builds do not meet. */
static char own_prefix[64];

static bool
is_file_prefix(const char *arg)
{
	return strcmp(arg, "--file-prefix") == 0 || strncmp(arg, "--file-prefix=", 14) == 0;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

static void
fini_eal(void)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	/* A prefix that will not come again would leave its directory for ever. */
	if (own_prefix[0] != '\0')
		nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* @return the index of `--`, or argc; negative: said why */
static int
init_eal(int argc, char **argv)
{
	char *eal_argv[argc + 2];
	int nb = 0, i, ret;

	snprintf(own_prefix, sizeof(own_prefix), "--file-prefix=airlock-test-%d", getpid());
	eal_argv[nb++] = argv[0];
	eal_argv[nb++] = own_prefix;
	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (is_file_prefix(argv[i]))
			own_prefix[0] = '\0';
		eal_argv[nb++] = argv[i];
	}
	if (own_prefix[0] == '\0')
		memmove(&eal_argv[1], &eal_argv[2], (size_t)(--nb - 1) * sizeof(eal_argv[0]));
	eal_argv[nb] = NULL;
	ret = rte_eal_init(nb, eal_argv);
	if (ret < 0) {
		fprintf(stderr, "airlock-test: no EAL: %s\n", rte_strerror(rte_errno));
		return ret;
	}
	if (ret != nb - 1) {
		fprintf(stderr, "airlock-test: %s: tests are named behind --\n", eal_argv[ret + 1]);
		fini_eal();
		return -EINVAL;
	}
	return i;
}

static void
run_named(const char *name, struct test_tally *tally)
{
	if (test_run(name, tally) == 0)
		return;
	fprintf(stderr, "airlock-test: %s: no such test; -- --list shows them\n", name);
	tally->failed++;
}

static int
exit_status(const struct test_tally *tally)
{
	if (tally->failed > 0)
		return 1;
	return tally->passed == 0 && tally->skipped > 0 ? TEST_SKIPPED : 0;
}

static bool
wants_list(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return strcmp(argv[i + 1], "--list") == 0;
	}
	return false;
}

int
main(int argc, char **argv)
{
	struct test_tally tally = {0};
	char *names = getenv("DPDK_TEST");
	char *save, *name;
	int first;

	if (wants_list(argc, argv)) {
		test_list(stdout);
		return 0;
	}
	first = init_eal(argc, argv);
	if (first < 0)
		return 1;
	if (names != NULL && names[0] != '\0') {
		name = strtok_r(names, ", ", &save);
		for (; name != NULL; name = strtok_r(NULL, ", ", &save))
			run_named(name, &tally);
	} else if (first + 1 < argc) {
		for (int i = first + 1; i < argc; i++)
			run_named(argv[i], &tally);
	} else if (test_prompt(&tally) < 0) {
		tally.failed++;
	}
	fini_eal();
	return exit_status(&tally);
}
