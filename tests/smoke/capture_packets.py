#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Packets for captures, and what has to be in their files.
#
#   capture_packets.py send INTERFACE KIND...     send packets, 20 of each kind, mixed
#   capture_packets.py same PCAP SNAPLEN KIND...  exactly those, cut to that length, in this order
#
# KIND is udp, other or unknown, with "/swapped" if the guest has sent them back by then. A file is a
# plain pcap, as tcpdump -w makes it of a pcapng file. The same kind gives the same packets always.

import random
import socket
import struct
import sys

EACH = 20
VM = bytes.fromhex("525400000001")
NOBODY = bytes.fromhex("525400009999")
SENDER = bytes.fromhex("02a000000001")


def udp(payload):
    return struct.pack(">HHHH", 53, 5353, 8 + len(payload), 0) + payload


def ipv4(payload):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0, 64, 17, 0,
                       bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    return head + payload


def packets(kind):
    name, _, swapped = kind.partition("/")
    maker = random.Random(name)
    for number in range(EACH):
        payload = maker.randbytes(maker.randrange(40, 1400))
        head = (NOBODY if name == "unknown" else VM) + SENDER
        if name == "udp":
            body = b"\x08\x00" + ipv4(udp(payload))
        elif name == "unknown" and number % 2 == 1:
            body = b"\x81\x00\x00\x07\x88\xb5" + payload
        else:
            body = b"\x88\xb5" + payload
        if swapped:
            head = head[6:] + head[:6]
        yield head + body


def mixed(kinds):
    return [packet for some in zip(*(packets(kind) for kind in kinds)) for packet in some]


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at < len(data):
        length, original = struct.unpack_from("<II", data, at + 8)
        yield data[at + 16:at + 16 + length], original
        at += 16 + length


def main():
    command, where, *kinds = sys.argv[1:]
    if command == "send":
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((where, 0))
            for packet in mixed(kinds):
                raw.send(packet)
        return
    snaplen = int(kinds.pop(0))
    wanted = [(packet[:snaplen], len(packet)) for packet in mixed(kinds)]
    found = list(read(where))
    if found != wanted:
        wrong = [i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]]
        sys.exit(f"{len(found)} packets, not {len(wanted)}; others than sent: {wrong}")


main()
