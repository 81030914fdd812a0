/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Text to value, one function for each type of config_keys.c. They accept exactly what the help
 * text says and nothing that merely begins like it: a number is digits from end to end, a MAC
 * address is six times two hexadecimal digits.
 *
 * Thread rule: no state; any thread.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <rte_pci.h>
#include <rte_string_fns.h>

#include "config_priv.h"

int
config_number(const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
	uint64_t n = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (*text - '0');
		if (n > max)
			return -EINVAL;
	}
	if (n < min)
		return -EINVAL;
	*value = n;
	return 0;
}

static int
store_number(const struct config_key *key, void *field, const char *text)
{
	uint32_t value;

	if (config_number(text, key->min, key->max, &value) < 0)
		return -EINVAL;
	if (key->size == sizeof(uint16_t))
		*(uint16_t *)field = value;
	else
		*(uint32_t *)field = value;
	return 0;
}

/* Octal digits, with or without zeros in front. */
static int
store_permissions(const struct config_key *key, uint16_t *field, const char *text)
{
	uint32_t value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		value = value * 8 + (*text - '0');
		if (value > key->max)
			return -EINVAL;
	}
	*field = value;
	return 0;
}

/* The number of a word, or -EINVAL. */
static int
find_word(const struct config_key *key, const char *text)
{
	for (unsigned int i = 0; i < RTE_DIM(key->words) && key->words[i] != NULL; i++)
		if (strcmp(text, key->words[i]) == 0)
			return i;
	return -EINVAL;
}

static int
store_choice(const struct config_key *key, void *field, const char *text)
{
	int word = find_word(key, text);

	if (word < 0)
		return -EINVAL;
	if (key->size == sizeof(bool))
		*(bool *)field = word;
	else
		*(unsigned int *)field = word;
	return 0;
}

static int
store_bytes(const struct config_key *key, uint32_t *field, const char *text)
{
	int word = find_word(key, text);

	if (word < 0)
		return config_number(text, key->min, key->max, field);
	*field = UINT32_MAX - word;
	return 0;
}

/* Digits, and a letter for thousands, millions and so on. */
static int
store_amount(const struct config_key *key, uint64_t *field, const char *text)
{
	static const char units[] = "KMGT";
	uint64_t value = 0;
	const char *unit;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++) {
		value = value * 10 + (*text - '0');
		if (value > key->max)
			return -EINVAL;
	}
	unit = *text == '\0' ? NULL : strchr(units, *text);
	if (*text != '\0' && (unit == NULL || text[1] != '\0'))
		return -EINVAL;
	for (int i = unit == NULL ? 0 : unit - units + 1; i > 0; i--) {
		value *= 1000;
		if (value > key->max)
			return -EINVAL;
	}
	if (value != 0 && value < key->min)
		return -EINVAL;
	*field = value;
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
store_mac(struct rte_ether_addr *field, const char *text)
{
	struct rte_ether_addr mac;

	if (strlen(text) != RTE_ETHER_ADDR_FMT_SIZE - 1)
		return -EINVAL;
	for (unsigned int i = 0; i < RTE_ETHER_ADDR_LEN; i++, text += 3) {
		int high = hex_digit(text[0]);
		int low = hex_digit(text[1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		if (text[2] != (i + 1 < RTE_ETHER_ADDR_LEN ? ':' : '\0'))
			return -EINVAL;
		mac.addr_bytes[i] = high << 4 | low;
	}
	if (!rte_is_valid_assigned_ether_addr(&mac))
		return -EINVAL;
	*field = mac;
	return 0;
}

/* A name becomes part of a path and of a telemetry command, and stands in blank-separated lists. */
static int
store_name(char *field, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= AIRLOCK_NAME_MAX)
		return -EINVAL;
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("._-", text[i]) == NULL)
			return -EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

static int
store_path(char *field, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(field, text, len + 1);
	return 0;
}

/* "PORT", ":PORT", "1.2.3.4:PORT" or "[1::2]:PORT". No names: they can mean several addresses. */
static int
store_address(struct sockaddr_storage *field, const char *text)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	size_t len = colon == NULL ? 0 : colon - text;
	bool is_in6 = len > 2 && text[0] == '[' && text[len - 1] == ']';
	char host[INET6_ADDRSTRLEN + 2] = "";
	uint32_t port = 0;

	if (strcmp(text, "off") != 0 &&
		config_number(colon == NULL ? text : colon + 1, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text + is_in6, len - 2 * is_in6);
	if (is_in6 && inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -EINVAL;
	if (!is_in6 && len > 0 && inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -EINVAL;
	in.sin_port = in6.sin6_port = htons(port);
	memset(field, 0, sizeof(*field));
	if (port != 0)
		memcpy(field, is_in6 ? (const void *)&in6 : &in, is_in6 ? sizeof(in6) : sizeof(in));
	return 0;
}

static int
store_pci(char *field, size_t size, const char *text)
{
	struct rte_pci_addr addr;

	if (rte_pci_addr_parse(text, &addr) < 0)
		return -EINVAL;
	rte_pci_device_name(&addr, field, size);
	return 0;
}

int
config_value_store(const struct config_key *key, void *object, const char *text)
{
	void *field = RTE_PTR_ADD(object, key->offset);

	switch (key->type) {
	case CONFIG_NUMBER:
		return store_number(key, field, text);
	case CONFIG_PERMISSIONS:
		return store_permissions(key, field, text);
	case CONFIG_CHOICE:
		return store_choice(key, field, text);
	case CONFIG_BYTES:
		return store_bytes(key, field, text);
	case CONFIG_AMOUNT:
		return store_amount(key, field, text);
	case CONFIG_MAC:
		return store_mac(field, text);
	case CONFIG_NAME:
		return store_name(field, text);
	case CONFIG_PATH:
		return store_path(field, key->size, text);
	case CONFIG_ADDRESS:
		return store_address(field, text);
	case CONFIG_PCI:
		return store_pci(field, key->size, text);
	case CONFIG_LIST:
	case CONFIG_SWITCH:
		break;
	}
	return -EINVAL;
}

int
config_list_cut(char *text, struct config_pair *pairs, unsigned int max)
{
	unsigned int n = 0;
	char *part;

	while ((part = strsep(&text, ",")) != NULL) {
		if (n == max)
			return -E2BIG;
		pairs[n].value = part;
		pairs[n].key = strsep(&pairs[n].value, "=");
		n++;
	}
	return n;
}
