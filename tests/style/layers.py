#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Includes go one way: a library may include the public headers of those that stand before it in
# lib/meson.build, and its own; a driver those of its seam; a program those of all libraries. What
# is private (any header but airlock_*.h) stays in its directory, save for unit tests.

import glob
import os
import re

import source

# What a driver may know.
SEAMS = {
    "drivers/dmatable": {"compat", "stats", "page", "dmatable"},
    "drivers/mempool": {"compat", "page"},
}

# A driver's own headers, which its tests may use too.
driver_headers = {os.path.basename(h): h for h in glob.glob("drivers/*/*/*.h")}

order = re.search(r"libraries = \[(.*?)\]", source.text("lib/meson.build"), re.S).group(1)
order = re.findall(r"'(\w+)'", order)
owner = {}
for header in glob.glob("lib/*/*.h"):
    owner[os.path.basename(header)] = header.split("/")[1]


def allowed(path):
    """The libraries whose public headers a file may include."""
    parts = path.split("/")
    if parts[0] == "lib":
        return set(order[:order.index(parts[1]) + 1]) if parts[1] in order else set()
    if parts[0] == "drivers":
        return SEAMS.get("/".join(parts[:2]), set())
    return set(order)


def check(path, number, name):
    library = owner.get(os.path.basename(name))
    if ".." in name.split("/"):
        source.report(path, number, f'"{name}" leaves its directory by a path')
    elif os.path.exists(os.path.join(os.path.dirname(path), name)):
        return
    elif path.startswith("tests/unit/") and name in driver_headers:
        return
    elif library is None:
        source.report(path, number, f'"{name}" is neither here nor in a library')
    elif library not in allowed(path):
        source.report(path, number, f'"{name}" is of lib/{library}, which stands above this')
    elif not os.path.basename(name).startswith("airlock_") and not path.startswith("tests/"):
        source.report(path, number, f'"{name}" is private to lib/{library}')


for path in source.c_files():
    for number, line in enumerate(source.text(path).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*("([^"]+)"|<(airlock_[^>]+)>)', line)
        if match:
            check(path, number, match.group(2) or match.group(3))
for library in sorted(set(d.split("/")[1] for d in glob.glob("lib/*/*.c")) - set(order)):
    source.report("lib/meson.build", 1, f"lib/{library} is not in the list")
source.finish()
