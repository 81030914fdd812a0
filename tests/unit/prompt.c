/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Commands from standard input: `list`, `quit`, `all` or the name of a test. A terminal gets a
 * prompt with completion (librte_cmdline), anything else is read line by line.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include <cmdline.h>
#include <cmdline_parse.h>
#include <cmdline_parse_string.h>
#include <cmdline_socket.h>

#include "registry.h"

struct command_line {
	cmdline_fixed_string_t word;
};

/* @return whether more commands are wanted */
static bool
execute(const char *word, struct test_tally *tally)
{
	if (strcmp(word, "quit") == 0)
		return false;
	if (strcmp(word, "list") == 0)
		test_list(stdout);
	else if (test_run(word, tally) < 0)
		printf("%s: no such test; \"list\" shows them\n", word);
	fflush(stdout);
	return true;
}

static void
run_word(void *parsed, struct cmdline *cl, void *tally)
{
	const struct command_line *line = parsed;

	if (!execute(line->word, tally))
		cmdline_quit(cl);
}

static cmdline_parse_token_string_t builtin_word =
	TOKEN_STRING_INITIALIZER(struct command_line, word, "list#quit");
/* The choices are set when all tests have registered. */
static cmdline_parse_token_string_t test_word =
	TOKEN_STRING_INITIALIZER(struct command_line, word, NULL);

static cmdline_parse_inst_t run_builtin = {
	.f = run_word,
	.help_str = "list: show the tests; quit: end",
	.tokens = {(void *)&builtin_word, NULL},
};

static cmdline_parse_inst_t run_test = {
	.f = run_word,
	.help_str = "run a test, or all that are fast",
	.tokens = {(void *)&test_word, NULL},
};

static int
prompt_terminal(struct test_tally *tally)
{
	cmdline_parse_ctx_t context[] = {&run_builtin, &run_test, NULL};
	char *names = test_names();
	struct cmdline *cl;

	if (names == NULL)
		return -ENOMEM;
	test_word.string_data.str = names;
	run_builtin.data = tally;
	run_test.data = tally;
	cl = cmdline_stdin_new(context, "RTE>>");
	if (cl == NULL) {
		free(names);
		return -ENOMEM;
	}
	cmdline_interact(cl);
	cmdline_stdin_exit(cl);
	free(names);
	return 0;
}

static int
read_lines(struct test_tally *tally)
{
	char *line = NULL;
	size_t size = 0;
	bool more = true;

	while (more && getline(&line, &size, stdin) >= 0) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (line[0] != '\0')
			more = execute(line, tally);
	}
	free(line);
	return 0;
}

int
test_prompt(struct test_tally *tally)
{
	return isatty(STDIN_FILENO) ? prompt_terminal(tally) : read_lines(tally);
}
