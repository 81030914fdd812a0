/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Methods that show VMs and uplinks. Names and values are those of telemetry (telemetry.c).
 *
 * Thread rule: main thread.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <airlock_pipeline.h>

#include "rpc_priv.h"
#include "rpc_window.h"

void
rpc_set_uint(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

json_t *
rpc_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy;

	if (string != NULL)
		return string;
	copy = strdup(text);
	if (copy == NULL)
		return NULL;
	for (char *c = copy; *c != '\0'; c++)
		if ((unsigned char)*c > 0x7f)
			*c = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

void
rpc_set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, rpc_text(text));
}

void
rpc_set_yes(json_t *object, const char *key, bool yes)
{
	rpc_set_text(object, key, yes ? "yes" : "no");
}

void
rpc_set_flow(json_t *object, const char *what, const struct airlock_flow_value *flow)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_packets", what);
	rpc_set_uint(object, key, flow->packets);
	snprintf(key, sizeof(key), "%s_bytes", what);
	rpc_set_uint(object, key, flow->bytes);
}

void
rpc_set_drops(json_t *object, const char *key, const struct airlock_drops_value *drops)
{
	json_t *inner = json_object();

	rpc_set_uint(inner, "total", airlock_drops_total(drops));
	for (unsigned int i = 0; i < AIRLOCK_DROP_MAX; i++)
		if (drops->by_reason[i] != 0)
			rpc_set_uint(inner, airlock_drop_name(i), drops->by_reason[i]);
	json_object_set_new(object, key, inner);
}

static void
set_queue(json_t *object, const struct airlock_pipeline_vm_stats *stats, uint16_t q)
{
	json_t *inner = json_object();
	char key[32];

	rpc_set_flow(inner, "delivered", &stats->queues[q].delivered);
	rpc_set_flow(inner, "taken", &stats->queues[q].taken);
	rpc_set_uint(inner, "rx_drops", airlock_drops_total(&stats->queues[q].rx_drops));
	snprintf(key, sizeof(key), "queue_%u", q);
	json_object_set_new(object, key, inner);
}

static void
set_identity(json_t *vm, const struct airlock_pipeline_vm_stats *stats)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	rpc_set_text(vm, "name", stats->name);
	rte_ether_format_addr(mac, sizeof(mac), &stats->mac);
	rpc_set_text(vm, "mac", mac);
	rpc_set_text(vm, "state", stats->up ? "up" : "down");
}

static json_t *
make_vm(const struct airlock_pipeline_vm_stats *stats)
{
	json_t *vm = json_object();
	char text[32];

	set_identity(vm, stats);
	rpc_set_uint(vm, "vlan", stats->vlan_id);
	rpc_set_uint(vm, "rx_rate", stats->limits.rx_bps);
	rpc_set_uint(vm, "tx_rate", stats->limits.tx_bps);
	rpc_set_uint(vm, "storm", stats->limits.storm_pps);
	rpc_set_text(vm, "mirror", stats->mirror[0] != '\0' ? stats->mirror : "none");
	rpc_set_text(
		vm, "mirror_direction", airlock_mirror_direction_name(stats->mirror_direction));
	rpc_set_uint(vm, "connects", stats->nb_connects);
	rpc_set_uint(vm, "memory_lost", stats->nb_memory_lost);
	snprintf(text, sizeof(text), "0x%" PRIx64, stats->features);
	rpc_set_text(vm, "features", text);
	rpc_set_flow(vm, "delivered", &stats->delivered);
	rpc_set_flow(vm, "taken", &stats->taken);
	rpc_set_drops(vm, "rx_drops", &stats->rx_drops);
	rpc_set_drops(vm, "tx_drops", &stats->tx_drops);
	rpc_set_text(vm, "deliver", airlock_deliver_name(stats->deliver));
	if (stats->deliver != AIRLOCK_DELIVER_COPY)
		rpc_set_window(vm, &stats->window);
	for (uint16_t q = 0; q < stats->nb_queues; q++)
		set_queue(vm, stats, q);
	return vm;
}

json_t *
rpc_vm_brief(struct airlock_pipeline *pipeline, unsigned int vm_id)
{
	struct airlock_pipeline_vm_stats stats;
	json_t *vm;

	if (airlock_pipeline_vm_stats(pipeline, vm_id, &stats) < 0)
		return NULL;
	vm = json_object();
	set_identity(vm, &stats);
	rpc_set_text(vm, "deliver", airlock_deliver_name(stats.deliver));
	return vm;
}

int
rpc_vm_list(struct rpc_call *call)
{
	struct airlock_pipeline *pl = call->env->pipeline;

	call->result = json_array();
	for (int id = airlock_pipeline_next_vm(pl, 0); id >= 0;
		id = airlock_pipeline_next_vm(pl, id + 1))
		json_array_append_new(call->result, rpc_vm_brief(pl, id));
	return 0;
}

int
rpc_vm_show(struct rpc_call *call)
{
	const char *name = json_string_value(json_object_get(call->params, "name"));
	int id = airlock_pipeline_find_vm(call->env->pipeline, name);
	struct airlock_pipeline_vm_stats stats;

	if (id < 0 || rpc_vm_stats(call->env, id, &stats) < 0)
		return rpc_fail(call, RPC_INVALID_PARAMS,
			"vm.show: name '%.60s', expected that of a VM; vm.list has them", name);
	call->result = make_vm(&stats);
	return 0;
}

static json_t *
make_uplink(const struct airlock_pipeline_uplink_stats *stats)
{
	json_t *uplink = json_object();

	rpc_set_uint(uplink, "port", stats->setup.port_id);
	rpc_set_text(uplink, "name", stats->setup.name);
	rpc_set_text(uplink, "state", airlock_uplink_state_name(stats->state));
	rpc_set_uint(uplink, "mtu", stats->setup.mtu);
	rpc_set_uint(uplink, "rx_queues", stats->setup.nb_rxq);
	rpc_set_uint(uplink, "tx_queues", stats->setup.nb_txq);
	rpc_set_flow(uplink, "received", &stats->received);
	rpc_set_flow(uplink, "sent", &stats->sent);
	rpc_set_drops(uplink, "rx_drops", &stats->rx_drops);
	rpc_set_drops(uplink, "tx_drops", &stats->tx_drops);
	rpc_set_uint(uplink, "port_missed", stats->hw.missed);
	rpc_set_uint(uplink, "port_rx_errors", stats->hw.rx_error);
	rpc_set_uint(uplink, "port_no_page", stats->hw.no_page);
	rpc_set_uint(uplink, "port_tx_errors", stats->hw.tx_error);
	return uplink;
}

int
rpc_uplink_list(struct rpc_call *call)
{
	struct airlock_pipeline_uplink_stats stats;

	call->result = json_array();
	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(call->env->pipeline); i++) {
		rpc_uplink_stats(call->env, i, &stats);
		json_array_append_new(call->result, make_uplink(&stats));
	}
	return 0;
}

int
rpc_uplink_show(struct rpc_call *call)
{
	json_int_t port = json_integer_value(json_object_get(call->params, "port"));
	struct airlock_pipeline_uplink_stats stats;

	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(call->env->pipeline); i++) {
		rpc_uplink_stats(call->env, i, &stats);
		if (stats.setup.port_id != port)
			continue;
		call->result = make_uplink(&stats);
		return 0;
	}
	return rpc_fail(call, RPC_INVALID_PARAMS,
		"uplink.show: port %" JSON_INTEGER_FORMAT
		", expected that of an uplink; uplink.list has them",
		port);
}

static json_t *
make_balance(struct airlock_pipeline *pipeline)
{
	struct airlock_pipeline_balance balance;
	int verdict = airlock_pipeline_balance(pipeline, &balance);
	json_t *object = json_object();

	rpc_set_uint(object, "received", balance.received);
	rpc_set_uint(object, "split", balance.split);
	rpc_set_uint(object, "parts", balance.parts);
	rpc_set_uint(object, "delivered", balance.delivered);
	rpc_set_uint(object, "dropped", balance.dropped);
	rpc_set_uint(object, "in_flight", balance.in_flight);
	rpc_set_yes(object, "balanced", verdict == 0);
	return object;
}

int
rpc_stats_get(struct rpc_call *call)
{
	struct airlock_pipeline *pl = call->env->pipeline;
	struct airlock_pipeline_uplink_stats uplink;
	struct airlock_pipeline_vm_stats vm;
	json_t *vms = json_object(), *uplinks = json_object();
	struct timespec now;
	char port[16];

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (int id = airlock_pipeline_next_vm(pl, 0); id >= 0;
		id = airlock_pipeline_next_vm(pl, id + 1))
		if (rpc_vm_stats(call->env, id, &vm) == 0)
			json_object_set_new(vms, vm.name, make_vm(&vm));
	for (uint16_t i = 0; i < airlock_pipeline_nb_uplinks(pl); i++) {
		rpc_uplink_stats(call->env, i, &uplink);
		snprintf(port, sizeof(port), "%u", uplink.setup.port_id);
		json_object_set_new(uplinks, port, make_uplink(&uplink));
	}
	call->result = json_pack("{s:I, s:o, s:o, s:o}", "time_ns",
		(json_int_t)now.tv_sec * 1000000000 + now.tv_nsec, "vms", vms, "uplinks", uplinks,
		"balance", make_balance(pl));
	return 0;
}
