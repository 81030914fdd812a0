#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Words that must not be: what ends the process or prints from a library, what the C11 memory model
# has better words for, what hides a struct, and what was left to be done.

import re

import source

EVERYWHERE = [
    (r"(?<!asm )(?<!__asm__ )\bvolatile\b", "use C11 atomics"),
    (r"\btypedef\s+(struct|union|enum)\b(?![^;{]*\()", "of a struct, union or enum"),
    (r"\btypedef\b(?![^;]*\()(?!.*\b(struct|union|enum)\b)", "of anything but a function"),
]
LIBRARIES = [
    (r"\b(rte_exit|rte_panic|exit|_exit|abort)\s*\(", "ends the process"),
    (r"\b(printf|puts|putchar|perror)\s*\(", "prints"),
    (r"\bgetenv\s*\(", "reads the environment"),
]
LEFT_TO_DO = re.compile(r"\b(" "TO" "DO|FIX" "ME|X" "XX)\\b")

for path in source.c_files():
    whole = "\n".join(source.code(path))
    rules = EVERYWHERE + (LIBRARIES if path.startswith(("lib/", "drivers/")) else [])
    for pattern, message in rules:
        for match in re.finditer(pattern, whole):
            word = match.group().split()[0].rstrip("( ")
            source.report(path, whole.count("\n", 0, match.start()) + 1, f"{word}: {message}")
for path in source.FILES:
    for number, line in enumerate(source.text(path).split("\n"), 1):
        match = LEFT_TO_DO.search(line)
        if match:
            source.report(path, number, f"{match.group()}: do it, or do not mention it")
source.finish()
