/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef RPC_PRIV_H
#define RPC_PRIV_H

/**
 * @file
 * What the parts of the control socket share.
 *
 * Thread rule: main thread only.
 */

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <airlock_pipeline.h>
#include <airlock_stats.h>

#include "airlock_rpc.h"

/** Codes of JSON-RPC 2.0. */
#define RPC_PARSE_ERROR	     (-32700)
#define RPC_INVALID_REQUEST  (-32600)
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_INVALID_PARAMS   (-32602)
#define RPC_INTERNAL_ERROR   (-32603)
/** Parameters are right, but it could not be done. */
#define RPC_FAILED (-32000)

struct rpc_baseline;
struct rpc_method;

/** What methods work on. */
struct rpc_env {
	const struct rpc_method *methods;
	unsigned int nb_methods;
	struct airlock_config *config;
	struct airlock_pipeline *pipeline;
	struct rpc_baseline *baseline;
	bool windows;
};

/** One request on its way. */
struct rpc_call {
	const struct rpc_env *env;
	const struct rpc_method *method; /**< NULL until it is found */
	const json_t *params; /**< an object, or NULL */
	json_t *result; /**< owned; set by a method that succeeds */
	int code; /**< of the error; 0: none */
	char error[AIRLOCK_ERROR_MAX];
};

/** A parameter of a method. */
struct rpc_param {
	const char *name;
	json_type type; /**< JSON_TRUE: true or false */
	const char *allowed; /**< in words */
	bool optional;
};

#define RPC_MAX_PARAMS 10

struct rpc_method {
	const char *name;
	const char *help;
	struct rpc_param params[RPC_MAX_PARAMS];
	bool own_params; /**< checks its parameters itself */
	/** @return 0 with call->result, or what rpc_fail() returned with nothing changed */
	int (*run)(struct rpc_call *call);
};

/** Bytes on their way to a client. */
struct rpc_out {
	char *data; /**< NULL while empty */
	size_t len;
	size_t size;
	size_t sent; /**< of len */
};

/** Where the next JSON text of a stream begins and ends; all zeroes at the start. */
struct rpc_scan {
	size_t start; /**< of the text, in the bytes given */
	size_t at; /**< first byte not looked at */
	uint32_t depth; /**< open brackets */
	bool begun;
	bool in_string;
	bool escaped; /**< the byte before was a backslash */
	bool scalar; /**< neither object, array nor string */
	bool skipping; /**< to the end of the line */
};

/** A connection. */
struct rpc_client;

/* rpc.c */

/** Fail a call with one line. @return -1 */
int rpc_fail(struct rpc_call *call, int code, const char *format, ...) __rte_format_printf(3, 4);

/** What kind of value this is: "a number". */
const char *rpc_kind(const json_t *value);

/**
 * Run the request or batch of one JSON text, and append the answer if there is one.
 *
 * @return 0; -EBADMSG: not JSON, the answer says so; -ENOBUFS or -ENOMEM: no room for the answer
 */
int rpc_answer(const struct rpc_env *env, const char *text, size_t len, struct rpc_out *out);

/** Append an answer that says what is wrong with a connection. @return 0, -ENOBUFS or -ENOMEM */
int rpc_answer_error(struct rpc_out *out, int code, const char *message);

/* rpc_out.c */

/** Append. @return 0; -ENOBUFS: over AIRLOCK_RPC_ANSWER_MAX; -ENOMEM */
int rpc_out_put(struct rpc_out *out, const char *bytes, size_t len);

/** Append a value as text. @return as rpc_out_put() */
int rpc_out_json(struct rpc_out *out, const json_t *value);

/** Send what the socket takes. @return bytes left, or -errno */
ssize_t rpc_out_send(struct rpc_out *out, int fd);

/** Free what it holds. */
void rpc_out_reset(struct rpc_out *out);

/* rpc_scan.c */

/**
 * Go on looking for the end of a text in the *len* bytes of a stream that are known.
 *
 * @return whether a text is complete: from scan->start to scan->at
 */
bool rpc_scan(struct rpc_scan *scan, const char *data, size_t len);

/** Go on behind the text; *skip*: not before the next line. */
void rpc_scan_next(struct rpc_scan *scan, bool skip);

/* rpc_client.c */

/** Take over a connection. @return NULL if out of memory; the descriptor then stays open */
struct rpc_client *rpc_client_create(const struct rpc_env *env, int fd);

void rpc_client_destroy(struct rpc_client *client);

/**
 * Read, answer and send what can be without waiting.
 *
 * @param events  of epoll(7)
 * @return the events to wait for, or 0: to be destroyed
 */
uint32_t rpc_client_run(struct rpc_client *client, uint32_t events);

/** Whether answers have waited too long for this client to take some. */
bool rpc_client_is_dead(const struct rpc_client *client);

/* rpc_methods.c */

extern const struct rpc_method rpc_methods[];
extern const unsigned int rpc_nb_methods;

/* Methods, in the file of their object. */

int rpc_vm_list(struct rpc_call *call);
int rpc_vm_show(struct rpc_call *call);
int rpc_vm_add(struct rpc_call *call);
int rpc_vm_set(struct rpc_call *call);
int rpc_vm_del(struct rpc_call *call);
int rpc_uplink_list(struct rpc_call *call);
int rpc_uplink_show(struct rpc_call *call);
int rpc_stats_get(struct rpc_call *call);
int rpc_lcore_list(struct rpc_call *call);
int rpc_pages_get(struct rpc_call *call);
int rpc_pages_verify(struct rpc_call *call);
int rpc_log_set(struct rpc_call *call);
int rpc_capture_start(struct rpc_call *call);
int rpc_capture_stop(struct rpc_call *call);
int rpc_capture_list(struct rpc_call *call);
int rpc_stats_reset(struct rpc_call *call);
int rpc_config_get(struct rpc_call *call);
int rpc_config_save(struct rpc_call *call);

/* rpc_stats.c */

/** What counters had at the last reset: 0. @return NULL: out of memory */
struct rpc_baseline *rpc_baseline_create(void);

/** NULL is ignored. */
void rpc_baseline_destroy(struct rpc_baseline *baseline);

/** The VM of this identifier is deleted: the next begins at 0. */
void rpc_baseline_forget(struct rpc_baseline *baseline, unsigned int vm_id);

/** As the pipeline's functions, since the last reset. */
int rpc_vm_stats(
	const struct rpc_env *env, unsigned int vm_id, struct airlock_pipeline_vm_stats *stats);
void rpc_uplink_stats(
	const struct rpc_env *env, uint16_t uplink_id, struct airlock_pipeline_uplink_stats *stats);
void rpc_lcore_stats(
	const struct rpc_env *env, uint16_t lcore_idx, struct airlock_pipeline_lcore_stats *stats);

/* rpc_show.c */

/** A text; of one that is not UTF-8, such as a path may be, '?' for each byte beyond ASCII. */
json_t *rpc_text(const char *text);

/** Set a key to a counter, to a text, to "yes" or "no". */
void rpc_set_uint(json_t *object, const char *key, uint64_t value);
void rpc_set_text(json_t *object, const char *key, const char *text);
void rpc_set_yes(json_t *object, const char *key, bool yes);

/** "<what>_packets" and "<what>_bytes". */
void rpc_set_flow(json_t *object, const char *what, const struct airlock_flow_value *flow);

/** An object: the sum, and the reasons that occurred. */
void rpc_set_drops(json_t *object, const char *key, const struct airlock_drops_value *drops);

/** What vm.list tells of a VM. */
json_t *rpc_vm_brief(struct airlock_pipeline *pipeline, unsigned int vm_id);

#endif /* RPC_PRIV_H */
