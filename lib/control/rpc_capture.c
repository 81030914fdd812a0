/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Methods that start, stop and list captures. What a name, a file and a filter may be is
 * lib/capture's to say; here a VM or an uplink becomes the point whose packets are captured.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <string.h>

#include <airlock_capture.h>
#include <airlock_pipeline.h>

#include "rpc_priv.h"

/* What a point's two directions are called. */
struct directions {
	const char *names[AIRLOCK_DIRECTION_MAX];
};

static const struct directions vm_directions = {{"from", "to"}};
static const struct directions uplink_directions = {{"rx", "tx"}};

static const char *
text_of(const struct rpc_call *call, const char *name)
{
	return json_string_value(json_object_get(call->params, name));
}

/* A number that is not given is *missing*. */
static int
read_number(
	struct rpc_call *call, const char *name, uint64_t max, uint64_t missing, uint64_t *value)
{
	const json_t *number = json_object_get(call->params, name);

	*value = missing;
	if (number == NULL)
		return 0;
	if (json_integer_value(number) < 1 || (uint64_t)json_integer_value(number) > max)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"capture.start: %s %" JSON_INTEGER_FORMAT
			", expected a number from 1 to %" PRIu64,
			name, json_integer_value(number), max);
	*value = json_integer_value(number);
	return 0;
}

static int
find_vm(struct rpc_call *call, const char *name, struct airlock_capture_conf *conf)
{
	struct airlock_pipeline *pipeline = call->env->pipeline;
	int id = airlock_pipeline_find_vm(pipeline, name);

	if (id < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"capture.start: vm '%.60s', expected that of a VM; vm.list has them", name);
	conf->point = airlock_pipeline_vm_point(pipeline, id);
	return 0;
}

static int
find_uplink(struct rpc_call *call, json_int_t port, struct airlock_capture_conf *conf)
{
	struct airlock_pipeline *pipeline = call->env->pipeline;

	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(pipeline); i++) {
		struct airlock_pipeline_uplink_stats stats;

		airlock_pipeline_uplink_stats(pipeline, i, &stats);
		if (stats.setup.port_id != port)
			continue;
		conf->point = airlock_pipeline_uplink_point(pipeline, i);
		return 0;
	}
	return rpc_fail(call, RPC_INVALID_PARAMS,
		"capture.start: uplink %" JSON_INTEGER_FORMAT
		", expected the port of an uplink; uplink.list has them",
		port);
}

/* The point, if one is asked for, and what its directions are called. */
static int
read_point(struct rpc_call *call, struct airlock_capture_conf *conf,
	const struct directions **directions)
{
	const char *vm = text_of(call, "vm");
	const json_t *uplink = json_object_get(call->params, "uplink");

	*directions = NULL;
	if (vm != NULL && uplink != NULL)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"capture.start: vm and uplink, expected one of them or none");
	if (vm != NULL) {
		*directions = &vm_directions;
		return find_vm(call, vm, conf);
	}
	if (uplink != NULL) {
		*directions = &uplink_directions;
		return find_uplink(call, json_integer_value(uplink), conf);
	}
	return 0;
}

static int
read_directions(struct rpc_call *call, struct airlock_capture_conf *conf,
	const struct directions *directions)
{
	const char *text = text_of(call, "direction");
	bool both = text == NULL || strcmp(text, "both") == 0, any = both;

	for (unsigned int i = 0; i < AIRLOCK_DIRECTION_MAX; i++) {
		conf->directions[i] =
			both || (directions != NULL && strcmp(text, directions->names[i]) == 0);
		any |= conf->directions[i];
	}
	if (any)
		return 0;
	if (directions == NULL)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"capture.start: direction '%.60s', expected both, or a vm or an uplink",
			text);
	return rpc_fail(call, RPC_INVALID_PARAMS,
		"capture.start: direction '%.60s', expected %s, %s or both", text,
		directions->names[AIRLOCK_IN], directions->names[AIRLOCK_OUT]);
}

static int
read_conf(struct rpc_call *call, struct airlock_capture_conf *conf)
{
	const struct directions *directions;
	uint64_t snaplen_bytes;

	conf->name = text_of(call, "name");
	conf->path = text_of(call, "file");
	conf->filter = text_of(call, "filter");
	conf->drops_only = json_is_true(json_object_get(call->params, "drops_only"));
	conf->overwrite = json_is_true(json_object_get(call->params, "overwrite"));
	if (read_point(call, conf, &directions) < 0 ||
		read_directions(call, conf, directions) < 0 ||
		read_number(call, "snaplen", AIRLOCK_CAPTURE_SNAPLEN_MAX,
			AIRLOCK_CAPTURE_SNAPLEN_MAX, &snaplen_bytes) < 0 ||
		read_number(call, "count", INT64_MAX, 0, &conf->count) < 0)
		return -1;
	conf->snaplen_bytes = snaplen_bytes;
	return 0;
}

static const char *
direction_name(const struct airlock_capture_info *info)
{
	const struct directions *directions =
		strncmp(info->point, "vm ", 3) == 0 ? &vm_directions : &uplink_directions;

	if (info->directions[AIRLOCK_IN] && info->directions[AIRLOCK_OUT])
		return "both";
	return directions->names[info->directions[AIRLOCK_IN] ? AIRLOCK_IN : AIRLOCK_OUT];
}

static json_t *
capture_json(const struct airlock_capture_info *info)
{
	json_t *capture = json_object();

	rpc_set_text(capture, "name", info->name);
	rpc_set_text(capture, "state", airlock_capture_state_name(info->state));
	if (info->error != 0)
		rpc_set_text(capture, "error", strerror(info->error));
	rpc_set_text(capture, "file", info->path);
	rpc_set_text(capture, "point", info->point[0] != '\0' ? info->point : "all");
	rpc_set_text(capture, "direction", direction_name(info));
	rpc_set_text(capture, "filter", info->filter);
	rpc_set_yes(capture, "drops_only", info->drops_only);
	rpc_set_uint(capture, "snaplen", info->snaplen_bytes);
	if (info->count != 0)
		rpc_set_uint(capture, "count", info->count);
	rpc_set_uint(capture, "packets", info->packets);
	rpc_set_uint(capture, "missed", info->missed);
	rpc_set_uint(capture, "file_bytes", info->bytes);
	return capture;
}

static bool
is_about_params(int err)
{
	return err == EINVAL || err == EEXIST || err == EBUSY || err == ENOENT || err == ENOTDIR;
}

int
rpc_capture_start(struct rpc_call *call)
{
	struct airlock_captures *captures = airlock_pipeline_captures(call->env->pipeline);
	struct airlock_capture_conf conf = {0};
	struct airlock_capture_info info;
	char error[AIRLOCK_CAPTURE_ERROR_MAX];
	unsigned int last = 0;
	int ret;

	if (read_conf(call, &conf) < 0)
		return -1;
	ret = airlock_captures_start(captures, &conf, error);
	if (ret < 0)
		return rpc_fail(call, is_about_params(-ret) ? RPC_INVALID_PARAMS : RPC_FAILED,
			"capture.start: %s", error);
	while (airlock_captures_info(captures, last, &info) == 0)
		last++;
	call->result = capture_json(&info);
	return 0;
}

int
rpc_capture_stop(struct rpc_call *call)
{
	struct airlock_capture_info info;
	const char *name = text_of(call, "name");

	if (airlock_captures_stop(airlock_pipeline_captures(call->env->pipeline), name, &info) < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"capture.stop: name '%.60s', expected that of a capture; capture.list has "
			"them",
			name);
	call->result = capture_json(&info);
	return 0;
}

int
rpc_capture_list(struct rpc_call *call)
{
	struct airlock_captures *captures = airlock_pipeline_captures(call->env->pipeline);
	struct airlock_capture_info info;

	call->result = json_array();
	for (unsigned int i = 0; airlock_captures_info(captures, i, &info) == 0; i++)
		json_array_append_new(call->result, capture_json(&info));
	return 0;
}
