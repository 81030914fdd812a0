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

from control import Client

path, directory = sys.argv[1:]


class Rpc(Client):
    """One that can tell how it was refused."""

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


# Of each key but a device's: what it is added with, what it is changed to (None: it cannot be), a
# value that is wrong, and what is said of that.
KEYS = {
    "mac": ("52:54:00:00:00:21", "52:54:00:00:00:22", "ff:ff:ff:ff:ff:ff", "a unicast MAC"),
    "socket": (os.path.join(os.path.dirname(path), "its.own"), None, "", "socket ''"),
    "mode": ("server", None, "listen", "mode 'listen', expected client or server"),
    "queues": (2, None, 0, "queues '0', expected a number from 1 to 16"),
    "vlan": (7, 8, 4095, "vlan '4095', expected a number from 0 to 4094"),
    "uplink": (0, 0, 3, "uplink '3' of VM 'new', expected the port of a configured uplink"),
    "antispoof": ("off", "on", "yes", "antispoof 'yes', expected off or on"),
    "storm": (5, 6, -1, "storm '-1', expected a number from 0"),
    "rx-rate": (1000000, 2000000, 7999, "rx-rate '7999', expected 0, or a number from 8000"),
    "rx-burst": (100000, 200000, 99999, "rx-burst '99999', expected 0, or a number"),
    "tx-rate": (3000000, 4000000, "1g", "tx-rate '1g', expected 0, or a number from 8000"),
    "tx-burst": (300000, 400000, "1001M", "tx-burst '1001M', expected 0, or a number"),
    "mirror": ("web", "db", "nobody", "mirror 'nobody' of VM 'new', expected another VM, or none"),
    "mirror-direction": ("tx", "rx", "in", "mirror-direction 'in', expected both, rx or tx"),
    "deliver": ("copy", "copy", "zero", "deliver 'zero', expected copy, auto or remap"),
    "quota": (100, 200, "half", "quota 'half', expected a number from 0"),
    "stray": ("kill", "stall", "ignore", "stray 'ignore', expected stall or kill"),
    "iommu": ("strict", None, "lazy", "iommu 'lazy', expected batched or strict"),
}


def named(rpc, method, **params):
    """The keys that an error offers."""
    message = rpc.call(method, **params)["error"]["message"]
    return set(message.split("expected one of ")[1].split(", ")) - {"name", "dma-device"}


def check_keys(rpc):
    """Every key that there is, so that a new one without its line in KEYS fails."""
    changes = {key: changed for key, (_, changed, _, _) in KEYS.items() if changed is not None}
    assert named(rpc, "vm.add", name="new", colour=1) == set(KEYS)
    assert named(rpc, "vm.set", name="web") == set(changes)
    added = {key: value for key, (value, _, _, _) in KEYS.items()}
    for key, (_, _, wrong, words) in KEYS.items():
        rpc.refused(-32602, words, "vm.add", **{**added, "name": "new", key: wrong})
    rpc.get("vm.add", name="new", **added)
    assert rpc.get("config.get")["vms"]["new"] == added, rpc.get("config.get")["vms"]["new"]
    for key in changes:
        rpc.refused(-32602, KEYS[key][3], "vm.set", name="new", **{key: KEYS[key][2]})
    for key in set(KEYS) - set(changes):
        rpc.refused(-32602, f"{key} cannot be changed", "vm.set", name="new", **{key: added[key]})
    for key, value in changes.items():
        rpc.get("vm.set", name="new", **{key: value})
        added[key] = value
        assert rpc.get("config.get")["vms"]["new"] == added, rpc.get("config.get")["vms"]["new"]
    shown = rpc.get("vm.show", name="new")
    assert [shown[key] for key in ("vlan", "rx_rate", "tx_rate", "storm", "mirror", "mirror_direction")
            ] == [8, 2000000, 4000000, 6, "db", "rx"], shown
    rpc.get("vm.del", name="new")


def check_mirrors(rpc):
    """Copies go to one that is not mirrored itself; what gets some cannot be deleted."""
    rpc.get("vm.add", name="new", mac="52:54:00:00:00:21", mode="server", mirror="db")
    for params, words in (
            ({"name": "web", "mirror": "new"}, "mirror 'new' of VM 'web' is mirrored itself"),
            ({"name": "db", "mirror": "web"}, "which gets copies of VM 'new', expected none"),
            ({"name": "new", "mirror": "new"}, "mirror 'new' of VM 'new', expected another VM"),
            ({"name": "new", "mirror": None}, "mirror is null, expected"),
            ({"name": "new", "mirror": 5}, "mirror is a number, expected"),
            ({"name": "new", "mirror": "a/b"}, "mirror 'a/b', expected"),
            ({"name": "new", "mirror-direction": True}, "mirror-direction is true, expected both")):
        rpc.refused(-32602, words, "vm.set", **params)
    rpc.refused(-32602, "it gets those of VM 'new'", "vm.del", name="db")
    assert rpc.get("vm.show", name="new")["mirror"] == "db"
    rpc.get("vm.set", name="new", mirror="none")
    assert rpc.get("vm.show", name="new")["mirror"] == "none"
    rpc.get("vm.del", name="new")


def check_idle(rpc):
    """Keys of airlockd as a whole are no VM's; as the test has started it."""
    for key in "idle", "idle-pause", "idle-sleep", "idle-wait":
        rpc.refused(-32602, f"key '{key}', expected one of", "vm.set", name="web", **{key: 1})
        rpc.refused(-32602, f"key '{key}', expected one of", "vm.add", name="new", **{key: 1})
    have = rpc.get("config.get")["airlock"]
    assert [have[key] for key in ("idle", "idle-pause", "idle-sleep", "idle-wait")] == [
        "adaptive", 200, 2000, 20000], have


def check_many(rpc):
    """A client that never reads, others that send halves, and too many of them."""
    deaf = Rpc(path)
    deaf.socket.setblocking(False)
    try:
        while True:
            deaf.socket.send(b'{"jsonrpc":"2.0","method":"stats.get","id":1}\n')
    except BlockingIOError:
        pass
    half = Rpc(path)
    half.socket.sendall(b'{"jsonrpc":"2.0","meth')
    assert len(rpc.get("vm.list")) == 2
    half.socket.sendall(b'od":"vm.list","id":1}\n')
    assert len(half.hear()["result"]) == 2
    rpc.say([{"jsonrpc": "2.0", "method": "vm.list", "id": 1}, 1,
             {"jsonrpc": "2.0", "method": "version"}])
    listed, bad = rpc.hear()
    assert len(listed["result"]) == 2 and bad["error"]["code"] == -32600
    others = [Rpc(path) for _ in range(70)]
    assert "too many clients" in others[-1].hear()["error"]["message"]
    for other in others:
        other.socket.close()
        other.lines.close()
    assert len(rpc.get("vm.list")) == 2


first = Rpc(path)
check_shows(first)
check_log(first)
check_vms(first)
check_changes(first)
check_keys(first)
check_mirrors(first)
check_idle(first)
check_many(first)
