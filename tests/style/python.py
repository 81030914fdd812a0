#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Python scripts are Python, and name Debian's.

import source

for path in source.python_files():
    text = source.text(path)
    try:
        compile(text, path, "exec")
    except SyntaxError as error:
        source.report(path, error.lineno, error.msg)
    if text.startswith("#!") and not text.startswith("#!/usr/bin/python3"):
        source.report(path, 1, "the interpreter is to be /usr/bin/python3")
source.finish()
