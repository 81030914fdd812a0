#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The service manager's end of a notify socket: prints what it is told, a line each.
#
#   notified.py SOCKET

import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
    end.bind(sys.argv[1])
    while True:
        print(end.recv(65536).decode(), flush=True)
