#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Asks the telemetry of a DPDK process several things at once; an answer a line, as JSON.
#
#   ask.py PREFIX "COMMAND [KEY...]"...

import json
import os
import socket
import sys


class Client:
    """DPDK's telemetry, of the process with a file prefix."""

    def __init__(self, prefix):
        path = f"{os.environ['RUNTIME_DIRECTORY']}/dpdk/{prefix}/dpdk_telemetry.v2"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.size = json.loads(self.socket.recv(4096))["max_output_len"]

    def ask(self, command, *keys):
        self.socket.send(command.encode())
        (answer,) = json.loads(self.socket.recv(self.size)).values()
        for key in keys:
            answer = answer[key]
        return answer


def main():
    client = Client(sys.argv[1])
    for question in sys.argv[2:]:
        print(json.dumps(client.ask(*question.split())))


if __name__ == "__main__":
    main()
