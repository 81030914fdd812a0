#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Plain text: sources in ASCII, no paths of one machine, lines that end as .editorconfig says.

import re

import source

# Written in pieces: this file is checked, too.
MACHINE_PATHS = re.compile(r"(^|[^\w.$}])(/wo" r"rk/|/tmp/bu" r"ild-|/ro" r"ot/|/ho" r"me/\w)")
WIDTH = 100
TAB = 8

ascii_only = set(source.sources())
for path in source.FILES:
    text = source.text(path)
    if text and not text.endswith("\n"):
        source.report(path, text.count("\n") + 1, "no newline at the end")
    for number, line in enumerate(text.split("\n"), 1):
        if MACHINE_PATHS.search(line):
            source.report(path, number, "path of one machine")
        if line != line.rstrip():
            source.report(path, number, "space at the end of the line")
        if path in ascii_only and not line.isascii():
            source.report(path, number, "not ASCII")
        if path.endswith((".c", ".h")) and len(line.expandtabs(TAB)) > WIDTH:
            source.report(path, number, f"longer than {WIDTH} columns")
source.finish()
