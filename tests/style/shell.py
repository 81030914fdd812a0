#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Shell scripts pass shellcheck.

import concurrent.futures
import os
import re
import shutil
import subprocess

import source

if shutil.which("shellcheck") is None:
    source.skip("shellcheck is not installed")


def check(file):
    # SC2317: this version takes what a trap or another function calls for unreachable.
    return subprocess.run(["shellcheck", "-f", "gcc", "-x", "-P", ".", "-e", "SC2317", file],
                          capture_output=True, text=True)


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    # What several scripts read is complained of several times.
    said = set()
    for result in pool.map(check, source.shell_files()):
        found = re.findall(r"^(.+?):(\d+):\d+: \w+: (.*)$", result.stdout, re.M)
        for match in found:
            if match not in said:
                source.report(*match)
        said.update(found)
        if result.returncode != 0 and not found:
            source.report("shellcheck", 0, result.stderr.strip() or result.stdout.strip())
source.finish()
