/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * airlockctl: asks a running airlockd, by JSON-RPC over its control socket.
 *
 *     main.c      options
 *     commands.c  what each command asks and shows; params.c: its parameters
 *     watch.c     statistics, once or again and again
 *     vm.c window.c stats.c pages.c lcores.c capture.c features.c   results for people (show.h)
 *     table.c fields.c                                    what those are made with
 *     ctl.c       a request, and in words what went wrong
 *     client.c    the connection
 *
 * No DPDK, and no code of the daemon: the two share only what is on the socket.
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

#define DEFAULT_SOCKET	  "/run/airlock/control.sock"
#define DEFAULT_TIMEOUT_S 10
#define MAX_TIMEOUT_S	  3600

static void
print_help(void)
{
	printf("usage: airlockctl [OPTION]... COMMAND\n\n"
	       "  --socket PATH                   airlockd's control socket (" DEFAULT_SOCKET ")\n"
	       "  --json                          print results as they come, for programs\n"
	       "  --timeout SECONDS               wait so long for an answer (%d)\n"
	       "  -h, --help                      print this text and exit\n"
	       "  --version                       print this program's version and exit\n\n",
		DEFAULT_TIMEOUT_S);
	commands_help(stdout);
	printf("\nexit status: 0 done; 1 the daemon said no, or pages verify found something;\n"
	       "2 wrong usage; 3 no connection or no answer\n");
}

static bool
read_timeout(const char *text, unsigned int *timeout_ms)
{
	char *end;
	long seconds;

	errno = 0;
	seconds = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || seconds < 1 || seconds > MAX_TIMEOUT_S) {
		ctl_complain("--timeout: '%s', expected seconds from 1 to %d", text, MAX_TIMEOUT_S);
		return false;
	}
	*timeout_ms = (unsigned int)seconds * 1000;
	return true;
}

/* What options leave to be done; CTL_OK and *done: nothing. */
static enum ctl_status
read_options(struct ctl *ctl, int argc, char **argv, bool *done)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"timeout", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	int at = optind, option;

	/* '+': what follows the command is the command's. */
	for (; (option = getopt_long(argc, argv, "+:h", options, NULL)) != -1; at = optind) {
		if (option == 's') {
			ctl->path = optarg;
		} else if (option == 'j') {
			ctl->json = true;
		} else if (option == 't') {
			if (!read_timeout(optarg, &ctl->timeout_ms))
				return CTL_USAGE;
		} else if (option == 'h' || option == 'v') {
			*done = true;
			if (option == 'h')
				print_help();
			else
				printf("airlockctl %s\n", AIRLOCK_VERSION);
			return ctl_flush();
		} else {
			ctl_complain("%s: %s; --help lists all", argv[at],
				option == ':' ? "no value" : "unknown option");
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

int
main(int argc, char **argv)
{
	struct ctl ctl = {
		.path = DEFAULT_SOCKET,
		.timeout_ms = DEFAULT_TIMEOUT_S * 1000,
		.client = {.fd = -1},
	};
	const struct command *command;
	unsigned int nb_words;
	enum ctl_status status;
	bool done = false;

	status = read_options(&ctl, argc, argv, &done);
	if (status != CTL_OK || done)
		return status;
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		ctl_complain("no command; --help lists all");
		return CTL_USAGE;
	}
	command = command_find(argc, argv, &nb_words);
	if (command == NULL) {
		ctl_complain("%s%s%s: unknown command; --help lists all", argv[0],
			argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
		return CTL_USAGE;
	}
	return command_run(&ctl, command, argc - nb_words, argv + nb_words);
}
