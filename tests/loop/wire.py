#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The far end of an uplink: sends counted packets to VMs that send back what they get with the two
# addresses swapped, and wants every one back, byte for byte, and in order within its flow.
#
#   wire.py INTERFACE COUNT MAC[,VLAN]...
#
# COUNT packets for each MAC, of all lengths, in FLOWS flows; with a VLAN they go and come tagged.
# Few are under way at a time, so that no ring on the way can be full. Prints how many came back;
# exit status 1 if not all did.

import random
import socket
import struct
import sys

FLOWS = 8
WINDOW = 64
# So long nothing may come: against hanging, and no measure of anything.
PATIENCE_S = 15
ETH_P_ALL = 3
PACKET_OUTGOING = 4
PACKET_AUXDATA = 8
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
# struct tpacket_auxdata, and the bit of its status that says that there was a tag.
AUXDATA = struct.Struct("IIIHHHH")
VLAN_VALID = 1 << 4
SENDER = bytes.fromhex("02a000000001")


def packet(vlan, mac, number):
    """Without its tag."""
    data = random.Random(mac + bytes([vlan]) + number.to_bytes(4, "big"))
    length = data.randrange(60, 1515)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length - 14, 0, 0, 64, 17, 0,
                         bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    header += struct.pack(">HHHH", 1024 + number % FLOWS, 9, length - 34, 0)
    return mac + SENDER + b"\x08\x00" + header + data.randbytes(length - 42)


def flow_of(vlan, data):
    """VLAN, the VM that sent it, and the UDP port."""
    return vlan, data[6:12], data[34:36]


class Wire:
    """An interface, and what is awaited from it by flow."""

    def __init__(self, interface):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.bind((interface, 0))
        self.socket.settimeout(PATIENCE_S)
        self.awaited = {}
        self.under_way = 0
        self.back = 0

    def send(self, vlan, data):
        tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
        self.socket.send(data[:12] + tag + data[12:])
        swapped = data[6:12] + data[:6] + data[12:]
        self.awaited.setdefault(flow_of(vlan, swapped), []).append(swapped)
        self.under_way += 1

    def receive(self):
        data, extra, _, address = self.socket.recvmsg(65536, socket.CMSG_SPACE(AUXDATA.size))
        if address[2] == PACKET_OUTGOING:
            return
        # The kernel has taken the tag out.
        status, _, _, _, _, tci, _ = AUXDATA.unpack(extra[0][2][:AUXDATA.size])
        vlan = tci if status & VLAN_VALID else 0
        flow = self.awaited.get(flow_of(vlan, data), [])
        if not flow or flow[0] != data:
            what = "out of order" if data in flow else "that nobody sent"
            sys.exit(f"a packet of {len(data)} bytes {what}, VLAN {vlan}: {data[:64].hex(' ')}")
        flow.pop(0)
        self.under_way -= 1
        self.back += 1

    def missing(self):
        return {f"{vm.hex(':')},{vlan}": len(flow)
                for (vlan, vm, _), flow in self.awaited.items() if flow}


def main():
    wire = Wire(sys.argv[1])
    vms = [(int(vlan or 0), bytes.fromhex(mac.replace(":", "")))
           for mac, _, vlan in (vm.partition(",") for vm in sys.argv[3:])]
    try:
        for number in range(int(sys.argv[2])):
            for vlan, mac in vms:
                wire.send(vlan, packet(vlan, mac, number))
                while wire.under_way >= WINDOW:
                    wire.receive()
        while wire.under_way > 0:
            wire.receive()
    except TimeoutError:
        sys.exit(f"{wire.back} came back, {wire.under_way} did not, from {wire.missing()}")
    print(wire.back)


main()
