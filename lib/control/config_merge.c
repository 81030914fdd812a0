/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The text of a file that gives this configuration again: that of the file which was read, with as
 * little changed as can be.
 *
 * It is gone through line by line. A key whose value is still right stays as it is written; another
 * gets its new value in its place, before its comment. Keys that are missing follow behind the last
 * of their section, sections that are missing at the end. The section of a VM that is gone goes
 * with its comments, and with those that stand directly above its head; so does what [lcores] has
 * of it. What is a default and not in the file is not written.
 *
 * Comments and blank lines are held back until it is known what follows them.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "config_priv.h"

struct merge {
	const struct airlock_config *config;
	FILE *out;
	enum config_scope scope; /* of the section at hand; CONFIG_SCOPE_FLAG: it has no keys */
	const void *object; /* whose keys they are */
	bool lcores; /* the section is [lcores] */
	bool gone; /* nothing of the section is kept */
	bool seen[CONFIG_KEY_MAX]; /* keys of the section */
	bool airlock_seen;
	bool uplinks_seen[AIRLOCK_MAX_UPLINKS];
	bool vms_seen[AIRLOCK_MAX_VMS];
	const char *held; /* comments and blank lines, up to the line at hand; NULL: none */
};

static void
put(struct merge *merge, const char *from, const char *to)
{
	if (from != NULL && !merge->gone)
		fwrite(from, 1, to - from, merge->out);
}

static void
put_key(struct merge *merge, enum config_key_id id)
{
	char text[PATH_MAX];

	fprintf(merge->out, "%s = %s\n", config_keys[id].name,
		config_text(merge->config, id, merge->object, text, sizeof(text)));
}

static void
put_missing(struct merge *merge)
{
	if (merge->gone || merge->scope == CONFIG_SCOPE_FLAG)
		return;
	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++)
		if (config_keys[id].scope == merge->scope && !config_keys[id].identity &&
			!merge->seen[id] && !config_is_default(merge->config, id, merge->object))
			put_key(merge, id);
}

static void
begin_section(struct merge *merge, enum config_scope scope, const void *object)
{
	merge->scope = scope;
	merge->object = object;
	merge->lcores = false;
	merge->gone = false;
	memset(merge->seen, 0, sizeof(merge->seen));
}

static void
begin_uplink(struct merge *merge, uint16_t idx)
{
	merge->uplinks_seen[idx] = true;
	begin_section(merge, CONFIG_SCOPE_UPLINK, &merge->config->uplinks[idx]);
}

static void
begin_vm(struct merge *merge, uint16_t idx)
{
	merge->vms_seen[idx] = true;
	begin_section(merge, CONFIG_SCOPE_VM, &merge->config->vms[idx]);
}

/* Which section a head names; *head* is cut. */
static void
read_head(struct merge *merge, char *head)
{
	const struct airlock_config *config = merge->config;
	char *object = config_trim(head);
	const char *kind = strsep(&object, " \t");
	uint32_t port_id;

	begin_section(merge, CONFIG_SCOPE_FLAG, NULL);
	object = object != NULL ? config_trim(object) : NULL;
	if (strcmp(kind, "airlock") == 0) {
		merge->airlock_seen = true;
		begin_section(merge, CONFIG_SCOPE_AIRLOCK, config);
		return;
	}
	merge->lcores = strcmp(kind, "lcores") == 0;
	if (merge->lcores || object == NULL)
		return;
	merge->gone = true;
	if (strcmp(kind, "uplink") == 0 && config_number(object, 0, UINT16_MAX, &port_id) == 0) {
		for (uint16_t i = 0; i < config->nb_uplinks; i++)
			if (config->uplinks[i].port_id == port_id)
				begin_uplink(merge, i);
		return;
	}
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (strcmp(config->vms[i].name, object) == 0)
			begin_vm(merge, i);
}

/* Where the comment begins that stands directly above *line*, with no blank line between. */
static const char *
comment_above(const char *held, const char *line)
{
	const char *begin = line;

	while (begin > held) {
		const char *above = begin - 1;

		while (above > held && above[-1] != '\n')
			above--;
		if (above[strspn(above, " \t\r")] != ';')
			break;
		begin = above;
	}
	return begin;
}

static void
merge_head(struct merge *merge, const char *line, const char *end, char *copy)
{
	const char *held = merge->held == NULL ? line : merge->held;
	const char *above = comment_above(held, line);

	put_missing(merge);
	put(merge, held, above);
	merge->held = NULL;
	copy[strcspn(copy, "]")] = '\0';
	read_head(merge, copy + 1);
	put(merge, above, end);
}

/* The line with *value* in the place of its value, which is *old*, a part of it. */
static void
put_value(struct merge *merge, const char *line, const char *end, const char *old, size_t old_len,
	const char *value)
{
	fwrite(line, 1, old - line, merge->out);
	fputs(value, merge->out);
	fwrite(old + old_len, 1, end - (old + old_len), merge->out);
}

/* Without the stages of VMs that are gone, joined by blanks. Returns whether all are there. */
static bool
filter_stages(const struct airlock_config *config, const char *stages, char *value)
{
	char copy[CFG_VALUE_LEN], *rest = copy, *stage, *end = value;
	bool all = true;

	strlcpy(copy, stages, sizeof(copy));
	*value = '\0';
	while ((stage = strsep(&rest, CONFIG_STAGE_SEPARATORS)) != NULL) {
		if (*stage == '\0')
			continue;
		if (!config_lcores_has(config, stage)) {
			all = false;
			continue;
		}
		if (end != value)
			*end++ = ' ';
		end = stpcpy(end, stage);
	}
	return all;
}

/* Returns whether the line stays as it is; else *value* is what it has to be, or empty. */
static bool
is_right(struct merge *merge, const char *name, const char *old, char *value, size_t size)
{
	char canonical[CFG_VALUE_LEN];
	enum config_key_id id;

	if (merge->lcores)
		return filter_stages(merge->config, old, value);
	id = config_key_find(merge->scope, name);
	if (id == CONFIG_KEY_MAX)
		return true;
	merge->seen[id] = true;
	config_text(merge->config, id, merge->object, value, size);
	return config_text_canonical(&config_keys[id], old, canonical, sizeof(canonical)) == 0 &&
		strcmp(canonical, value) == 0;
}

static void
merge_key(struct merge *merge, const char *line, const char *end, char *copy)
{
	char *equals = strchr(copy, '='), *old;
	char value[PATH_MAX];
	size_t at;

	put(merge, merge->held, line);
	merge->held = NULL;
	if (merge->gone || equals == NULL)
		return;
	*equals = '\0';
	old = config_trim(equals + 1);
	at = old - copy;
	if (is_right(merge, config_trim(copy), old, value, sizeof(value)))
		put(merge, line, end);
	else if (*value != '\0')
		put_value(merge, line, end, line + at, strlen(old), value);
}

static void
merge_line(struct merge *merge, const char *line, const char *end)
{
	char copy[CONFIG_LINE_MAX + 1];
	size_t len = RTE_MIN((size_t)(end - line), sizeof(copy) - 1);
	char *begin;

	memcpy(copy, line, len);
	copy[len] = '\0';
	copy[strcspn(copy, ";\n")] = '\0';
	begin = copy + strspn(copy, " \t\r");
	if (*begin == '[')
		merge_head(merge, line, end, begin);
	else if (*begin != '\0')
		merge_key(merge, line, end, copy);
	else if (merge->held == NULL)
		merge->held = line;
}

static void
merge_lines(struct merge *merge)
{
	const char *text = merge->config->text != NULL ? merge->config->text : "";
	const char *next = text, *end = text + merge->config->text_len;
	bool cut;

	while (next < end) {
		const char *newline = memchr(next, '\n', end - next);
		const char *line = next;

		next = newline == NULL ? end : newline + 1;
		merge_line(merge, line, next);
	}
	/* What follows a last line that has no end needs one. */
	cut = end != text && end[-1] != '\n' && !merge->gone;
	if (cut && merge->held == NULL)
		fputc('\n', merge->out);
	put_missing(merge);
	put(merge, merge->held, end);
	if (cut && merge->held != NULL)
		fputc('\n', merge->out);
}

static void
put_head(struct merge *merge, const char *kind, const char *object)
{
	fprintf(merge->out, "%s[%s%s%s]\n", ftell(merge->out) > 0 ? "\n" : "", kind,
		*object != '\0' ? " " : "", object);
	put_missing(merge);
}

static bool
airlock_has_keys(const struct airlock_config *config)
{
	for (unsigned int id = 0; id < CONFIG_KEY_MAX; id++)
		if (config_keys[id].scope == CONFIG_SCOPE_AIRLOCK &&
			!config_is_default(config, id, config))
			return true;
	return false;
}

static void
put_sections(struct merge *merge)
{
	const struct airlock_config *config = merge->config;
	char port[16];

	if (!merge->airlock_seen && airlock_has_keys(config)) {
		begin_section(merge, CONFIG_SCOPE_AIRLOCK, config);
		put_head(merge, "airlock", "");
	}
	for (uint16_t i = 0; i < config->nb_uplinks; i++) {
		if (merge->uplinks_seen[i])
			continue;
		begin_uplink(merge, i);
		snprintf(port, sizeof(port), "%u", config->uplinks[i].port_id);
		put_head(merge, "uplink", port);
	}
	for (uint16_t i = 0; i < config->nb_vms; i++) {
		if (merge->vms_seen[i])
			continue;
		begin_vm(merge, i);
		put_head(merge, "vm", config->vms[i].name);
	}
}

char *
config_merge(const struct airlock_config *config, size_t *len)
{
	struct merge merge = {.config = config, .scope = CONFIG_SCOPE_FLAG};
	char *text = NULL;

	merge.out = open_memstream(&text, len);
	if (merge.out == NULL)
		return NULL;
	merge_lines(&merge);
	put_sections(&merge);
	if (fclose(merge.out) == 0)
		return text;
	free(text);
	return NULL;
}
