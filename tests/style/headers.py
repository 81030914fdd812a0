#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Every public header compiles by itself, and twice, with both compilers.

import concurrent.futures
import glob
import os
import shutil
import subprocess

import source

FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-D_GNU_SOURCE",
         "-DALLOW_EXPERIMENTAL_API", "-x", "c", "-"]

dpdk = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True)
compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
if dpdk.returncode != 0 or not compilers:
    source.skip("no DPDK or no compiler installed")
includes = [f"-I{directory}" for directory in sorted(glob.glob("lib/*/"))]


def compile_alone(job):
    path, compiler = job
    program = f'#include "{path}"\n#include "{path}"\nextern int nothing;\n'
    return subprocess.run([compiler, *includes, "-I.", *dpdk.stdout.split(), *FLAGS],
                          input=program, capture_output=True, text=True)


headers = [path for path in source.FILES
           if path.startswith("lib/") and "/airlock_" in path and path.endswith(".h")]
jobs = [(path, compiler) for path in headers for compiler in compilers]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    for (path, compiler), result in zip(jobs, pool.map(compile_alone, jobs)):
        if result.returncode != 0:
            source.report(path, 1, f"does not compile alone with {compiler}:")
            print(result.stderr)
source.finish()
