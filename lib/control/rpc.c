/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * The protocol: one JSON text in, none or one out. What comes is checked from the outside to the
 * inside, text, request, method, parameters, and nothing is run before all of it is right.
 *
 * Every request of a batch is run, in order; one that fails ends neither the batch nor the
 * connection. Where texts begin and end in the stream is rpc_scan.c's, the connection
 * rpc_client.c's.
 *
 * Thread rule: main thread.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rpc_priv.h"

/* What was given may be anything; the message must be a line, and JSON takes valid UTF-8 only. */
static void
make_harmless(char *text)
{
	json_t *string;

	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	string = json_string(text);
	for (char *c = text; string == NULL && *c != '\0'; c++)
		if ((unsigned char)*c > 0x7f)
			*c = '?';
	json_decref(string);
}

int
rpc_fail(struct rpc_call *call, int code, const char *format, ...)
{
	va_list args;

	call->code = code;
	va_start(args, format);
	vsnprintf(call->error, sizeof(call->error), format, args);
	va_end(args);
	make_harmless(call->error);
	return -1;
}

const char *
rpc_kind(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a number";
	case JSON_REAL:
		return "a number with a fraction";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return "null";
	}
}

static const struct rpc_param *
find_param(const struct rpc_method *method, const char *name)
{
	for (unsigned int i = 0; i < RPC_MAX_PARAMS && method->params[i].name != NULL; i++)
		if (strcmp(method->params[i].name, name) == 0)
			return &method->params[i];
	return NULL;
}

static const char *
list_params(const struct rpc_method *method, char *text, size_t size)
{
	size_t len = 0;

	snprintf(text, size, "none");
	for (unsigned int i = 0; i < RPC_MAX_PARAMS && method->params[i].name != NULL && len < size;
		i++)
		len += snprintf(
			text + len, size - len, "%s%s", i == 0 ? "" : ", ", method->params[i].name);
	return text;
}

static bool
is_of_type(const json_t *value, json_type type)
{
	return json_typeof(value) == type || (type == JSON_TRUE && json_is_false(value));
}

/* Each that is given is known and of the right kind, each that is needed is given. */
static int
check_params(struct rpc_call *call)
{
	const struct rpc_method *method = call->method;
	char names[256];
	const char *name;
	json_t *value;

	/* Iteration does not change it. */
	json_object_foreach((json_t *)(uintptr_t)call->params, name, value)
	{
		const struct rpc_param *param = find_param(method, name);

		if (param == NULL)
			return rpc_fail(call, RPC_INVALID_PARAMS,
				"%s: parameter '%.60s', expected %s", method->name, name,
				list_params(method, names, sizeof(names)));
		if (!is_of_type(value, param->type))
			return rpc_fail(call, RPC_INVALID_PARAMS, "%s: %s is %s, expected %s",
				method->name, name, rpc_kind(value), param->allowed);
	}
	for (unsigned int i = 0; i < RPC_MAX_PARAMS && method->params[i].name != NULL; i++)
		if (!method->params[i].optional &&
			json_object_get(call->params, method->params[i].name) == NULL)
			return rpc_fail(call, RPC_INVALID_PARAMS, "%s: no %s, expected %s",
				method->name, method->params[i].name, method->params[i].allowed);
	return 0;
}

static const struct rpc_method *
find_method(const struct rpc_env *env, const char *name)
{
	for (unsigned int i = 0; i < env->nb_methods; i++)
		if (strcmp(env->methods[i].name, name) == 0)
			return &env->methods[i];
	return NULL;
}

/* Is it a request in form? *id* is what the answer has to carry; NULL: a notification. */
static int
check_request(struct rpc_call *call, const json_t *request, json_t **id)
{
	const json_t *version, *params;

	if (!json_is_object(request))
		return rpc_fail(call, RPC_INVALID_REQUEST, "%s, expected a request object",
			rpc_kind(request));
	*id = json_object_get(request, "id");
	if (*id != NULL && !json_is_string(*id) && !json_is_number(*id) && !json_is_null(*id))
		return rpc_fail(call, RPC_INVALID_REQUEST,
			"id is %s, expected a string, a number or null", rpc_kind(*id));
	version = json_object_get(request, "jsonrpc");
	if (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0)
		return rpc_fail(call, RPC_INVALID_REQUEST, "no \"jsonrpc\":\"2.0\", expected it");
	if (!json_is_string(json_object_get(request, "method")))
		return rpc_fail(call, RPC_INVALID_REQUEST,
			"no method, expected the name of one; rpc.methods lists them");
	params = json_object_get(request, "params");
	if (params != NULL && !json_is_object(params) && !json_is_array(params))
		return rpc_fail(call, RPC_INVALID_REQUEST, "params is %s, expected an object",
			rpc_kind(params));
	return 0;
}

static int
run_method(struct rpc_call *call, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "method"));
	const json_t *params = json_object_get(request, "params");

	call->method = find_method(call->env, name);
	if (call->method == NULL)
		return rpc_fail(call, RPC_METHOD_NOT_FOUND,
			"method '%.60s', expected one that rpc.methods lists", name);
	/* Some clients send an empty array where there are none. */
	if (json_is_array(params) && json_array_size(params) != 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"%s: params is an array, expected an object of parameters by name",
			call->method->name);
	call->params = json_is_object(params) ? params : NULL;
	if (!call->method->own_params && check_params(call) < 0)
		return -1;
	if (call->method->run(call) < 0)
		return -1;
	if (call->result == NULL)
		return rpc_fail(call, RPC_INTERNAL_ERROR, "out of memory");
	return 0;
}

static json_t *
make_response(const struct rpc_call *call, json_t *id)
{
	json_t *response = json_pack("{s:s}", "jsonrpc", "2.0");

	if (call->code == 0)
		json_object_set(response, "result", call->result);
	else
		json_object_set_new(response, "error",
			json_pack("{s:i, s:s}", "code", call->code, "message", call->error));
	if (json_is_string(id) || json_is_number(id))
		json_object_set(response, "id", id);
	else
		json_object_set_new(response, "id", json_null());
	return response;
}

static int
put_response(struct rpc_out *out, const struct rpc_call *call, json_t *id, const char *before)
{
	json_t *response = make_response(call, id);
	int ret = rpc_out_put(out, before, strlen(before));

	if (ret == 0)
		ret = response == NULL ? -ENOMEM : rpc_out_json(out, response);
	json_decref(response);
	return ret;
}

/* Returns 1 with an answer behind *before*, 0 without one, or what rpc_out_put() said. */
static int
answer_request(
	const struct rpc_env *env, const json_t *request, struct rpc_out *out, const char *before)
{
	struct rpc_call call = {.env = env};
	json_t *id = NULL;
	bool silent = false;
	int ret = 0;

	if (check_request(&call, request, &id) == 0) {
		silent = id == NULL;
		run_method(&call, request);
	}
	if (!silent) {
		ret = put_response(out, &call, id, before);
		ret = ret < 0 ? ret : 1;
	}
	json_decref(call.result);
	return ret;
}

int
rpc_answer_error(struct rpc_out *out, int code, const char *message)
{
	struct rpc_call call = {0};
	int ret;

	rpc_fail(&call, code, "%s", message);
	ret = put_response(out, &call, NULL, "");
	return ret < 0 ? ret : rpc_out_put(out, "\n", 1);
}

static int
answer_batch(const struct rpc_env *env, const json_t *batch, struct rpc_out *out)
{
	size_t nb = json_array_size(batch);
	bool any = false;
	char text[96];

	if (nb == 0 || nb > AIRLOCK_RPC_BATCH_MAX) {
		snprintf(text, sizeof(text), "batch of %zu requests, expected 1 to %u", nb,
			AIRLOCK_RPC_BATCH_MAX);
		return rpc_answer_error(out, RPC_INVALID_REQUEST, text);
	}
	for (size_t i = 0; i < nb; i++) {
		int ret = answer_request(env, json_array_get(batch, i), out, any ? "," : "[");

		if (ret < 0)
			return ret;
		any = any || ret > 0;
	}
	return any ? rpc_out_put(out, "]\n", 2) : 0;
}

int
rpc_answer(const struct rpc_env *env, const char *text, size_t len, struct rpc_out *out)
{
	json_error_t error;
	json_t *value;
	char message[AIRLOCK_ERROR_MAX];
	int ret;

	value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
	if (value == NULL) {
		snprintf(message, sizeof(message), "line %d, column %d: %s, expected JSON",
			error.line, error.column, error.text);
		ret = rpc_answer_error(out, RPC_PARSE_ERROR, message);
		return ret < 0 ? ret : -EBADMSG;
	}
	if (json_is_array(value)) {
		ret = answer_batch(env, value, out);
	} else {
		ret = answer_request(env, value, out, "");
		if (ret > 0)
			ret = rpc_out_put(out, "\n", 1);
	}
	json_decref(value);
	return ret;
}
