/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef PARAMS_H
#define PARAMS_H

/*
 * Parameters of requests from what the user typed. Each returns false, having said why, if that is
 * wrong in itself; what the values may be is the daemon's to say.
 *
 * Thread rule: one thread.
 */

#include <stdbool.h>

#include <jansson.h>

/** Add a "KEY=VALUE" of *len* bytes to *params*, as text. *command* is for complaints. */
bool params_add_pair(const char *command, json_t *params, const char *pair, size_t len);

/** Add a path that the daemon, which runs in another directory, is to use; false likewise. */
bool params_add_path(const char *command, json_t *params, const char *path);

bool params_vm_keys(char **args, json_t **params); /* KEY=VALUE,... */
bool params_vm_change(char **args, json_t **params); /* NAME KEY=VALUE,... */
bool params_name(char **args, json_t **params); /* NAME */
bool params_capture_start(char **args, json_t **params); /* NAME FILE [KEY=VALUE]... */
bool params_file(char **args, json_t **params); /* FILE, or nothing */
bool params_log(char **args, json_t **params); /* TYPE LEVEL */
bool params_json(const char *text, json_t **params); /* JSON; NULL: none */

#endif /* PARAMS_H */
