/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * What is said of keys: what an error expected, and the help text. All of it is made from the table
 * in config_keys.c.
 *
 * Thread rule: no state; any thread.
 */

#include <inttypes.h>
#include <string.h>

#include "config_priv.h"

/* "a, b or c" */
static void
list_words(const struct config_key *key, char *text, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; key->words[i] != NULL && len < size; i++) {
		const char *before = i == 0 ? "" : key->words[i + 1] == NULL ? " or " : ", ";

		len += snprintf(text + len, size - len, "%s%s", before, key->words[i]);
	}
}

const char *
config_key_expected(const struct config_key *key, char *text, size_t size)
{
	size_t len;

	switch (key->type) {
	case CONFIG_NUMBER:
		snprintf(text, size, "a number from %" PRIu64 " to %" PRIu64, key->min, key->max);
		break;
	case CONFIG_PERMISSIONS:
		snprintf(text, size, "an octal number from 0 to %04o", (unsigned int)key->max);
		break;
	case CONFIG_CHOICE:
		list_words(key, text, size);
		break;
	case CONFIG_BYTES:
		len = snprintf(text, size, "a number from %" PRIu64 " to %" PRIu64 ", ", key->min,
			key->max);
		list_words(key, text + len, size - len);
		break;
	case CONFIG_AMOUNT:
		snprintf(text, size,
			"0, or a number from %" PRIu64 " to %" PRIu64
			", which may end in K, M, G or T",
			key->min, key->max);
		break;
	case CONFIG_MAC:
		snprintf(text, size, "a unicast MAC address such as 52:54:00:00:00:01");
		break;
	case CONFIG_NAME:
		snprintf(text, size,
			"1 to %u letters, digits, '.', '_' and '-', other than '.' and '..'",
			AIRLOCK_NAME_MAX - 1);
		break;
	case CONFIG_PATH:
		snprintf(text, size, "a path of 1 to %zu bytes", key->size - 1);
		break;
	case CONFIG_ADDRESS:
		snprintf(text, size,
			"off, a port, or an address and a port such as 127.0.0.1:9100 or "
			"[::1]:9100");
		break;
	case CONFIG_PCI:
		snprintf(text, size, "a PCI address such as 0000:00:05.0");
		break;
	case CONFIG_LIST:
		snprintf(text, size, "%s", key->arg);
		break;
	case CONFIG_SWITCH:
		snprintf(text, size, "no value");
		break;
	}
	return text;
}

const char *
config_key_names(enum config_scope scope, bool with_identity, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < CONFIG_KEY_MAX && len < size; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->scope != scope || (key->identity && !with_identity))
			continue;
		len += snprintf(text + len, size - len, "%s%s", len == 0 ? "" : ", ", key->name);
	}
	return text;
}

const char *
config_key_changeable(char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < CONFIG_KEY_MAX && len < size; i++)
		if (config_keys[i].change != NULL)
			len += snprintf(text + len, size - len, "%s%s", len == 0 ? "" : ", ",
				config_keys[i].name);
	return text;
}

static void
print_key(FILE *out, const struct config_key *key)
{
	bool is_flag = key->flag != NULL;
	const char *sep = is_flag ? " " : "=";
	const char *arg = key->arg == NULL ? "" : key->arg;
	const char *initial = key->initial == NULL ? key->initial_note : key->initial;
	char left[64];
	bool ranged = key->type == CONFIG_NUMBER;

	snprintf(left, sizeof(left), "%s%s%s", is_flag ? key->flag : key->name,
		key->arg == NULL ? "" : sep, arg);
	if (key->type == CONFIG_LIST)
		fprintf(out, "\n  %s\n      %s", left, key->help);
	else
		fprintf(out, "  %s%-*s %s", is_flag ? "" : "    ", is_flag ? 24 : 20, left,
			key->help);

	if (ranged || key->required || initial != NULL) {
		fputs(" [", out);
		if (ranged)
			fprintf(out, "%" PRIu64 " to %" PRIu64 ", ", key->min, key->max);
		if (initial != NULL)
			fprintf(out, "default %s]", initial);
		else
			fputs("required]", out);
	}
	fputc('\n', out);
}

void
airlock_config_help(FILE *out)
{
	fputs("usage: airlockd [EAL options] -- [options]\n\n", out);
	for (unsigned int i = 0; i < CONFIG_KEY_MAX; i++)
		print_key(out, &config_keys[i]);
	fputs("\nThe file has the same keys, as 'key = value' in [airlock], [uplink PORT] and [vm "
	      "NAME];\n"
	      "a comment begins with ';'. In [lcores], 'LCORE = STAGE...' places the work: all, "
	      "rx,\n"
	      "handoff, tx, or one object's share of it: rx:PORT, rx:PORT.QUEUE, handoff:VM, "
	      "tx:VM.QUEUE.\n",
		out);
}
