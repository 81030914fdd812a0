#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The files of the tree, for the checks beside this one, and how a check reports.
#
# A check is a script that takes the top of the tree as its argument, prints "file:line: message"
# for what it finds, and exits with 0 if that is nothing, with 77 if it cannot check.

import os
import re
import subprocess
import sys

TOP = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(sys.path[0], "../.."))
os.chdir(TOP)

found = 0


def report(path, line, message):
    global found
    found += 1
    print(f"{path}:{line}: {message}")


def finish():
    sys.exit(1 if found else 0)


def skip(reason):
    print(f"skip: {reason}")
    sys.exit(77)


def _git(*arguments):
    result = subprocess.run(["git", *arguments], capture_output=True, text=True)
    return result.stdout if result.returncode == 0 else ""


def _walk():
    for directory, subdirs, names in os.walk("."):
        subdirs[:] = [s for s in subdirs if s != ".git" and not s.startswith("build")
                      and s != "__pycache__"]
        for name in names:
            yield os.path.normpath(os.path.join(directory, name))


def _all_files():
    # A tree that was exported into somebody else's checkout is none itself.
    try:
        top = _git("rev-parse", "--show-toplevel").strip()
    except FileNotFoundError:
        top = ""
    if top and os.path.realpath(top) == os.path.realpath(TOP):
        listed = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = listed.split("\0")[:-1]
    else:
        names = _walk()
    return sorted({n for n in names if os.path.isfile(n) and not os.path.islink(n)})


def text(path):
    """The text of a file; None if it is binary."""
    with open(path, "rb") as file:
        data = file.read()
    return None if b"\0" in data else data.decode("utf-8", "surrogateescape")


FILES = [f for f in _all_files() if text(f) is not None]
if not FILES:
    print(f"{TOP}:0: no files there")
    sys.exit(1)


def interpreter(path):
    """The name of the program in a script's first line, or nothing."""
    first = text(path).split("\n", 1)[0]
    match = re.match(r"#!\s*(\S+)(?:\s+(\S+))?", first)
    if match is None:
        return ""
    program = os.path.basename(match.group(1))
    return match.group(2) or "" if program == "env" else program


def c_files():
    return [f for f in FILES if f.endswith((".c", ".h"))]


def shell_files():
    return [f for f in FILES if f.endswith(".sh") or interpreter(f) in ("sh", "bash", "dash")
            or text(f).startswith("# shellcheck shell=")]


def python_files():
    return [f for f in FILES if f.endswith(".py") or interpreter(f).startswith("python")]


def man_pages():
    return [f for f in FILES if re.search(r"\.[1-8]$", f)]


def sources():
    """Everything that people write code in."""
    listed = set(c_files() + shell_files() + python_files())
    listed.update(f for f in FILES if os.path.basename(f) == "meson.build" or interpreter(f))
    return sorted(listed)


_BLANKED = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code(path):
    """The lines of a C file, comments and literals blanked out."""
    return _BLANKED.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text(path)).split("\n")
