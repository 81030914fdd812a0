#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Every source file and script starts with its licence and copyright.

import source

WANTED = ("SPDX-License-Identifier: BSD-3-Clause", "Copyright(c) 2026 The airlock authors")

for path in source.sources() + source.man_pages():
    head = source.text(path).split("\n")[:5]
    for wanted in WANTED:
        if not any(wanted in line for line in head):
            source.report(path, 1, f'no "{wanted}" in the first lines')
source.finish()
