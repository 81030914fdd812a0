/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef CTL_H
#define CTL_H

/*
 * A run of airlockctl: what it was told by options, and how it talks to the daemon.
 *
 * Thread rule: one thread.
 */

#include <stdbool.h>

#include <jansson.h>

#include "client.h"

/* Exit statuses; the manual page has them, too. */
enum ctl_status {
	CTL_OK = 0,
	CTL_REFUSED = 1, /* the daemon said no, or what it verified is not right */
	CTL_USAGE = 2,
	CTL_NO_ANSWER = 3, /* no connection, no answer, or nowhere to write it */
};

struct ctl {
	const char *path; /* of the socket */
	bool json;
	unsigned int timeout_ms;
	struct client client;
};

/** Say on stderr, in one line, what is wrong. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Connect. What goes wrong is said. */
enum ctl_status ctl_connect(struct ctl *ctl);

/**
 * Ask the daemon. What goes wrong is said.
 *
 * @param params as client_call() takes them
 * @param type what the result has to be; JSON_NULL: anything
 * @param result to be given back by json_decref()
 */
enum ctl_status ctl_call(
	struct ctl *ctl, const char *method, json_t *params, json_type type, json_t **result);

/** Print a result as it came, in a line. */
void ctl_print_json(const json_t *result);

/** Whether all that was printed has gone out. What goes wrong is said. */
enum ctl_status ctl_flush(void);

#endif /* CTL_H */
