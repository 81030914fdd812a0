#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Holds what airlockd tells of VMs against what processes.sh made them to be.
#
#   check_vms.py AIRLOCKD_PREFIX PACKETS CONNECTS NAME...
#
# A NAME says what the VM is: WHO-qQUEUES-mMERGEABLE-pPACKED-oIN_ORDER. Each has got and given
# PACKETS, some by each of its queues, has lost none, and has come CONNECTS times.

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "smoke"))
from ask import Client

# VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER
FEATURE_BITS = {"m": 15, "p": 34, "o": 35}
NONE = {"total": 0}


def faults(name, vm, packets, connects):
    options = dict(re.findall(r"-([qmpo])(\d)", name))
    for letter, bit in FEATURE_BITS.items():
        if int(vm["features"], 16) >> bit & 1 != int(options[letter]):
            yield f"features {vm['features']}"
    for key, expected in {"delivered_packets": packets, "taken_packets": packets,
                          "rx_drops": NONE, "tx_drops": NONE, "connects": connects}.items():
        if vm[key] != expected:
            yield f"{key} {vm[key]}, expected {expected}"
    for queue in range(int(options["q"])):
        if vm[f"queue_{queue}"]["delivered_packets"] == 0:
            yield f"nothing came by queue {queue}"


def main():
    client = Client(sys.argv[1])
    packets, connects = map(int, sys.argv[2:4])
    wrong = [f"{name}: {fault}" for name in sys.argv[4:]
             for fault in faults(name, client.ask(f"/airlock/vm,{name}"), packets, connects)]
    if wrong:
        sys.exit("\n".join(wrong))


main()
