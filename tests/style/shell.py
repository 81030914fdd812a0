#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Shell scripts pass shellcheck.

import re
import shutil
import subprocess

import source

if shutil.which("shellcheck") is None:
    source.skip("shellcheck is not installed")
# SC2317: this version takes what a trap or another function calls for unreachable.
result = subprocess.run(["shellcheck", "-f", "gcc", "-x", "-P", ".", "-e", "SC2317",
                         *source.shell_files()], capture_output=True, text=True)
for match in re.finditer(r"^(.+?):(\d+):\d+: \w+: (.*)$", result.stdout, re.M):
    source.report(*match.groups())
if result.returncode != 0 and not source.found:
    source.report("shellcheck", 0, result.stderr.strip() or result.stdout.strip())
source.finish()
