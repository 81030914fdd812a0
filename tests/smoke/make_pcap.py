#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Packets of every kind that an uplink can bring, for 64 VMs, and what has to become of them.
#
#   make_pcap.py DIR MTU
#
# writes DIR/packets.pcap and DIR/airlock.conf, and prints the expected counts as JSON. The same MTU
# gives the same packets always. What becomes of a packet is known from how it was made; nothing
# here looks at one to find out.

import json
import os
import random
import struct
import sys

PACKETS = 100000
VMS = 64
VLANS = [100, 101, 102]
EMPTY_VLAN = 200
BROADCAST = b"\xff" * 6
SENDER = bytes.fromhex("02a000000001")
JUMBO = 9000


class Vm:
    def __init__(self, number):
        self.name = f"vm{number}"
        self.mac = bytes.fromhex("5254000000") + bytes([number + 1])
        self.vlan = VLANS[number // 4 % len(VLANS)] if number % 4 == 3 else 0
        self.packets = 0
        self.bytes = 0


class Maker:
    def __init__(self, out, mtu):
        self.out = out
        self.longest = mtu + 14
        self.random = random.Random(mtu)
        self.vms = [Vm(i) for i in range(VMS)]
        self.drops = {}
        self.received_bytes = 0
        self.split = 0
        self.parts = 0
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))

    def frame(self, destination, length, vlan=None):
        """A frame that has this length when its tag is out; a tag if there is a VLAN."""
        head = destination + SENDER
        if vlan is not None:
            head += struct.pack(">HH", 0x8100, self.random.randrange(8) << 13 | vlan)
        head += b"\x88\xb5"
        return head + self.random.randbytes(length - 14)

    def write(self, frame):
        self.out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
        self.received_bytes += len(frame)

    def length(self):
        """Of one that is delivered: short, common, random, the longest."""
        kind = self.random.random()
        if kind < 0.1:
            return self.random.randrange(14, 60)
        if kind < 0.6:
            return 60
        if kind < 0.95:
            return self.random.randrange(61, 1500)
        return 1514 if kind < 0.98 else self.longest

    def dropped(self, frame, reason):
        self.write(frame)
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def given(self, frame, vms, length):
        self.write(frame)
        for vm in vms:
            vm.packets += 1
            vm.bytes += length

    def flooded(self, destination, vlan, tag):
        length = min(self.length(), 1514)
        vms = [vm for vm in self.vms if vm.vlan == vlan]
        self.given(self.frame(destination, length, tag), vms, length)
        self.split += 1
        self.parts += len(vms)

    def of_vlan(self, tagged):
        return self.random.choice([vm for vm in self.vms if (vm.vlan != 0) == tagged])

    # The kinds.

    def unicast(self, length=None):
        vm = self.random.choice(self.vms)
        length = length or self.length()
        self.given(self.frame(vm.mac, length, vm.vlan or None), [vm], length)

    def priority(self):
        vm, length = self.of_vlan(False), self.length()
        self.given(self.frame(vm.mac, length, 0), [vm], length)

    def shortest(self):
        self.unicast(14)

    def jumbo(self):
        vm = self.random.choice(self.vms)
        frame = self.frame(vm.mac, JUMBO, vm.vlan or None)
        if JUMBO > self.longest:
            self.dropped(frame, "too_long")
        else:
            self.given(frame, [vm], JUMBO)

    def jumbo_to_all(self):
        frame = self.frame(BROADCAST, JUMBO)
        if JUMBO > self.longest:
            self.dropped(frame, "too_long")
            return
        vms = [vm for vm in self.vms if vm.vlan == 0]
        self.given(frame, vms, JUMBO)
        self.split += 1
        self.parts += len(vms)

    def too_long(self):
        vm = self.random.choice(self.vms)
        self.dropped(self.frame(vm.mac, self.longest + 1, vm.vlan or None), "too_long")

    def broadcast(self):
        self.flooded(BROADCAST, 0, self.random.choice([None, None, 0]))

    def multicast(self):
        group = self.random.choice([b"\x01\x00\x5e", b"\x33\x33\x00"]) + self.random.randbytes(3)
        self.flooded(group, 0, None)

    def broadcast_vlan(self):
        vlan = self.random.choice(VLANS)
        self.flooded(BROADCAST, vlan, vlan)

    def no_listener(self):
        self.dropped(self.frame(BROADCAST, 60, EMPTY_VLAN), "no_listener")

    def unknown(self):
        mac = b"\x52\x54\x01" + self.random.randbytes(3)
        self.dropped(self.frame(mac, self.length()), "unknown_mac")

    def other_domain(self):
        """The right address on the wrong VLAN."""
        kind = self.random.randrange(3)
        if kind == 0:
            frame = self.frame(self.of_vlan(True).mac, self.length())
        elif kind == 1:
            frame = self.frame(self.of_vlan(False).mac, self.length(), VLANS[0])
        else:
            vm = self.of_vlan(True)
            frame = self.frame(vm.mac, self.length(), vm.vlan % 100 + 101)
        self.dropped(frame, "unknown_mac")

    def runt(self):
        vm = self.random.choice(self.vms)
        frame = self.frame(vm.mac, 14)
        self.dropped(frame[:self.random.randrange(1, 14)], "runt")

    def runt_tagged(self):
        """Cut inside the tag, or in what follows it."""
        vm = self.of_vlan(True)
        frame = self.frame(vm.mac, 14, vm.vlan)
        self.dropped(frame[:self.random.randrange(14, 18)], "runt")


KINDS = {
    Maker.unicast: 660, Maker.priority: 60, Maker.shortest: 10, Maker.jumbo: 20,
    Maker.jumbo_to_all: 1, Maker.too_long: 10, Maker.broadcast: 5, Maker.multicast: 5,
    Maker.broadcast_vlan: 10, Maker.no_listener: 9, Maker.unknown: 100, Maker.other_domain: 60,
    Maker.runt: 30, Maker.runt_tagged: 20,
}


def write_conf(path, maker, mtu):
    with open(path, "w", encoding="ascii") as conf:
        print(f"[uplink 0]\nmtu = {mtu}\nstorm = 0", file=conf)
        for vm in maker.vms:
            print(f"\n[vm {vm.name}]\nmac = {vm.mac.hex(':')}\nmode = server", file=conf)
            if vm.vlan != 0:
                print(f"vlan = {vm.vlan}", file=conf)


def main():
    directory, mtu = sys.argv[1], int(sys.argv[2])
    with open(os.path.join(directory, "packets.pcap"), "wb") as out:
        maker = Maker(out, mtu)
        for kind in maker.random.choices(list(KINDS), KINDS.values(), k=PACKETS):
            kind(maker)
    write_conf(os.path.join(directory, "airlock.conf"), maker, mtu)
    json.dump({
        "packets": PACKETS, "bytes": maker.received_bytes, "drops": maker.drops,
        "split": maker.split, "parts": maker.parts,
        "vms": {vm.name: [vm.packets, vm.bytes] for vm in maker.vms},
    }, sys.stdout, indent=1)


main()
