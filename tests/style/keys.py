#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# airlock.conf(5), airlockd(8) and the example have every key that the daemon has and no other, with
# the daemon's ranges and defaults. What the daemon has, it says itself: which keys a section may
# have in its complaint of a wrong one, the rest in --help.
#
# usage: tests/style/keys.py [TOP [AIRLOCKD]]

import os
import re
import subprocess
import sys
import tempfile

import source

AIRLOCKD = os.path.abspath(sys.argv[2] if len(sys.argv) > 2
                           else os.path.join(source.TOP, "build/app/airlockd/airlockd"))
PAGE = "docs/airlock.conf.5"
DAEMON_PAGE = "docs/airlockd.8"
EXAMPLE = "config/airlock.conf.example"
# The head of a section in the file, and the line above its keys in the help text.
SCOPES = {"airlock": ("[airlock]", "usage:"), "uplink": ("[uplink 0]", "  --uplink "),
          "vm": ("[vm x]", "  --vm ")}


def names(head):
    """The keys that a section may have."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(head + "\nno-such-key = 1\n")
        file.flush()
        said = subprocess.run([AIRLOCKD, "--", "-c", file.name], capture_output=True,
                              text=True).stderr
    match = re.search(r"expected one of (.*)", said)
    if match is None:
        sys.exit(f"{AIRLOCKD} does not list the keys of {head}: {said}")
    return match.group(1).split(", ")


def notes():
    """(scope, key) -> what --help says in brackets: range, default."""
    said = subprocess.run([AIRLOCKD, "--help"], capture_output=True, text=True, check=True).stdout
    found, scope = {}, None
    for line in said.split("\n"):
        for name, (_, start) in SCOPES.items():
            scope = name if line.startswith(start) else scope
        match = re.match(r"  (?:--|    )([a-z][a-z-]*)[ =].*?(?:\[([^\]]*)\])?$", line)
        if match:
            found[scope, match.group(1)] = match.group(2) or ""
    return found


def figures(note):
    """What a text about the key has to have: the ends of the range, and a default of one word."""
    wanted = []
    match = re.match(r"(\d+) to (\d+)", note)
    if match:
        wanted += [end for end in match.groups() if end != "0"]
    match = re.search(r"default ([\w/]+)(?=$|,)", note)
    if match:
        wanted.append(match.group(1))
    return wanted


def entries():
    """(scope, key) -> (line, text) of the manual page."""
    found, scope, depth = {}, None, 0
    for number, line in enumerate(source.text(PAGE).split("\n"), 1):
        match = re.match(r"\.S[sh] (?:(?:The|A) section \[(\w+))?", line)
        if match:
            scope = match.group(1) if match.group(1) in SCOPES else None
            depth, key = 0, None
        depth += line.startswith(".Bl") - line.startswith(".El")
        match = re.match(r"\.It Cm ([\w-]+)", line)
        if match and scope and depth == 1:
            key = scope, match.group(1)
            found[key] = number, line
        elif scope and key:
            found[key] = found[key][0], found[key][1] + "\n" + line
    return found


def examples():
    """(scope, key) -> (line, what a commented line says is the default)."""
    found, scope = {}, None
    for number, line in enumerate(source.text(EXAMPLE).split("\n"), 1):
        match = re.match(r"\[(\w+)", line)
        scope = match.group(1) if match else scope
        match = re.match(r"(;?)([a-z][a-z-]*) = ([^;]*?)\s*(;|$)", line)
        if match and scope in SCOPES:
            key = scope, match.group(2)
            found.setdefault(key, (number, None))
            if match.group(1):
                found[key] = number, match.group(3)
    return found


if not os.access(AIRLOCKD, os.X_OK):
    source.skip(f"{AIRLOCKD} is not built")
said = notes()
keys = {(scope, name) for scope, (head, _) in SCOPES.items() for name in names(head)}
page, example = entries(), examples()
for path, has in ((PAGE, page), (EXAMPLE, example)):
    for scope, name in sorted(keys - set(has)):
        source.report(path, 1, f"[{scope}] has no {name}, which airlockd has")
    for scope, name in sorted(set(has) - keys):
        source.report(path, has[scope, name][0], f"[{scope}] has {name}, which airlockd has not")
for key in sorted(keys & set(page)):
    number, text = page[key]
    for figure in figures(said[key]):
        if not re.search(rf"(?<![\w-]){re.escape(figure)}(?![\w-])", text):
            source.report(PAGE, number, f"{key[1]}: no {figure}; airlockd says: {said[key]}")
for key in sorted(keys & set(example)):
    number, default = example[key]
    match = re.search(r"default ([\w/]+)(?=$|,)", said[key])
    if default is not None and match and default != match.group(1):
        source.report(EXAMPLE, number, f"{key[1]} = {default}; airlockd says: {said[key]}")
for scope, name in sorted(keys):
    for macro, where in (("It", "among the options"), ("Op", "in the synopsis")):
        if scope == "airlock" and not re.search(rf"^\.{macro} Fl -{name}(?![\w-])",
                                                source.text(DAEMON_PAGE), re.M):
            source.report(DAEMON_PAGE, 1, f"no flag --{name} {where}")
source.finish()
