/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Requests with their complaints: above client.c, below the commands (commands.c, stats.c).
 *
 * Thread rule: one thread.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

#define COMPLAINT_BYTES 4096

/* One line, and nothing that a terminal would obey, whatever the daemon put in. */
void
ctl_complain(const char *format, ...)
{
	char text[COMPLAINT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *byte = text; *byte != '\0'; byte++) {
		if ((unsigned char)*byte < ' ' || *byte == 0x7f)
			*byte = ' ';
	}
	fprintf(stderr, "airlockctl: %s\n", text);
}

enum ctl_status
ctl_connect(struct ctl *ctl)
{
	int ret = client_open(&ctl->client, ctl->path, ctl->timeout_ms);

	switch (-ret) {
	case 0:
		return CTL_OK;
	case ENAMETOOLONG:
		ctl_complain("--socket: '%.200s' is longer than a socket's path can be", ctl->path);
		return CTL_USAGE;
	case ENOENT:
	case ENOTDIR:
		ctl_complain("no socket %s: start airlockd, or say by --socket where it listens",
			ctl->path);
		break;
	case ECONNREFUSED:
		ctl_complain("nobody listens at %s: start airlockd again, or say by --socket where "
			     "it listens",
			ctl->path);
		break;
	case EACCES:
		ctl_complain("no permission for %s: run airlockctl as root, or as a user who may "
			     "write to this socket",
			ctl->path);
		break;
	case ETIMEDOUT:
		ctl_complain("%s takes no connection within %u s: airlockd is busy or hangs; "
			     "see its log",
			ctl->path, ctl->timeout_ms / 1000);
		break;
	default:
		ctl_complain("cannot connect to %s: %s", ctl->path, strerror(-ret));
	}
	return CTL_NO_ANSWER;
}

static void
complain_no_answer(const struct ctl *ctl, const char *method, int ret)
{
	switch (-ret) {
	case ETIMEDOUT:
		ctl_complain("%s: no answer within %u s: airlockd is busy or hangs; see its log, "
			     "or allow more by --timeout",
			method, ctl->timeout_ms / 1000);
		break;
	case ECONNRESET:
		ctl_complain("%s: airlockd closed the connection before its answer was whole; "
			     "see its log, and try again",
			method);
		break;
	case EPROTO:
		ctl_complain("%s: what came from %s is no answer to this: is it airlockd's control "
			     "socket, of the same version?",
			method, ctl->path);
		break;
	case EMSGSIZE:
		ctl_complain("%s: the answer is too long", method);
		break;
	default:
		ctl_complain("%s: %s", method, strerror(-ret));
	}
}

static void
complain_refused(const struct ctl *ctl, const char *method, json_t *error)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	size_t len = strlen(method);
	char *text;

	if (!ctl->json) {
		/* Most messages begin with the method. */
		if (strncmp(message, method, len) == 0 && message[len] == ':')
			ctl_complain("%s", message);
		else
			ctl_complain("%s: %s", method, message);
		return;
	}
	text = json_dumps(error, JSON_COMPACT);
	fprintf(stderr, "%s\n", text != NULL ? text : "{}");
	free(text);
}

enum ctl_status
ctl_call(struct ctl *ctl, const char *method, json_t *params, json_type type, json_t **result)
{
	json_t *answer, *error;
	int ret = client_call(&ctl->client, method, params, &answer);

	if (ret < 0) {
		complain_no_answer(ctl, method, ret);
		return CTL_NO_ANSWER;
	}
	error = json_object_get(answer, "error");
	*result = error == NULL ? json_incref(json_object_get(answer, "result")) : NULL;
	if (error != NULL) {
		complain_refused(ctl, method, error);
	} else if (type != JSON_NULL && json_typeof(*result) != type) {
		complain_no_answer(ctl, method, -EPROTO);
		json_decref(*result);
		*result = NULL;
	}
	json_decref(answer);
	return error != NULL ? CTL_REFUSED : *result != NULL ? CTL_OK : CTL_NO_ANSWER;
}

void
ctl_print_json(const json_t *result)
{
	json_dumpf(result, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
}

enum ctl_status
ctl_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CTL_OK;
	ctl_complain("cannot write to standard output: %s", strerror(errno));
	return CTL_NO_ANSWER;
}
