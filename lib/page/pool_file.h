/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The airlock authors
 */

#ifndef AIRLOCK_POOL_FILE_H
#define AIRLOCK_POOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The pool's file, locked and mapped, every page of it backed by memory. */
struct pool_file {
	int fd;
	void *base; /* 2 MiB-aligned */
	size_t bytes;
	uint64_t dev; /* st_dev and st_ino */
	uint64_t ino;
	bool huge;
	bool made; /* it was not there before, or was empty */
};

/* 0 or -errno: EBUSY (locked by another), EFBIG (exists with another size), ENOSPC, ... */
int pool_file_open(struct pool_file *file, const char *path, size_t bytes, int socket_id);
void pool_file_close(struct pool_file *file);

#endif /* AIRLOCK_POOL_FILE_H */
