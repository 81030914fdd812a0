#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Writes a pcap file of packets with random payloads, whose bytes tell whom they are for.
#
#   make_bytes.py FILE COUNT BYTES[,BYTES...] OWN_MACS OTHER_MACS
#
# COUNT packets for each MAC; the MACs take turns, and the packets for each have all sizes in turn.
# MACS are separated by commas, and have no byte over 127. No byte of a packet for one of OWN_MACS
# is over 127; behind the Ethernet header, all bytes of a packet for one of OTHER_MACS are.

import os
import struct
import sys

HEADER_BYTES = 14
ANY = bytes(range(256))
LOW = bytes(byte & 0x7F for byte in ANY)
HIGH = bytes(byte | 0x80 for byte in ANY)


def main():
    path, count, sizes, *groups = sys.argv[1:]
    sizes = [int(size) for size in sizes.split(",")]
    own, other = ([bytes.fromhex(mac.replace(":", "")) for mac in g.split(",")] for g in groups)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(int(count)):
            for mac, table in [(mac, LOW) for mac in own] + [(mac, HIGH) for mac in other]:
                size = sizes[number % len(sizes)]
                payload = os.urandom(size - HEADER_BYTES).translate(table)
                packet = mac + bytes.fromhex("020000000001" "0801") + payload
                out.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


main()
