#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Clients of airlockd's metrics that say nothing, half a request, or ask and do not read: all but one
# of those that it serves at once. Then whoever asks is answered. The server closes them all, in the
# end, by itself.
#
#   stalled_http.py ADDRESS:PORT

import socket
import sys
import time

CLIENTS = 16
CLOSED_WITHIN_S = 40
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
HALVES = [b"", b"G", b"GET /metrics HTTP/1.1\r\nHost:", REQUEST]

host, port = sys.argv[1].split(":")
clients = []
for i in range(CLIENTS - 1):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    client.connect((host, int(port)))
    client.sendall(HALVES[i % len(HALVES)])
    clients.append(client)
print("stalled", flush=True)

asking = socket.create_connection((host, int(port)), timeout=10)
asking.sendall(REQUEST)
answer = b""
while piece := asking.recv(65536):
    answer += piece
if not answer.startswith(b"HTTP/1.1 200") or b"airlock_vm_up" not in answer:
    sys.exit(f"no answer beside clients that stall: {answer[:200]}")

deadline = time.monotonic() + CLOSED_WITHIN_S
for i, client in enumerate(clients):
    client.settimeout(max(deadline - time.monotonic(), 0.1))
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        sys.exit(f"client {i}, which said {HALVES[i % len(HALVES)]}, is still there")
print("closed", flush=True)
