#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Writes a pcap file of simple UDP packets.
#
#   write_pcap.py FILE COUNT DESTINATION,SOURCE,BYTES...
#
# The kinds take turns until there are COUNT packets. Ports count up, so that flows differ.

import struct
import sys


def frame(number, destination, source, length):
    ethernet = bytes.fromhex((destination + source).replace(":", "")) + b"\x08\x00"
    udp_length = length - 14 - 20
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + udp_length, 0, 0, 64, 17, 0,
                     bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    udp = struct.pack(">HHHH", 1024 + number % 32768, 9, udp_length, 0)
    return (ethernet + ip + udp).ljust(length, b"\x5a")


def main():
    path, count, *kinds = sys.argv[1:]
    kinds = [kind.split(",") for kind in kinds]
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(int(count)):
            destination, source, length = kinds[number % len(kinds)]
            packet = frame(number, destination, source, int(length))
            out.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


main()
