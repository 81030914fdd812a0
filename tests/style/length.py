#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# No function is longer than 80 lines.

import source

LIMIT = 80

for path in source.c_files():
    start = None
    for number, line in enumerate(source.code(path), 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > LIMIT:
                source.report(path, start, f"function of {number - start - 1} lines")
            start = None
source.finish()
