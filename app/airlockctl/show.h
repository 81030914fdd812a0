/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef SHOW_H
#define SHOW_H

/*
 * Results as people read them. Each function prints one result of the method it names to *out*.
 *
 * Thread rule: one thread.
 */

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

void show_vms(FILE *out, json_t *vms); /* vm.list */
void show_vm(FILE *out, json_t *vm); /* vm.show */
void show_window(FILE *out, json_t *window); /* the window of a VM */
void show_uplinks(FILE *out, json_t *uplinks); /* uplink.list */
void show_lcores(FILE *out, json_t *lcores); /* lcore.list */
void show_pages(FILE *out, json_t *pages); /* pages.get */
void show_holders(FILE *out, json_t *stats); /* stats.get: pages by VM */
void show_capture(FILE *out, json_t *capture); /* capture.start, capture.stop */
void show_captures(FILE *out, json_t *captures); /* capture.list */
void show_verdict(FILE *out, json_t *verdict); /* pages.verify */
void show_config(FILE *out, json_t *config); /* config.get */
void show_saved(FILE *out, json_t *result); /* config.save */
void show_value(FILE *out, json_t *value); /* any */

/** Drops by reason, the most frequent first; nothing if there are none. */
void show_drops(FILE *out, const char *title, json_t *drops);

/**
 * stats.get.
 *
 * @param before an earlier result, for rates; NULL: none, the rates are blank
 * @param seconds between the two; 0: no columns for rates
 */
void show_stats(FILE *out, json_t *now, json_t *before, double seconds);

/** The names of virtio-net's feature bits, some to a line. */
void show_features(FILE *out, uint64_t features);

#endif /* SHOW_H */
