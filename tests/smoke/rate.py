#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Prints how many bits a second reach the RX ring of a VM, over two seconds: what is delivered, and
# what found the ring full; all packets have BYTES bytes.
#
#   rate.py PREFIX VM BYTES

import sys
import time

from ask import Client


def packets(client, name):
    vm = client.ask(f"/airlock/vm,{name}")
    drops = vm["rx_drops"]
    return time.monotonic(), vm["delivered_packets"] + drops["total"] - drops.get("rate", 0)


def main():
    prefix, name, size = sys.argv[1:]
    client = Client(prefix)
    time.sleep(0.5)
    start, before = packets(client, name)
    time.sleep(2)
    end, after = packets(client, name)
    print(round((after - before) * int(size) * 8 / (end - start)))


if __name__ == "__main__":
    main()
