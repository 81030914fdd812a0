/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Where a JSON text ends in a stream of bytes.
 *
 * A request may come in any number of pieces, and several in one piece. To parse again at each
 * piece would take time in the square of its size, so this looks at each byte once: it counts
 * brackets outside of strings. Whether what it found is JSON at all, the parser says. It never
 * looks for an end beyond what could be JSON: a string ends at the first control character, which
 * in a string is wrong, so that a text that was cut off cannot swallow the next line's.
 *
 * Thread rule: no state of its own.
 */

#include <string.h>

#include "rpc_priv.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One byte of a text. Returns whether the text ends; *taken*: with this byte, not before it. */
static bool
step(struct rpc_scan *scan, char c, bool *taken)
{
	*taken = true;
	if (scan->in_string) {
		*taken = (unsigned char)c >= ' ';
		if (!*taken)
			return true;
		if (scan->escaped)
			scan->escaped = false;
		else if (c == '\\')
			scan->escaped = true;
		else if (c == '"')
			scan->in_string = false;
		return !scan->in_string && scan->depth == 0;
	}
	if (scan->scalar) {
		*taken = !is_blank(c) && strchr("{}[]\"", c) == NULL;
		return !*taken;
	}
	switch (c) {
	case '"':
		scan->in_string = true;
		return false;
	case '{':
	case '[':
		scan->depth++;
		return false;
	case '}':
	case ']':
		return scan->depth == 0 || --scan->depth == 0;
	default:
		scan->scalar = scan->depth == 0;
		return false;
	}
}

bool
rpc_scan(struct rpc_scan *scan, const char *data, size_t len)
{
	while (scan->at < len) {
		char c = data[scan->at];
		bool ends, taken;

		if (scan->skipping || (!scan->begun && is_blank(c))) {
			scan->skipping = scan->skipping && c != '\n';
			scan->start = ++scan->at;
			continue;
		}
		scan->begun = true;
		ends = step(scan, c, &taken);
		scan->at += taken;
		if (ends)
			return true;
	}
	return false;
}

void
rpc_scan_next(struct rpc_scan *scan, bool skip)
{
	*scan = (struct rpc_scan){.start = scan->at, .at = scan->at, .skipping = skip};
}
