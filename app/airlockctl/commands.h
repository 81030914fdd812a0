/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef COMMANDS_H
#define COMMANDS_H

/*
 * The table of commands: usage text and everything that is done go through it.
 *
 * Thread rule: one thread.
 */

#include <stdbool.h>
#include <stdio.h>

#include "ctl.h"

#define COMMAND_WORDS 2

struct command {
	const char *words[COMMAND_WORDS]; /* what the user types; the second may be NULL */
	const char *args; /* and behind it */
	const char *help;
	unsigned int min_args;
	unsigned int max_args;
	const char *method; /* NULL: *args* begin with it */
	json_type type; /* of the result; JSON_NULL: any */
	/**
	 * Parameters from arguments; false: they are wrong, and it was said. Nothing is sent then.
	 * NULL: no parameters.
	 */
	bool (*params)(char **args, json_t **params);
	/** Print the result for people; NULL: nothing but that it worked. */
	void (*show)(FILE *out, json_t *result);
	/** Whether the result is good news; NULL: it is. */
	bool (*good)(const json_t *result);
	/** In place of all this; NULL: no. */
	enum ctl_status (*run)(struct ctl *ctl, unsigned int nb_args, char **args);
};

/** The command that *words* name; NULL: none. *nb_words* of them are its own. */
const struct command *command_find(unsigned int nb, char **words, unsigned int *nb_words);

/** Do it, connection and all. */
enum ctl_status command_run(
	struct ctl *ctl, const struct command *command, unsigned int nb_args, char **args);

/** A line of help for each. */
void commands_help(FILE *out);

#endif /* COMMANDS_H */
