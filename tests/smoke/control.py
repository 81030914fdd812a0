#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A client of airlockd's control socket, for tests.

import json
import socket


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rb")
        self.id = 0

    def say(self, request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def hear(self):
        return json.loads(self.lines.readline())

    def call(self, method, **params):
        self.id += 1
        self.say({"jsonrpc": "2.0", "method": method, "params": params, "id": self.id})
        answer = self.hear()
        assert answer["jsonrpc"] == "2.0" and answer["id"] == self.id, answer
        return answer

    def get(self, method, **params):
        answer = self.call(method, **params)
        assert "result" in answer, f"{method} {params}: {answer}"
        return answer["result"]
