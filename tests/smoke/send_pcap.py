#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Sends the packets of a pcap file (little-endian, microseconds) out of an interface.
#
#   send_pcap.py INTERFACE PCAP [STOP [PAUSE]]
#
# Once, or again and again until the file STOP exists. In small bursts with a pause after each, of
# PAUSE seconds (0.001), so that no queue on the way has to be long, and other programs get a part of
# the machine.

import os
import socket
import struct
import sys
import time

FILE_HEADER_BYTES = 24
RECORD = struct.Struct("<IIII")
BURST = 16
PAUSE_S = 0.001


def read_packets(path):
    with open(path, "rb") as pcap:
        data = pcap.read()[FILE_HEADER_BYTES:]
    packets, at = [], 0
    while at < len(data):
        length = RECORD.unpack_from(data, at)[2]
        at += RECORD.size
        packets.append(data[at : at + length])
        at += length
    return packets


def send_all(sock, packets, pause_s):
    for number, packet in enumerate(packets):
        if number % BURST == 0:
            time.sleep(pause_s)
        sock.send(packet)


def main():
    interface, path, *more = sys.argv[1:]
    stop = more[:1]
    pause_s = float(more[1]) if more[1:] else PAUSE_S
    packets = read_packets(path)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        send_all(sock, packets, pause_s)
        while stop and not os.path.exists(stop[0]):
            send_all(sock, packets, pause_s)


main()
