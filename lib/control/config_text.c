/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Value to text, the way back of config_values.c: what stands in a saved file, and what config.get
 * answers. Two texts mean the same if they become the same text on this way.
 *
 * Thread rule: main thread.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include <rte_string_fns.h>

#include "config_priv.h"

static uint32_t
number_of(const struct config_key *key, const void *field)
{
	if (key->size == sizeof(bool))
		return *(const bool *)field;
	if (key->size == sizeof(uint16_t))
		return *(const uint16_t *)field;
	return *(const uint32_t *)field;
}

static void
mac_text(const struct rte_ether_addr *mac, char *text, size_t size)
{
	const uint8_t *b = mac->addr_bytes;

	snprintf(text, size, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
}

static void
address_text(const struct sockaddr_storage *address, char *text, size_t size)
{
	const struct sockaddr_in6 *in6 = (const void *)address;
	const struct sockaddr_in *in = (const void *)address;
	char host[INET6_ADDRSTRLEN];

	if (address->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		rte_strscpy(text, "off", size);
	}
}

const char *
config_value_text(const struct config_key *key, const void *object, char *text, size_t size)
{
	const void *field = RTE_PTR_ADD(object, key->offset);
	uint32_t word;

	text[0] = '\0';
	switch (key->type) {
	case CONFIG_NUMBER:
		snprintf(text, size, "%" PRIu32, number_of(key, field));
		break;
	case CONFIG_PERMISSIONS:
		snprintf(text, size, "%04o", number_of(key, field));
		break;
	case CONFIG_AMOUNT:
		snprintf(text, size, "%" PRIu64, *(const uint64_t *)field);
		break;
	case CONFIG_CHOICE:
		rte_strscpy(text, key->words[number_of(key, field)], size);
		break;
	case CONFIG_BYTES:
		/* Numbers from max to the words' are not stored by anybody. */
		word = UINT32_MAX - number_of(key, field);
		if (word < RTE_DIM(key->words))
			rte_strscpy(text, key->words[word], size);
		else
			snprintf(text, size, "%" PRIu32, number_of(key, field));
		break;
	case CONFIG_MAC:
		mac_text(field, text, size);
		break;
	case CONFIG_ADDRESS:
		address_text(field, text, size);
		break;
	case CONFIG_NAME:
	case CONFIG_PATH:
	case CONFIG_PCI:
		rte_strscpy(text, field, size);
		break;
	case CONFIG_LIST:
	case CONFIG_SWITCH:
		break;
	}
	return text;
}

int
config_text_canonical(const struct config_key *key, const char *given, char *text, size_t size)
{
	/* The greatest of the structures that keys are stored in. */
	struct airlock_config scratch = {0};

	if (config_value_store(key, &scratch, given) < 0)
		return -EINVAL;
	config_value_text(key, &scratch, text, size);
	return 0;
}

const char *
config_text(const struct airlock_config *config, enum config_key_id id, const void *object,
	char *text, size_t size)
{
	const struct airlock_config_vm *vm = object;

	if (id != CONFIG_KEY_VM_UPLINK)
		return config_value_text(&config_keys[id], object, text, size);
	/* The index of an uplink here, its port in the file. */
	snprintf(text, size, "%u",
		vm->uplink_id < config->nb_uplinks ? config->uplinks[vm->uplink_id].port_id : 0);
	return text;
}

static void
in_run_dir(const struct airlock_config *config, const char *name, const char *suffix, char *text,
	size_t size)
{
	strlcpy(text, config->run_dir, size);
	strlcat(text, "/", size);
	strlcat(text, name, size);
	strlcat(text, suffix, size);
}

/* A default that depends on other values. */
static void
default_noted(const struct airlock_config *config, enum config_key_id id, const void *object,
	char *text, size_t size)
{
	const struct airlock_config_vm *vm = object;

	text[0] = '\0';
	switch (id) {
	case CONFIG_KEY_POOL_FILE:
		in_run_dir(config, "pool", "", text, size);
		break;
	case CONFIG_KEY_CONTROL:
		in_run_dir(config, "control", ".sock", text, size);
		break;
	case CONFIG_KEY_VM_SOCKET:
		in_run_dir(config, vm->name, ".sock", text, size);
		break;
	case CONFIG_KEY_VM_UPLINK:
		snprintf(text, size, "%u", config->nb_uplinks > 0 ? config->uplinks[0].port_id : 0);
		break;
	case CONFIG_KEY_UPLINK_DESC:
		snprintf(text, size, "%u", config_default_desc(config));
		break;
	default:
		break;
	}
}

bool
config_is_default(const struct airlock_config *config, enum config_key_id id, const void *object)
{
	const struct config_key *key = &config_keys[id];
	char text[PATH_MAX], initial[PATH_MAX];

	/* Nobody asked for it: then there may be more. */
	if (id == CONFIG_KEY_POOL_PAGES)
		return strcmp(config->pool_pages_origin.text, "default") == 0;
	if (key->initial != NULL)
		config_text_canonical(key, key->initial, initial, sizeof(initial));
	else
		default_noted(config, id, object, initial, sizeof(initial));
	return strcmp(config_text(config, id, object, text, sizeof(text)), initial) == 0;
}
