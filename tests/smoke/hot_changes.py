#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The part of hot_changes.sh that speaks to airlockd: VM "new" is added, changed and deleted, VMs
# "web" and "db" are changed, and messages that are malformed or half come in between.
#
#   hot_changes.py SOCKET PID CYCLES MESSAGES
#
# Behind the first cycles, which warm up, DPDK's heap must not grow, and behind more of them neither
# may the rest of memory: malloc() takes a hundred to find its size. Prints figures.

import json
import random
import socket
import sys

from ask import Client as Telemetry
from control import Client

PREFIX = "airlockd"
WARM_HEAP, WARM_RSS = 10, 150
RSS_SLACK_KIB = 512
HEAP_SLACK_BYTES = 4096
# Harmless if a changed byte leaves them right.
REQUESTS = [
    {"method": "version"}, {"method": "vm.list"}, {"method": "vm.show", "params": {"name": "web"}},
    {"method": "stats.get"}, {"method": "config.get"}, {"method": "pages.get"},
    {"method": "vm.set", "params": {"name": "nobody9", "mac": "52:54:00:00:00:77", "vlan": 7}},
    {"method": "vm.del", "params": {"name": "nobody9"}},
    {"method": "log.set", "params": {"type": "no.such.type", "level": "info"}},
]
WRONG = [
    b"", b"{}", b"[]", b"[1,2,3]", b"null", b"7", b'"text"', b"{]", b"}", b"nonsense", b"\xff\xfe",
    b"[" * 3000, b'{"jsonrpc":"2.0","method":"vm.list","params":7,"id":1}',
    b'{"jsonrpc":"1.0","method":"vm.list","id":1}', b'{"jsonrpc":"2.0","method":5,"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.list","id":{}}', b'{"jsonrpc":"2.0","method":"none","id":1}',
    b'{"jsonrpc":"2.0","method":"vm.show","params":{"name":1e999},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.show","params":{"name":"a\\u0000b"},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.show","params":{"name":"a\\nb\\u001b[2J"},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.add","params":{"name":"' + b"x" * 5000 + b'"},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.add","params":{"name":"x","mac":"52:54:00:00:00:01"},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.set","params":{"name":"web","queues":9},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.set","params":{"name":"web","mac":"52:54:00:00:00:02"},"id":1}',
    b'{"jsonrpc":"2.0","method":"config.save","params":{"file":"not/absolute"},"id":1}',
    b'{"jsonrpc":"2.0","method":"config.save","params":{"file":"/no/such/folder/file"},"id":1}',
    b'{"jsonrpc":"2.0","method":"vm.list","id":1,"id":1}',
]


def messages(count):
    """Message, and whether the answer has to be an error."""
    rng = random.Random(20261126)
    for number in range(count):
        text = json.dumps({"jsonrpc": "2.0", **rng.choice(REQUESTS), "id": number}).encode()
        kind = number % 3
        if kind == 0:
            yield text[:rng.randrange(1, len(text) - 1)], True
        elif kind == 1:
            at = rng.randrange(len(text))
            yield text[:at] + bytes([rng.randrange(256)]) + text[at + 1:], False
        else:
            yield WRONG[number // 3 % len(WRONG)], True


class Rpc(Client):
    def __init__(self, path):
        super().__init__(path)
        self.path = path

    def disturb(self, message, is_wrong):
        """Say it on a connection of its own, and look at what comes. Returns the errors."""
        with Client(self.path).socket as client:
            try:
                client.sendall(message)
                client.shutdown(socket.SHUT_WR)
            except BrokenPipeError:
                pass
            text = b""
            while data := client.recv(65536):
                text += data
        errors = 0
        for line in text.splitlines():
            answer = json.loads(line)
            for one in answer if isinstance(answer, list) else [answer]:
                error = one.get("error")
                errors += error is not None
                assert error is None or error["message"].isprintable() and error["message"], line
        assert errors > 0 or not is_wrong or not message.strip(), f"{message}: {text}"
        return errors


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS:")).split()[1])


def heap_bytes(telemetry):
    return telemetry.ask("/eal/heap_info,0", "Alloc_size")


def cycle(rpc, number):
    rpc.get("vm.add", name="new", mac="52:54:00:00:00:09", mode="server", queues=1 + number % 4)
    rpc.get("vm.set", name="new", mac=f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}",
            vlan=1 + number % 4000, **{"rx-rate": f"{1 + number}M"})
    # VMs that carry traffic, in ways that cost them no packet.
    rpc.get("vm.set", name=("web", "db")[number % 2], antispoof=number % 4 < 2,
            storm=1000 + number, quota=number, deliver="copy", **{"tx-rate": "900G"})
    rpc.get("vm.set", name="new", vlan=0, mac="52:54:00:00:00:0a")
    assert rpc.get("vm.del", name="new") is True


def main():
    path, pid, nb_cycles, nb_messages = sys.argv[1], *map(int, sys.argv[2:])
    rpc, telemetry = Rpc(path), Telemetry(PREFIX)
    disturbance = messages(nb_messages)
    rss, nb_errors, nb_said = None, 0, 0
    for number in range(nb_cycles):
        if number == WARM_HEAP:
            heap = heap_bytes(telemetry)
        if number == WARM_RSS:
            rss = rss_kib(pid)
        cycle(rpc, number)
        while nb_said * nb_cycles < (number + 1) * nb_messages:
            nb_errors += rpc.disturb(*next(disturbance))
            nb_said += 1
    heap_grown = heap_bytes(telemetry) - heap
    print(f"{nb_cycles} cycles, {nb_said} messages, {nb_errors} errors; heap {heap} bytes and"
          f" {heap_grown:+d}")
    if rss is not None:
        grown = rss_kib(pid) - rss
        print(f"RSS {rss} KiB and {grown:+d}")
        assert grown <= RSS_SLACK_KIB, f"memory grows: {grown} KiB"
    assert heap_grown <= HEAP_SLACK_BYTES, f"the DPDK heap grows: {heap_grown} bytes"


main()
