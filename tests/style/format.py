#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# All C code is as clang-format 14 would write it.

import re
import shutil
import subprocess

import source

program = shutil.which("clang-format-14") or shutil.which("clang-format")
if program is None:
    source.skip("clang-format 14 is not installed")
version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
if not re.search(r"version 14\.", version):
    source.skip(f"clang-format 14 is needed, this is {version.strip()}")

result = subprocess.run([program, "--dry-run", *source.c_files()], capture_output=True, text=True)
places = re.findall(r"^(\S+?):(\d+):\d+: (?:warning|error): ", result.stderr, re.M)
for path, line in dict.fromkeys(places):
    source.report(path, line, "not as clang-format would have it")
if result.returncode != 0 and not source.found:
    source.report(".clang-format", 1, result.stderr.strip())
source.finish()
