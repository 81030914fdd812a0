/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The log: a stream that puts the level of each DPDK log message in front of it.
 *
 * DPDK writes one message by one call, knows the message's level only while it does so, and may end
 * it without a newline to go on later. So the level is put at the start of a line, not of a call.
 * Each piece is one write(2): lines of several threads do not mix as long as each is one call.
 *
 * Thread rule: DPDK writes through stdio, which locks the stream.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_log.h>

#include "airlock_log.h"

static FILE *stream;
static bool for_journal; /* written before the stream is DPDK's, then read only */
static bool at_line_start = true; /* under the stream's lock */

/* The journal takes it off the line and keeps it beside. */
static const char *
journal_prefix(int level)
{
	static const char *const prefixes[] = {
		"<0>", "<1>", "<2>", "<3>", "<4>", "<5>", "<6>", "<7>"};

	/* DPDK counts from 1, syslog from 0. */
	return prefixes[RTE_MIN(RTE_MAX(level, 1), (int)RTE_DIM(prefixes)) - 1];
}

static const char *
level_text(int level)
{
	if (for_journal)
		return journal_prefix(level);
	if (level <= (int)RTE_LOG_ERR)
		return "ERR ";
	if (level == (int)RTE_LOG_WARNING)
		return "WARN ";
	if (level == (int)RTE_LOG_NOTICE)
		return "NOTICE ";
	return level == (int)RTE_LOG_INFO ? "INFO " : "DEBUG ";
}

static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	const char *level = at_line_start ? level_text(rte_log_cur_msg_loglevel()) : "";
	struct iovec parts[2] = {
		{.iov_base = (void *)(uintptr_t)level, .iov_len = strlen(level)},
		{.iov_base = (void *)(uintptr_t)text, .iov_len = len},
	};

	if (len == 0)
		return 0;
	at_line_start = text[len - 1] == '\n';
	/* Nobody can be told that stderr is gone. */
	if (writev(STDERR_FILENO, parts, 2) < 0)
		return 0;
	return len;
}

int
airlock_log_open(bool journal)
{
	cookie_io_functions_t functions = {.write = log_write};

	for_journal = journal;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -ENOMEM;
	/* A line a write, not a buffer full. */
	setvbuf(stream, NULL, _IOLBF, 1024);
	rte_openlog_stream(stream);
	return 0;
}

void
airlock_log_close(void)
{
	rte_openlog_stream(NULL);
	if (stream != NULL)
		fclose(stream);
	stream = NULL;
}
