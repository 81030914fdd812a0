/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The command "stats": what stats.c shows, redrawn in place on a terminal, block by block
 * elsewhere.
 *
 * A block is made in memory first and cut to the terminal, since a line more than it has, or a line
 * that wraps, would scroll it away. Nothing of the terminal's state is changed, so that a signal
 * may end it at any time.
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "show.h"
#include "watch.h"

#define MIN_SECONDS 0.1
#define MAX_SECONDS 3600

#define HOME	   "\033[H"
#define CLEAR	   "\033[2J"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

static double
seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (now.tv_nsec - start->tv_nsec) / 1e9;
}

/* Each round at its place in time: what a round takes is not added to the next. */
static void
wait_until(const struct timespec *start, double seconds)
{
	struct timespec end = *start;

	end.tv_sec += (time_t)seconds;
	end.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
}

/* The block in place of the one before, cut to the terminal. */
static void
redraw(const char *text)
{
	struct winsize size = {0};
	int line = 1, rows, columns;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	rows = size.ws_row != 0 ? size.ws_row : 24;
	columns = size.ws_col != 0 ? size.ws_col : 80;
	fputs(HOME, stdout);
	for (; *text != '\0' && line < rows; line++) {
		int len = (int)strcspn(text, "\n");

		printf("%.*s" CLEAR_LINE "\n", len < columns ? len : columns, text);
		text += len + (text[len] == '\n');
	}
	if (*text != '\0')
		fputs("... (more lines than the terminal has)" CLEAR_LINE, stdout);
	fputs(CLEAR_REST, stdout);
}

static enum ctl_status
show_block(json_t *now, json_t *before, double seconds, bool first)
{
	bool terminal = isatty(STDOUT_FILENO);
	char stamp[64] = "", *text = NULL;
	time_t clock = time(NULL);
	struct tm local;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out == NULL)
		return CTL_NO_ANSWER;
	if (localtime_r(&clock, &local) != NULL)
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &local);
	fprintf(out, "%s\n", stamp);
	show_stats(out, now, before, seconds);
	if (!terminal)
		fputc('\n', out);
	fclose(out);
	if (terminal && first)
		fputs(CLEAR, stdout);
	if (terminal)
		redraw(text);
	else
		fputs(text, stdout);
	free(text);
	return ctl_flush();
}

static enum ctl_status
watch(struct ctl *ctl, double every_s)
{
	enum ctl_status status = CTL_OK;
	struct timespec start;
	json_t *now = NULL, *before = NULL;
	double at_s, last_s = 0, next_s = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (status == CTL_OK) {
		status = ctl_call(ctl, "stats.get", NULL, JSON_OBJECT, &now);
		if (status != CTL_OK)
			break;
		at_s = seconds_since(&start);
		if (ctl->json) {
			ctl_print_json(now);
			status = ctl_flush();
		} else {
			status = show_block(now, before, before != NULL ? at_s - last_s : every_s,
				before == NULL);
		}
		json_decref(before);
		before = now;
		last_s = at_s;
		/* Rounds that a slow answer took are left out, not made up for. */
		while (next_s <= at_s)
			next_s += every_s;
		if (status == CTL_OK)
			wait_until(&start, next_s);
	}
	json_decref(before);
	return status;
}

static enum ctl_status
show_once(struct ctl *ctl)
{
	json_t *stats;
	enum ctl_status status = ctl_call(ctl, "stats.get", NULL, JSON_OBJECT, &stats);

	if (status != CTL_OK)
		return status;
	if (ctl->json)
		ctl_print_json(stats);
	else
		show_stats(stdout, stats, NULL, 0);
	json_decref(stats);
	return ctl_flush();
}

static bool
read_seconds(const char *text, double *seconds)
{
	char *end;

	errno = 0;
	*seconds = strtod(text, &end);
	if (errno == 0 && end != text && *end == '\0' && *seconds >= MIN_SECONDS &&
		*seconds <= MAX_SECONDS)
		return true;
	ctl_complain("stats: --watch '%s', expected seconds from %.1f to %d", text, MIN_SECONDS,
		MAX_SECONDS);
	return false;
}

enum ctl_status
watch_stats(struct ctl *ctl, unsigned int nb_args, char **args)
{
	enum ctl_status status;
	double every_s = 0;

	if (nb_args != 0 && (nb_args != 2 || strcmp(args[0], "--watch") != 0)) {
		ctl_complain("stats: '%s', expected nothing or --watch SECONDS", args[0]);
		return CTL_USAGE;
	}
	if (nb_args == 2 && !read_seconds(args[1], &every_s))
		return CTL_USAGE;
	status = ctl_connect(ctl);
	if (status == CTL_OK)
		status = every_s > 0 ? watch(ctl, every_s) : show_once(ctl);
	client_close(&ctl->client);
	return status;
}
