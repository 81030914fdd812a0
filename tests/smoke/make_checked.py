#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Writes a pcap file of packets that window-guest can check.
#
#   make_checked.py FILE COUNT BYTES[,BYTES...] MAC...
#
# COUNT packets for each MAC; the MACs take turns, and the packets for each have all sizes in turn.
# Behind the Ethernet header stand, in network order: "CHKP", the VM's number (the first MAC is 1),
# the frame's length, the packet's number for this VM from 0 on, then a filling that names the VM,
# and in the last four bytes the CRC-32 of everything from "CHKP" on. BYTES is the frame's length.

import struct
import sys
import zlib

SENDER = bytes.fromhex("02a000000001")


def frame(mac, vm_number, number, length):
    body = b"CHKP" + struct.pack(">HHI", vm_number, length, number)
    filling = length - 14 - len(body) - 4
    mark = b"AIRLOK" + struct.pack(">H", vm_number)
    body += (mark * (filling // len(mark))).ljust(filling, b"\0")
    return mac + SENDER + b"\x88\xb5" + body + struct.pack(">I", zlib.crc32(body))


def main():
    path, count, sizes, *macs = sys.argv[1:]
    sizes = [int(size) for size in sizes.split(",")]
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in macs]
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(int(count)):
            for vm_number, mac in enumerate(macs, 1):
                packet = frame(mac, vm_number, number, sizes[number % len(sizes)])
                out.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)


main()
