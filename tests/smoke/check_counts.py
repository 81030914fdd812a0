#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Holds what airlockd counted, and what arrived in the VMs, against what make_pcap.py expects.
#
#   check_counts.py [--received] EXPECTED.json FILLERS AIRLOCKD_PREFIX VM_PREFIX...
#
# FILLERS is what feed_pcap.py printed. VM_PREFIX are file prefixes of dpdk-testpmd processes; their
# ports are the VMs, in order. --received: only say whether airlockd has got all yet.

import json
import sys

from ask import Client

PORTS = 32
wrong = 0


def same(what, found, expected):
    global wrong
    if found != expected:
        wrong += 1
        print(f"{what}: {found}, expected {expected}")


def check_uplink(uplink, expected):
    drops = dict(expected["drops"], total=sum(expected["drops"].values()))
    same("uplink, received", uplink["received_packets"], expected["packets"])
    same("uplink, bytes", uplink["received_bytes"], expected["bytes"])
    same("uplink, drops", uplink["rx_drops"], drops)
    for what in "port_missed", "port_rx_errors", "port_no_page":
        same(f"uplink, {what}", uplink[what], 0)


def check_vms(airlockd, guests, expected):
    for i, (name, counts) in enumerate(expected["vms"].items()):
        vm = airlockd.ask(f"/airlock/vm,{name}")
        same(f"{name}, delivered", [vm["delivered_packets"], vm["delivered_bytes"]], counts)
        same(f"{name}, drops", vm["rx_drops"], {"total": 0})
        port = guests[i // PORTS].ask(f"/ethdev/stats,{i % PORTS}")
        same(f"{name}, arrived", [port["ipackets"], port["ibytes"]], counts)


def check_balance(balance, expected):
    delivered = sum(packets for packets, _ in expected["vms"].values())
    same("balance", balance, {
        "received": expected["packets"], "split": expected["split"], "parts": expected["parts"],
        "delivered": delivered, "dropped": sum(expected["drops"].values()), "in_flight": 0,
        "balanced": "yes"})


def main():
    arguments = sys.argv[1:]
    only_received = arguments[0] == "--received"
    path, nb_fillers, *prefixes = arguments[only_received:]
    with open(path, encoding="ascii") as file:
        expected = json.load(file)
    expected["packets"] += int(nb_fillers)
    expected["bytes"] += 14 * int(nb_fillers)
    expected["drops"]["unknown_mac"] += int(nb_fillers)
    airlockd, *guests = map(Client, prefixes)
    uplink = airlockd.ask("/airlock/uplinks")["0"]
    if only_received:
        sys.exit(uplink["received_packets"] < expected["packets"])
    check_uplink(uplink, expected)
    check_vms(airlockd, guests, expected)
    check_balance(airlockd.ask("/airlock/balance"), expected)
    sys.exit(1 if wrong else 0)


main()
