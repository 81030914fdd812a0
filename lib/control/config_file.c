/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The configuration file: INI, read by rte_cfgfile.
 *
 * rte_cfgfile knows no line numbers. The scan (config_scan.c) has them, in the order in which
 * rte_cfgfile stores sections and keys, so here the two are walked side by side. The file itself
 * was read once, by the scan; rte_cfgfile gets that copy by a memfd. So the two cannot see
 * different texts, and the file may be a pipe.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_string_fns.h>

#include "config_priv.h"

/* The scanned text, as rte_cfgfile sees it. */
static struct rte_cfgfile *
load_text(const char *text, size_t len)
{
	struct rte_cfgfile *file = NULL;
	char path[32];
	int fd = memfd_create("airlock.conf", MFD_CLOEXEC);

	if (fd < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, text, len) == (ssize_t)len)
		file = rte_cfgfile_load(path, 0);
	close(fd);
	return file;
}

static struct config_where
next_line(struct config_scan *scan)
{
	return (struct config_where){.line = scan->lines[scan->at++]};
}

static int
set_entries(struct config_draft *draft, struct config_scan *scan, enum config_scope scope,
	void *object, struct config_marks *marks, const struct rte_cfgfile_entry *entries,
	int nb_entries)
{
	char names[CONFIG_NAMES_MAX];

	for (int i = 0; i < nb_entries; i++) {
		struct config_where where = next_line(scan);
		enum config_key_id id = config_key_find(scope, entries[i].name);
		int ret;

		if (id == CONFIG_KEY_MAX || config_keys[id].identity)
			return config_fail(draft, where, "key '%s', expected one of %s",
				entries[i].name,
				config_key_names(scope, false, names, sizeof(names)));
		ret = config_set(draft, id, object, marks, where, entries[i].value);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int
keep_lcores(struct config_draft *draft, struct config_scan *scan,
	const struct rte_cfgfile_entry *entries, int nb_entries)
{
	for (int i = 0; i < nb_entries; i++) {
		struct config_where where = next_line(scan);
		struct config_lcore_line *line;
		struct airlock_origin origin;
		uint32_t lcore_id;

		if (config_number(entries[i].name, 0, RTE_MAX_LCORE - 1, &lcore_id) < 0)
			return config_fail(draft, where,
				"lcore '%s', expected a number from 0 to %u", entries[i].name,
				RTE_MAX_LCORE - 1);
		for (unsigned int j = 0; j < draft->nb_lcore_lines; j++)
			if (draft->lcore_lines[j].lcore_id == lcore_id)
				return config_fail(draft, where,
					"lcore %u is a second one after %s, expected one", lcore_id,
					config_where_text(
						draft, draft->lcore_lines[j].where, &origin));
		line = &draft->lcore_lines[draft->nb_lcore_lines++];
		line->lcore_id = lcore_id;
		line->where = where;
		strlcpy(line->value, entries[i].value, sizeof(line->value));
	}
	return 0;
}

/* The section that may stand once is here for the first time? */
static int
only_once(struct config_draft *draft, struct config_where *first, struct config_where where,
	const char *section)
{
	struct airlock_origin origin;

	if (first->line != 0)
		return config_fail(draft, where, "[%s] is a second one after %s, expected one",
			section, config_where_text(draft, *first, &origin));
	*first = where;
	return 0;
}

static int
read_section(struct config_draft *draft, struct config_scan *scan, char *section,
	const struct rte_cfgfile_entry *entries, int nb)
{
	struct airlock_config *config = draft->config;
	struct config_where where = next_line(scan);
	char *object = section;
	const char *kind = strsep(&object, " \t");
	int idx;

	if (object != NULL)
		object = config_trim(object);
	if (strcmp(kind, "uplink") == 0 && object != NULL) {
		idx = config_open_uplink(draft, object, where);
		return idx < 0 ? idx
			       : set_entries(draft, scan, CONFIG_SCOPE_UPLINK,
					 &config->uplinks[idx], &draft->uplinks[idx], entries, nb);
	}
	if (strcmp(kind, "vm") == 0 && object != NULL) {
		idx = config_open_vm(draft, object, where);
		return idx < 0 ? idx
			       : set_entries(draft, scan, CONFIG_SCOPE_VM, &config->vms[idx],
					 &draft->vms[idx], entries, nb);
	}
	if (strcmp(kind, "airlock") == 0 && object == NULL) {
		if (only_once(draft, &draft->marks.file, where, kind) < 0)
			return -EINVAL;
		return set_entries(
			draft, scan, CONFIG_SCOPE_AIRLOCK, config, &draft->marks, entries, nb);
	}
	if (strcmp(kind, "lcores") == 0 && object == NULL) {
		if (only_once(draft, &draft->lcores, where, kind) < 0)
			return -EINVAL;
		return keep_lcores(draft, scan, entries, nb);
	}
	return config_fail(draft, where,
		"section [%s%s%s], expected [airlock], [uplink PORT], [vm NAME] or [lcores]", kind,
		object == NULL ? "" : " ", object == NULL ? "" : object);
}

static int
read_sections(struct config_draft *draft, struct config_scan *scan, struct rte_cfgfile *file)
{
	char section[CFG_NAME_LEN];
	int ret = 0;

	scan->at = 0;
	for (unsigned int i = 0; i < scan->nb_sections && ret == 0; i++) {
		int nb = rte_cfgfile_section_num_entries_by_index(file, section, i);
		struct rte_cfgfile_entry *entries;

		if (nb < 0 || scan->at + nb >= scan->nb_lines)
			return config_fail_file(draft, "read in two ways", "a plain INI file");
		entries = calloc(RTE_MAX(nb, 1), sizeof(*entries));
		if (entries == NULL)
			return config_fail_file(draft, "out of memory", "room for the file");
		rte_cfgfile_section_entries_by_index(file, i, section, entries, nb);
		ret = read_section(draft, scan, section, entries, nb);
		free(entries);
	}
	return ret;
}

int
config_file_read(struct config_draft *draft)
{
	struct config_scan scan = {.draft = draft};
	struct rte_cfgfile *file;
	int ret;

	ret = config_scan_file(&scan);
	if (ret < 0)
		goto out;
	file = load_text(draft->config->text, draft->config->text_len);
	if (file == NULL) {
		ret = config_fail_file(draft, "refused by rte_cfgfile", "a plain INI file");
		goto out;
	}
	ret = read_sections(draft, &scan, file);
	rte_cfgfile_close(file);
out:
	config_scan_fini(&scan);
	return ret;
}
