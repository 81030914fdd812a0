#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Manual pages pass mandoc's lint.

import re
import shutil
import subprocess

import source

pages = source.man_pages()
if shutil.which("mandoc") is None:
    source.skip("mandoc is not installed")
if pages:
    result = subprocess.run(["mandoc", "-Tlint", "-Wwarning", *pages], capture_output=True,
                            text=True)
    for match in re.finditer(r"^mandoc: (.+?):(\d+):\d+: (.*)$", result.stdout + result.stderr,
                             re.M):
        source.report(*match.groups())
    if result.returncode != 0 and not source.found:
        source.report(pages[0], 1, result.stdout + result.stderr)
source.finish()
