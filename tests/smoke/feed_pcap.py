#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Gives a pcap file to a net_pcap port through a FIFO, so that it begins when the VMs are there.
#
#   feed_pcap.py [--pps N] PCAP FIFO GO [STOP]
#
# Until the file GO exists, a short packet that is for nobody goes every millisecond: net_pcap waits
# for its file, and an lcore that waits would hold up the VMs that come. Then the packets go as fast
# as the port takes them, or N a second: once, or again and again until the file STOP exists. Prints
# how many packets were for nobody, and how often the file went.

import os
import struct
import sys
import time

FILLER = bytes.fromhex("020000000000" "020000000001" "88b5")
FILLER_RECORD = struct.pack("<IIII", 0, 0, len(FILLER), len(FILLER)) + FILLER
PCAP_HEADER_BYTES = 24


def split(records):
    at = 0
    while at < len(records):
        end = at + 16 + struct.unpack_from("<I", records, at + 8)[0]
        yield records[at:end]
        at = end


def feed_slowly(fifo, records, pps):
    begin = time.monotonic()
    for number, record in enumerate(split(records)):
        if number % 10 == 0:
            time.sleep(max(0.0, begin + number / pps - time.monotonic()))
        fifo.write(record)


def main():
    args, pps = sys.argv[1:], 0
    if args[0] == "--pps":
        pps, args = int(args[1]), args[2:]
    pcap_path, fifo_path, go_path, *stop_path = args
    nb_fillers, nb_rounds = 0, 0
    with open(pcap_path, "rb") as pcap, open(fifo_path, "wb", buffering=0) as fifo:
        fifo.write(pcap.read(PCAP_HEADER_BYTES))
        records = memoryview(pcap.read())
        while not os.path.exists(go_path):
            fifo.write(FILLER_RECORD)
            nb_fillers += 1
            time.sleep(0.001)
        while nb_rounds == 0 or (stop_path and not os.path.exists(stop_path[0])):
            sent = 0
            if pps != 0:
                feed_slowly(fifo, records, pps)
                sent = len(records)
            while sent < len(records):
                sent += fifo.write(records[sent:])
            nb_rounds += 1
    print(nb_fillers, nb_rounds)


main()
