#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
"""Runs one command in a test guest over its serial port.

usage: guest_sh.py SOCKET SECONDS COMMAND

Prints what the command prints and ends with its exit status; 124 if no answer came in time,
125 if the guest is not there. lib/guest_init has the other end.
"""

import os
import socket
import sys
import time

CHUNK_BYTES = 65536


class Serial:
    """A line to the guest that gives up at a deadline."""

    def __init__(self, path, deadline):
        self.deadline = deadline
        self.buffer = b""
        self.sock = socket.socket(socket.AF_UNIX)
        self.wait()
        self.sock.connect(path)

    def wait(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)

    def send(self, data):
        self.wait()
        self.sock.sendall(data)

    def until(self, mark):
        """What comes before mark; mark itself is taken off the line too."""
        while mark not in self.buffer:
            self.wait()
            data = self.sock.recv(CHUNK_BYTES)
            if not data:
                raise ConnectionError("the guest hung up")
            self.buffer += data
        before, _, self.buffer = self.buffer.partition(mark)
        return before


def run(path, seconds, command):
    # The guest ends the command itself; a little later nothing can come any more.
    serial = Serial(path, time.monotonic() + seconds + 5)
    ident = f"{os.getpid()}.{time.monotonic_ns()}"
    # An empty line first: one who gave up may have left half of a line behind.
    serial.send(f"\n{ident} {seconds} {command}\n".encode())
    serial.until(f"\x1ebegin {ident}\n".encode())
    output = serial.until(f"\x1eend {ident} ".encode())
    status = int(serial.until(b"\n"))
    sys.stdout.buffer.write(output)
    return status


def main():
    path, seconds, command = sys.argv[1:]
    if "\n" in command:
        print("guest_sh: a command is one line", file=sys.stderr)
        return 125
    try:
        return run(path, int(seconds), command)
    except TimeoutError:
        print(f"guest_sh: no answer in {seconds} s: {command}", file=sys.stderr)
        return 124
    except OSError as err:
        print(f"guest_sh: {path}: {err}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main())
