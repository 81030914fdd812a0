/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * First look at the configuration file, in front of rte_cfgfile.
 *
 * rte_cfgfile skips a line that it does not understand, ignores what follows a section's ']' and
 * cuts long names, all without a word. The scan accepts only what rte_cfgfile takes in full, and
 * keeps the number of each line that rte_cfgfile stores something of, for config_file.c.
 *
 * Lexical rules, which are rte_cfgfile's: ';' begins a comment anywhere in a line; blanks around
 * names and values do not count; a line has at most LINE_MAX_BYTES bytes, its comment included. A
 * backslash in front of the ';' would make it part of the value; that is refused, nobody needs it.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_priv.h"

#define FILE_MAX_BYTES (1 << 20)

/* rte_cfgfile's line buffer without the newline and the terminating zero. */
#define LINE_MAX_BYTES CONFIG_LINE_MAX

/* Each VM and uplink, [airlock] and [lcores]. */
#define SECTIONS_MAX (AIRLOCK_MAX_VMS + AIRLOCK_MAX_UPLINKS + 2)

static int
fail_line(struct config_scan *scan, const char *found, const char *expected)
{
	return config_fail(scan->draft, (struct config_where){.line = scan->at}, "%s, expected %s",
		found, expected);
}

int
config_fail_file(struct config_draft *draft, const char *found, const char *expected)
{
	return config_fail(draft, (struct config_where){.flag = "-c"}, "%.200s: %s, expected %s",
		draft->config->file, found, expected);
}

static int
read_all(int fd, char *text, size_t *len)
{
	ssize_t n;

	*len = 0;
	do {
		n = read(fd, text + *len, FILE_MAX_BYTES + 1 - *len);
		if (n > 0)
			*len += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	return *len > FILE_MAX_BYTES ? -EFBIG : 0;
}

int
config_read_text(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), ret;

	if (fd < 0)
		return -errno;
	*text = malloc(FILE_MAX_BYTES + 1);
	ret = *text == NULL ? -ENOMEM : read_all(fd, *text, len);
	close(fd);
	if (ret < 0)
		free(*text);
	return ret;
}

static int
read_text(struct config_draft *draft)
{
	struct airlock_config *config = draft->config;
	char *text;
	int ret = config_read_text(config->file, &text, &config->text_len);

	if (ret == -EFBIG)
		return config_fail_file(
			draft, "more than 1 MiB", "a configuration file of at most 1 MiB");
	if (ret < 0)
		return config_fail_file(draft, strerror(-ret), "a readable file");
	/* No more than it needs: it is kept. */
	config->text = realloc(text, config->text_len + 1);
	if (config->text == NULL)
		config->text = text;
	return 0;
}

char *
config_trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		len--;
	text[len] = '\0';
	return text;
}

static int
check_bytes(struct config_scan *scan, const char *line, size_t len)
{
	char found[64];

	for (size_t i = 0; i < len; i++) {
		unsigned char c = line[i];
		bool ends_line = c == '\r' && i + 1 == len;

		if ((c >= ' ' && c != 0x7f) || c == '\t' || ends_line)
			continue;
		snprintf(found, sizeof(found), "byte 0x%02x", c);
		return fail_line(scan, found, "text");
	}
	if (len > LINE_MAX_BYTES)
		return config_fail(scan->draft, (struct config_where){.line = scan->at},
			"a line of %zu bytes, expected at most %d", len, LINE_MAX_BYTES);
	return 0;
}

static int
scan_head(struct config_scan *scan, char *head)
{
	char *end = strchr(head, ']');

	if (end == NULL)
		return fail_line(scan, "'[' without ']'", "[SECTION]");
	if (end[1] != '\0')
		return fail_line(scan, "text after ']'", "a section's head alone on its line");
	*end = '\0';
	if (strlen(config_trim(head + 1)) >= CFG_NAME_LEN)
		return fail_line(scan, "a long section name", "at most 63 bytes");
	if (scan->nb_sections == SECTIONS_MAX)
		return config_fail(scan->draft, (struct config_where){.line = scan->at},
			"one section too many, expected at most %u VMs and %u uplinks",
			AIRLOCK_MAX_VMS, AIRLOCK_MAX_UPLINKS);
	scan->nb_sections++;
	scan->lines[scan->nb_lines++] = scan->at;
	return 0;
}

static int
scan_key(struct config_scan *scan, char *line)
{
	char *value = strchr(line, '=');
	char found[128];

	if (value == NULL) {
		snprintf(found, sizeof(found), "'%.60s'", line);
		return fail_line(scan, found, "[SECTION], key = value, or a comment behind ';'");
	}
	*value = '\0';
	line = config_trim(line);
	value = config_trim(value + 1);
	if (*line == '\0')
		return fail_line(scan, "'=' without a key", "key = value");
	if (strlen(line) >= CFG_NAME_LEN)
		return fail_line(scan, "a long key", "at most 63 bytes");
	snprintf(found, sizeof(found), "'%s' without a value", line);
	if (*value == '\0')
		return fail_line(scan, found, "key = value");
	if (strlen(value) >= CFG_VALUE_LEN)
		return fail_line(scan, "a long value", "at most 255 bytes");
	snprintf(found, sizeof(found), "key '%s' outside a section", line);
	if (scan->nb_sections == 0)
		return fail_line(scan, found, "a [SECTION] before it");
	scan->lines[scan->nb_lines++] = scan->at;
	return 0;
}

static int
scan_line(struct config_scan *scan, const char *text, size_t len)
{
	char line[LINE_MAX_BYTES + 1];
	char *comment;
	char *begin;
	int ret;

	ret = check_bytes(scan, text, len);
	if (ret < 0)
		return ret;
	memcpy(line, text, len);
	line[len] = '\0';
	comment = strchr(line, ';');
	if (comment != NULL && comment > line && comment[-1] == '\\')
		return fail_line(scan, "a backslash before ';'", "none, as ';' begins a comment");
	if (comment != NULL)
		*comment = '\0';
	begin = config_trim(line);
	if (*begin == '\0')
		return 0;
	return *begin == '[' ? scan_head(scan, begin) : scan_key(scan, begin);
}

static int
scan_text(struct config_scan *scan)
{
	const struct airlock_config *config = scan->draft->config;
	const char *next = config->text;
	const char *end = next + config->text_len;

	/* The shortest line that counts is "[]", the next shortest "a=b", both with a newline. */
	scan->lines = calloc(config->text_len / 3 + 1, sizeof(*scan->lines));
	if (scan->lines == NULL)
		return config_fail_file(scan->draft, "out of memory", "room for the file");
	while (next < end) {
		const char *newline = memchr(next, '\n', end - next);
		size_t len = (newline == NULL ? end : newline) - next;
		int ret;

		scan->at++;
		ret = scan_line(scan, next, len);
		if (ret < 0)
			return ret;
		next += len + 1;
	}
	return 0;
}

int
config_scan_file(struct config_scan *scan)
{
	int ret;

	ret = read_text(scan->draft);
	return ret < 0 ? ret : scan_text(scan);
}

void
config_scan_fini(struct config_scan *scan)
{
	free(scan->lines);
}
