/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef FIELDS_H
#define FIELDS_H

/*
 * What stands in the daemon's answers. A field that is missing, or of another kind than expected,
 * reads as nothing: an older or newer daemon makes a line poorer, not wrong.
 *
 * Thread rule: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/** A number; 0 if it is not there. */
uint64_t field_count(const json_t *object, const char *key);

/** A text; "-" if it is not there. */
const char *field_text(const json_t *object, const char *key);

/** Whether a field is true or "yes". */
bool field_yes(const json_t *object, const char *key);

/** The "total" of a field that holds drops by reason, or is the total. */
uint64_t field_drops(const json_t *object, const char *key);

/** *a* per *b*; 0 of none. */
double per(uint64_t a, uint64_t b);

#endif /* FIELDS_H */
