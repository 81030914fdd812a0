#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# airlockd's end of a window socket and nothing else, for tests of the agent.
#
#   fake_window.py serve SOCKET POOL      serve one agent, and the commands below
#   fake_window.py ask SOCKET COMMAND...  hello: "PID BASE BYTES" of the agent, or "none"
#                                         map FIRST NB: 0 or an errno
#                                         unmap FIRST NB: what the agent answers
#   fake_window.py mapped PID POOL        how many pages of the pool a process has mapped
#   fake_window.py pages PID POOL         which they are, a line each
#   fake_window.py fill POOL PAGES        a pool in which no page is empty

import array
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys

WELCOME, HELLO, UNMAP, UNMAPPED, REFUSED = range(1, 6)
VERSION = 2
PAGE = 4096
UFFDIO_CONTINUE = 0xC020AA07


def message(kind, body):
    return struct.pack("=II", kind, 8 + len(body)) + body


def welcome(pool):
    st = os.stat(pool)
    layout = struct.pack("=QII", st.st_size, 1, 1)
    layout += struct.pack("=II", 0, st.st_size // PAGE - 1) + bytes(63 * 8)
    return message(WELCOME, struct.pack("=IIQQ", VERSION, 0, st.st_dev, st.st_ino) + layout)


def listen(path):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    return listener


class Server:
    """One agent at a time has the window; others may ask for the pool."""

    def __init__(self, path, pool):
        self.pool = pool
        self.windows = listen(path)
        self.commands = listen(path + ".ask")
        self.agents = []
        self.owner = None
        self.uffd = -1
        self.id = 0

    def run(self):
        while True:
            ready = select.select([self.windows, self.commands, *self.agents], [], [])[0]
            for one in ready:
                if one is self.windows:
                    self.accept()
                elif one is self.commands:
                    self.answer(one.accept()[0])
                elif one in self.agents:
                    self.hear(one)

    def accept(self):
        agent = self.windows.accept()[0]
        if self.owner is not None:
            text = b"this VM has an agent already"
            agent.send(message(REFUSED, text.ljust(200, b"\0")))
            agent.close()
            return
        agent.send(welcome(self.pool))
        self.agents.append(agent)

    def hear(self, agent):
        try:
            data, fds, _, _ = socket.recv_fds(agent, 256, 1)
        except ConnectionResetError:
            data, fds = b"", []
        if data:
            kind, _, version, in_process, base, size = struct.unpack("=IIIIQQ", data)
            assert (kind, len(data), version, in_process, len(fds)) == (HELLO, 32, VERSION, 0, 1), data
            peer = agent.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            self.owner, self.base, self.size = agent, base, size
            self.uffd, self.pid = fds[0], struct.unpack("=iII", peer)[0]
            return
        self.agents.remove(agent)
        if agent is self.owner:
            self.owner = None
            os.close(self.uffd)

    def answer(self, client):
        words = client.recv(256).decode().split()
        handler = {"hello": self.hello, "map": self.map, "unmap": self.unmap}[words[0]]
        client.send(str(handler(*(int(w) for w in words[1:]))).encode())
        client.close()

    def hello(self):
        return f"{self.pid} {self.base:x} {self.size}" if self.owner else "none"

    def map(self, first, nb):
        request = struct.pack("=QQQq", self.base + first * PAGE, nb * PAGE, 0, 0)
        try:
            fcntl.ioctl(self.uffd, UFFDIO_CONTINUE, request)
        except OSError as error:
            return error.errno
        return 0

    def unmap(self, first, nb):
        self.id += 1
        self.owner.send(message(UNMAP, struct.pack("=QIIII", self.id, 1, 0, first, nb)))
        data = self.owner.recv(256)
        kind, size, number, error = struct.unpack_from("=IIQi", data)
        assert (kind, size, number) == (UNMAPPED, len(data), self.id), data
        return error


def ask(path, *words):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(20)
    client.connect(path + ".ask")
    client.send(" ".join(words).encode())
    return client.recv(256).decode()


def mapped(pid, pool):
    """The pages; None if the pool is not mapped exactly once."""
    st = os.stat(pool)
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        for line in maps:
            words = line.split()
            major, minor = (int(w, 16) for w in words[3].split(":"))
            if os.makedev(major, minor) != st.st_dev or int(words[4]) != st.st_ino:
                continue
            start, end = (int(w, 16) for w in words[0].split("-"))
            pagemap.seek(start // PAGE * 8)
            entries = array.array("Q", pagemap.read((end - start) // PAGE * 8))
            found.append([page for page, entry in enumerate(entries) if entry >> 63])
    return found[0] if len(found) == 1 else None


def fill(pool, pages):
    with open(pool, "wb") as file:
        for page in range(pages):
            file.write(bytes([page % 255 + 1]) * PAGE)


def main():
    command, *arguments = sys.argv[1:]
    if command == "serve":
        # Children of a test that is killed go with it.
        ctypes.CDLL(None).prctl(1, 15)
        Server(*arguments).run()
    elif command == "ask":
        print(ask(*arguments))
    elif command == "mapped":
        pages = mapped(*arguments)
        print("not mapped once" if pages is None else len(pages))
    elif command == "pages":
        print(*mapped(*arguments), sep="\n")
    elif command == "fill":
        fill(arguments[0], int(arguments[1]))


if __name__ == "__main__":
    main()
