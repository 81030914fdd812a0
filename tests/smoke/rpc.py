#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The part of rpc.sh that speaks to airlockd.
#
#   rpc.py SOCKET DIR    DIR has telemetry's answers, to compare names with

import json
import os
import socket
import sys

path, directory = sys.argv[1:]


class Client:
    """A client of the control socket."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
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
        assert "result" in answer, f"{method}: {answer}"
        return answer["result"]

    def refused(self, code, words, method, **params):
        error = self.call(method, **params).get("error", {})
        message = error.get("message", "")
        assert error.get("code") == code and words in message and "\n" not in message, \
            f"{method} {params}: {error}, expected {code} {words}"


def told(name):
    with open(os.path.join(directory, name + ".json")) as file:
        return json.load(file)


def same_keys(what, mine, telemetrys):
    assert set(mine) == set(telemetrys), f"{what}: {set(mine) ^ set(telemetrys)}"


def check_shows(rpc):
    assert {"rpc.methods", "vm.add"} <= {m["name"] for m in rpc.get("rpc.methods")}
    assert rpc.get("version")["dpdk"].startswith("DPDK")
    brief = {"name": "web", "mac": "52:54:00:00:00:01", "state": "up", "deliver": "copy"}
    assert rpc.get("vm.list")[0] == brief, rpc.get("vm.list")
    web = rpc.get("vm.show", name="web")
    same_keys("vm.show", web, told("vm,web"))
    assert web["delivered_packets"] > 0, web
    (uplink,) = rpc.get("uplink.list")
    same_keys("uplink.list", uplink, {**told("uplinks")["0"], "port": 0})
    assert rpc.get("uplink.show", port=0)["name"] == uplink["name"]
    (lcore,) = rpc.get("lcore.list")
    same_keys("lcore.list", lcore, told("lcores,1"))
    pages = rpc.get("pages.get")
    same_keys("pages.get", pages, told("pages"))
    verdict = rpc.get("pages.verify")
    same_keys("pages.verify", verdict, told("pages-verify"))
    # Frames come and go meanwhile.
    for _ in range(50):
        assert rpc.get("pages.verify")["verdict"] == "clean", rpc.get("pages.verify")
        assert rpc.get("pages.get")["agree"] == "yes", rpc.get("pages.get")
    stats = rpc.get("stats.get")
    assert list(stats["vms"]) == ["web", "db"] and list(stats["uplinks"]) == ["0"], stats
    same_keys("stats.get", stats["balance"], told("balance"))


def check_log(rpc):
    assert rpc.get("log.set", type="airlock.vnic", level="debug") == {
        "types": ["airlock.vnic"], "level": "debug"}
    assert len(rpc.get("log.set", type="airlock.*", level="info")["types"]) > 1
    rpc.refused(-32602, "level 'loud', expected emergency", "log.set", type="*", level="loud")
    rpc.refused(-32602, "type 'nothing'", "log.set", type="nothing", level="info")
    rpc.refused(-32602, "no level", "log.set", type="*")


WRONG_VMS = [
    ({"mac": "52:54:00:00:00:09"}, "no name"),
    ({"name": "new"}, "without a mac"),
    ({"name": "a/b", "mac": "52:54:00:00:00:09"}, "name 'a/b'"),
    ({"name": "web", "mac": "52:54:00:00:00:09"}, "name 'web' is that of a VM"),
    ({"name": "new", "mac": "52:54:00:00:00:01"}, "is that of VM 'web'"),
    ({"name": "new", "mac": "53:54:00:00:00:01"}, "expected a unicast MAC"),
    ({"name": "new", "mac": 7}, "mac is a number, expected a unicast MAC"),
    ({"name": "control", "mac": "52:54:00:00:00:09"}, "is the control socket"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "queues": 17}, "queues '17'"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "queues": []}, "queues is an array"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "queues": 1.5}, "with a fraction"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "vlan": -1}, "vlan '-1'"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "uplink": 3}, "uplink '3'"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "colour": 1}, "key 'colour', expected one of"),
    ({"name": "new", "mac": "52:54:00:00:00:09", "deliver": "auto"}, "expected copy"),
    ({"name": "new\n", "mac": "52:54:00:00:00:09"}, "name 'new?'"),
]


def check_vms(rpc):
    for params, words in WRONG_VMS:
        rpc.refused(-32602, words, "vm.add", **params)
    assert [vm["name"] for vm in rpc.get("vm.list")] == ["web", "db"]
    for method in "vm.show", "vm.del":
        rpc.refused(-32602, "name 'nobody'", method, name="nobody")
        rpc.refused(-32602, "no name", method)
    rpc.refused(-32602, "port 5", "uplink.show", port=5)
    rpc.refused(-32602, "port is a string", "uplink.show", port="0")
    rpc.refused(-32601, "method 'vm.sell'", "vm.sell")
    for i in range(50):
        added = rpc.get("vm.add", name="new", mac="52:54:00:00:00:09", queues=2, mode="server",
                        antispoof=False, vlan="0")
        assert added == {"name": "new", "mac": "52:54:00:00:00:09", "state": "down",
                         "deliver": "copy"}, added
        assert "queue_1" in rpc.get("vm.show", name="new")
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        probe.connect(os.path.join(os.path.dirname(path), "new.sock"))
        probe.close()
        assert rpc.get("vm.del", name="new") is True
    assert [vm["name"] for vm in rpc.get("vm.list")] == ["web", "db"]


WRONG_CHANGES = [
    ({"mac": "52:54:00:00:00:09"}, "no name"),
    ({"name": "nobody", "mac": "52:54:00:00:00:09"}, "name 'nobody', expected that of a VM"),
    ({"name": "web"}, "nothing to change, expected one of mac,"),
    ({"name": "web", "mac": "52:54:00:00:00:02"}, "is that of VM 'db'"),
    ({"name": "web", "mac": "52:54:00:00:00:09", "vlan": 4095}, "vlan '4095'"),
    ({"name": "web", "mac": "53:54:00:00:00:01"}, "expected a unicast MAC"),
    ({"name": "web", "mac": None}, "mac is null, expected a unicast MAC"),
    ({"name": "web", "colour": 1}, "key 'colour', expected one of"),
    ({"name": "web", "vlan": 7, "queues": 2}, "queues cannot be changed while the VM is there"),
    ({"name": "web", "socket": "/x"}, "socket cannot be changed"),
    ({"name": "web", "mode": "client"}, "mode cannot be changed"),
    ({"name": "web", "deliver": "auto"}, "expected copy: VM 'web' has no window"),
    ({"name": "web", "uplink": 1}, "uplink '1' of VM 'web'"),
]


def check_changes(rpc):
    """While web and db send to each other."""
    before = rpc.get("vm.show", name="web")
    for params, words in WRONG_CHANGES:
        rpc.refused(-32602, words, "vm.set", **params)
    after = rpc.get("vm.show", name="web")
    assert [after[key] for key in ("mac", "vlan")] == [before[key] for key in ("mac", "vlan")], after
    rpc.get("vm.add", name="new", mac="52:54:00:00:00:09", mode="server")
    for i in range(100):
        brief = rpc.get("vm.set", name="new", mac=f"52:54:00:00:01:{i:02x}", vlan=i,
                        antispoof=i % 2 == 0, storm=str(i), uplink=0, **{"rx-rate": "1G"}, quota=i, stray="kill")
        shown = rpc.get("vm.show", name="new")
        assert brief["mac"] == shown["mac"] == f"52:54:00:00:01:{i:02X}", shown
        assert shown["vlan"] == i, shown
    # The old address is free again, and the new one is not.
    rpc.refused(-32602, "is that of VM 'new'", "vm.add", name="b", mac="52:54:00:00:01:63", vlan=99)
    rpc.get("vm.add", name="b", mac="52:54:00:00:00:09", mode="server")
    for name in "new", "b":
        assert rpc.get("vm.del", name=name) is True


def check_many(rpc):
    """A client that never reads, others that send halves, and too many of them."""
    deaf = Client()
    deaf.socket.setblocking(False)
    try:
        while True:
            deaf.socket.send(b'{"jsonrpc":"2.0","method":"stats.get","id":1}\n')
    except BlockingIOError:
        pass
    half = Client()
    half.socket.sendall(b'{"jsonrpc":"2.0","meth')
    assert len(rpc.get("vm.list")) == 2
    half.socket.sendall(b'od":"vm.list","id":1}\n')
    assert len(half.hear()["result"]) == 2
    rpc.say([{"jsonrpc": "2.0", "method": "vm.list", "id": 1}, 1,
             {"jsonrpc": "2.0", "method": "version"}])
    listed, bad = rpc.hear()
    assert len(listed["result"]) == 2 and bad["error"]["code"] == -32600
    others = [Client() for _ in range(70)]
    assert "too many clients" in others[-1].hear()["error"]["message"]
    for other in others:
        other.socket.close()
        other.lines.close()
    assert len(rpc.get("vm.list")) == 2


first = Client()
check_shows(first)
check_log(first)
check_vms(first)
check_changes(first)
check_many(first)
