/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * [lcores]: which lcore runs which stage. A line is
 *
 *	LCORE = STAGE[:OBJECT[.QUEUE]] ...
 *
 * A stage without an object is an even share of all its queues that no lcore is given by name; with
 * one it is all queues of the object, or one of them. A queue has one owner, so a queue given twice
 * is an error; and once there is a single line, a queue that is given to nobody is an error too, as
 * its packets would lie there for ever.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "config_priv.h"

static bool
same_object(const struct airlock_config_stage *a, const struct airlock_config_stage *b)
{
	return a->stage == AIRLOCK_STAGE_RX ? a->uplink_id == b->uplink_id
					    : strcmp(a->vm, b->vm) == 0;
}

/* Do both give the same work? A share of everything is the same work only on the same lcore. */
static bool
same_work(const struct airlock_config_stage *a, const struct airlock_config_stage *b)
{
	if (a->stage != b->stage || a->all != b->all)
		return false;
	if (a->all)
		return a->lcore_id == b->lcore_id;
	if (!same_object(a, b))
		return false;
	return a->all_queues || b->all_queues || a->queue_id == b->queue_id;
}

static int
add_stage(struct config_draft *draft, struct config_where where,
	const struct airlock_config_stage *stage, const char *text)
{
	struct airlock_config *config = draft->config;
	struct airlock_config_stage *stages;

	for (uint16_t i = 0; i < config->nb_stages; i++)
		if (same_work(&config->stages[i], stage))
			return config_fail(draft, where,
				"'%s': %s of the same queues is given to lcore %u (%s), expected "
				"once",
				text, airlock_stage_name(stage->stage), config->stages[i].lcore_id,
				config->stages[i].origin.text);
	stages = reallocarray(config->stages, config->nb_stages + 1, sizeof(*stages));
	if (stages == NULL)
		return config_fail(draft, where, "out of memory, expected room for '%s'", text);
	config->stages = stages;
	stages[config->nb_stages] = *stage;
	config_where_text(draft, where, &stages[config->nb_stages].origin);
	config->nb_stages++;
	return 0;
}

/* Index of an uplink by its port's number, or of a VM by its name; -1: none. */
static int
find_object(const struct airlock_config *config, enum airlock_stage stage, const char *text)
{
	uint32_t port_id;

	if (stage != AIRLOCK_STAGE_RX) {
		for (uint16_t i = 0; i < config->nb_vms; i++)
			if (strcmp(config->vms[i].name, text) == 0)
				return i;
		return -1;
	}
	if (config_number(text, 0, UINT16_MAX, &port_id) < 0)
		return -1;
	for (uint16_t i = 0; i < config->nb_uplinks; i++)
		if (config->uplinks[i].port_id == port_id)
			return i;
	return -1;
}

static uint16_t
nb_queues_of(const struct airlock_config *config, enum airlock_stage stage, uint16_t idx)
{
	return stage == AIRLOCK_STAGE_RX ? config->uplinks[idx].nb_queues
					 : config->vms[idx].nb_queues;
}

/* Read "OBJECT" or "OBJECT.QUEUE" behind the ':'. */
static int
read_object(struct config_draft *draft, struct config_where where,
	struct airlock_config_stage *stage, const char *text, char *object)
{
	const char *kind = stage->stage == AIRLOCK_STAGE_RX ? "uplink" : "VM";
	int idx = find_object(draft->config, stage->stage, object);
	char *queue = strrchr(object, '.');
	uint32_t queue_id = 0;
	uint16_t nb_queues;

	/* A name may have dots of its own: the whole is tried first. */
	stage->all_queues = idx >= 0;
	if (idx < 0 && queue != NULL) {
		*queue++ = '\0';
		idx = find_object(draft->config, stage->stage, object);
	}
	if (idx < 0)
		return config_fail(
			draft, where, "'%s', expected a configured %s behind ':'", text, kind);

	nb_queues = nb_queues_of(draft->config, stage->stage, idx);
	if (!stage->all_queues && config_number(queue, 0, nb_queues - 1, &queue_id) < 0)
		return config_fail(draft, where, "'%s', expected a queue from 0 to %u of %s %s",
			text, nb_queues - 1, kind, object);
	stage->queue_id = queue_id;
	if (stage->stage == AIRLOCK_STAGE_RX)
		stage->uplink_id = idx;
	else
		snprintf(stage->vm, sizeof(stage->vm), "%s", draft->config->vms[idx].name);
	return 0;
}

/* Read "STAGE", "STAGE:OBJECT" or "STAGE:OBJECT.QUEUE". */
static int
read_stage(struct config_draft *draft, const struct config_lcore_line *line, const char *text)
{
	struct airlock_config_stage stage = {.lcore_id = line->lcore_id};
	char copy[CFG_VALUE_LEN];
	char *object = copy;
	const char *name;
	bool every;

	snprintf(copy, sizeof(copy), "%s", text);
	name = strsep(&object, ":");
	every = strcmp(name, "all") == 0 && object == NULL;
	stage.all = object == NULL;

	for (unsigned int i = 0; i < AIRLOCK_STAGE_MAX; i++) {
		stage.stage = i;
		if (!every && strcmp(name, airlock_stage_name(i)) != 0)
			continue;
		if (!stage.all && read_object(draft, line->where, &stage, text, object) < 0)
			return -EINVAL;
		if (add_stage(draft, line->where, &stage, text) < 0)
			return -EINVAL;
		if (!every)
			return 0;
	}
	if (every)
		return 0;
	return config_fail(draft, line->where,
		"'%s', expected all, rx[:PORT[.QUEUE]], handoff[:VM[.QUEUE]] or tx[:VM[.QUEUE]]",
		text);
}

static int
read_line(struct config_draft *draft, struct config_lcore_line *line)
{
	char *rest = line->value;
	unsigned int n = 0;
	char *text;

	while ((text = strsep(&rest, CONFIG_STAGE_SEPARATORS)) != NULL) {
		if (*text == '\0')
			continue;
		n++;
		if (read_stage(draft, line, text) < 0)
			return -EINVAL;
	}
	if (n == 0)
		return config_fail(draft, line->where, "no stage, expected all, rx, handoff or tx");
	return 0;
}

static bool
is_owned(const struct airlock_config *config, const struct airlock_config_stage *work)
{
	for (uint16_t i = 0; i < config->nb_stages; i++)
		if ((config->stages[i].all && config->stages[i].stage == work->stage) ||
			same_work(&config->stages[i], work))
			return true;
	return false;
}

static int
check_owned(struct config_draft *draft, enum airlock_stage stage, uint16_t idx)
{
	const struct airlock_config *config = draft->config;
	struct airlock_config_stage work = {.stage = stage, .uplink_id = idx};
	char object[AIRLOCK_NAME_MAX];

	if (stage != AIRLOCK_STAGE_RX)
		snprintf(work.vm, sizeof(work.vm), "%s", config->vms[idx].name);
	for (uint16_t q = 0; q < nb_queues_of(config, stage, idx); q++) {
		work.queue_id = q;
		if (is_owned(config, &work))
			continue;
		if (stage == AIRLOCK_STAGE_RX)
			snprintf(object, sizeof(object), "%u", config->uplinks[idx].port_id);
		else
			snprintf(object, sizeof(object), "%s", config->vms[idx].name);
		return config_fail(draft, draft->lcores,
			"no lcore for %s:%s.%u, expected one (or %s alone, or all, on some lcore)",
			airlock_stage_name(stage), object, q, airlock_stage_name(stage));
	}
	return 0;
}

int
config_lcores_apply(struct config_draft *draft)
{
	const struct airlock_config *config = draft->config;

	for (unsigned int i = 0; i < draft->nb_lcore_lines; i++)
		if (read_line(draft, &draft->lcore_lines[i]) < 0)
			return -EINVAL;
	if (config->nb_stages == 0)
		return 0;
	for (uint16_t i = 0; i < config->nb_uplinks; i++)
		if (check_owned(draft, AIRLOCK_STAGE_RX, i) < 0)
			return -EINVAL;
	for (uint16_t i = 0; i < config->nb_vms; i++)
		if (check_owned(draft, AIRLOCK_STAGE_HANDOFF, i) < 0 ||
			check_owned(draft, AIRLOCK_STAGE_TX, i) < 0)
			return -EINVAL;
	return 0;
}

bool
config_lcores_has(const struct airlock_config *config, const char *stage)
{
	char copy[CFG_VALUE_LEN], *object = copy, *queue;
	enum airlock_stage id = AIRLOCK_STAGE_RX;
	const char *name;
	uint32_t queue_id;
	int idx;

	strlcpy(copy, stage, sizeof(copy));
	name = strsep(&object, ":");
	if (object == NULL)
		return true;
	while (id < AIRLOCK_STAGE_MAX && strcmp(name, airlock_stage_name(id)) != 0)
		id++;
	if (id == AIRLOCK_STAGE_MAX)
		return false;
	if (find_object(config, id, object) >= 0)
		return true;
	queue = strrchr(object, '.');
	if (queue == NULL)
		return false;
	*queue++ = '\0';
	idx = find_object(config, id, object);
	return idx >= 0 &&
		config_number(queue, 0, nb_queues_of(config, id, idx) - 1, &queue_id) == 0;
}

static void
print_stage(
	FILE *out, const struct airlock_config *config, const struct airlock_config_stage *stage)
{
	fputs(airlock_stage_name(stage->stage), out);
	if (stage->all)
		return;
	if (stage->stage == AIRLOCK_STAGE_RX)
		fprintf(out, ":%u", config->uplinks[stage->uplink_id].port_id);
	else
		fprintf(out, ":%s", stage->vm);
	if (!stage->all_queues)
		fprintf(out, ".%u", stage->queue_id);
}

char *
config_lcores_text(const struct airlock_config *config, unsigned int lcore_id)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (uint16_t i = 0; out != NULL && i < config->nb_stages; i++) {
		if (config->stages[i].lcore_id != lcore_id)
			continue;
		if (ftell(out) > 0)
			fputc(' ', out);
		print_stage(out, config, &config->stages[i]);
	}
	if (out != NULL)
		fclose(out);
	return text;
}
