/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The agent's lines, for whoever loaded it to print: it runs in other people's programs and has no
 * log of its own. It tries to connect ten times a second, so what stays the same is said once.
 *
 * Thread rule: window_say_once() as the agent's connection; window_say() any.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "window_agent_priv.h"

static void
say_line(airlock_window_log_fn log, const char *line)
{
	if (log != NULL)
		log(line);
}

void
window_say(airlock_window_log_fn log, const char *format, ...)
{
	char line[WINDOW_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	say_line(log, line);
}

void
window_say_once(struct airlock_window_agent *agent, const char *format, ...)
{
	char line[WINDOW_LINE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (strcmp(line, agent->said) == 0)
		return;
	memcpy(agent->said, line, sizeof(line));
	say_line(agent->log, line);
}
