/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

/*
 * Tables for people; see table.h. Used by all that shows something.
 *
 * Thread rule: one thread.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "table.h"

#define BAR_COLUMNS 20

static void
out_of_memory(void)
{
	ctl_complain("out of memory");
	exit(CTL_NO_ANSWER);
}

void
table_init(struct table *table, unsigned int nb_columns, const char *const columns[])
{
	*table = (struct table){.nb_columns = nb_columns};
	memcpy(table->columns, columns, nb_columns * sizeof(columns[0]));
}

void
table_init_pairs(struct table *table)
{
	table_init(table, 2, (const char *const[]){"", ""});
}

static void
add_cell(struct table *table, char *text)
{
	if (table->nb_cells == table->max_cells) {
		char **cells;

		table->max_cells = table->max_cells * 2 + 64;
		cells = realloc(table->cells, table->max_cells * sizeof(*cells));
		if (cells == NULL)
			out_of_memory();
		table->cells = cells;
	}
	for (char *byte = text; *byte != '\0'; byte++) {
		if ((unsigned char)*byte < ' ' || *byte == 0x7f)
			*byte = '?';
	}
	table->cells[table->nb_cells++] = text;
}

void
table_add(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		out_of_memory();
	va_end(args);
	add_cell(table, text);
}

void
table_add_count(struct table *table, uint64_t count)
{
	table_add(table, "%" PRIu64, count);
}

void
table_add_value(struct table *table, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		table_add(table, "%s", json_string_value(value));
		return;
	}
	text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup("-");
	if (text == NULL)
		out_of_memory();
	add_cell(table, text);
}

static bool
is_right(const struct table *table, unsigned int column)
{
	return table->columns[column][0] == '>';
}

static const char *
heading(const struct table *table, unsigned int column)
{
	return table->columns[column] + is_right(table, column);
}

static int
width(const struct table *table, unsigned int column)
{
	size_t widest = strlen(heading(table, column));

	for (unsigned int i = column; i < table->nb_cells; i += table->nb_columns) {
		size_t len = strlen(table->cells[i]);

		widest = len > widest ? len : widest;
	}
	return (int)widest;
}

/* No blanks at the end of a line: the last column is not filled up, and may be empty. */
static void
print_cell(const struct table *table, FILE *out, unsigned int column, int columns, const char *text)
{
	bool last = column + 1 == table->nb_columns;

	if (column != 0 && !(last && text[0] == '\0'))
		fputs("  ", out);
	if (is_right(table, column))
		fprintf(out, "%*s", columns, text);
	else
		fprintf(out, "%-*s", last ? 0 : columns, text);
	if (last)
		fputc('\n', out);
}

static bool
has_headings(const struct table *table)
{
	for (unsigned int i = 0; i < table->nb_columns; i++) {
		if (heading(table, i)[0] != '\0')
			return true;
	}
	return false;
}

void
table_print(struct table *table, FILE *out, unsigned int indent)
{
	int widths[TABLE_COLUMNS];

	for (unsigned int i = 0; i < table->nb_columns; i++)
		widths[i] = width(table, i);
	if (has_headings(table)) {
		fprintf(out, "%*s", (int)indent, "");
		for (unsigned int i = 0; i < table->nb_columns; i++)
			print_cell(table, out, i, widths[i], heading(table, i));
	}
	for (unsigned int i = 0; i < table->nb_cells; i++) {
		unsigned int column = i % table->nb_columns;

		if (column == 0)
			fprintf(out, "%*s", (int)indent, "");
		print_cell(table, out, column, widths[column], table->cells[i]);
		free(table->cells[i]);
	}
	free(table->cells);
	*table = (struct table){0};
}

const char *
table_bar(uint64_t part, uint64_t whole)
{
	static const char bar[] = "####################";
	uint64_t len = whole != 0 ? (part * BAR_COLUMNS + whole / 2) / whole : 0;

	if (part != 0 && len == 0)
		len = 1;
	return bar + sizeof(bar) - 1 - (len > BAR_COLUMNS ? BAR_COLUMNS : len);
}
