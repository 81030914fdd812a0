#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# When a guest is told of packets: where it asks for that, and never else; with and without
# VIRTIO_RING_F_EVENT_IDX (VIRTIO 1.2, 2.7.7). And that airlockd, which polls, asks for no kicks.
#
#   kicks.py event-idx|flags SOCKET INTERFACE MAC
#
# SOCKET is where airlockd listens for the VM with this MAC; INTERFACE is the far end of its uplink.
# Packets come one at a time. Whether a packet has made a call is asked when the next has arrived:
# until then the call might still be on its way.

import socket
import sys
import time

import guest

# So long nothing may come: against hanging, and no measure of anything.
PATIENCE_S = 15
SENDER = bytes.fromhex("02a000000001")
TYPE = b"\x88\xb5"
# The indexes go round within the test.
BASE = 65400


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what}: not in {PATIENCE_S} s")
        time.sleep(0.0005)


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: {found}, expected {expected}")


class Test:
    """A guest and the wire."""

    def __init__(self, path, interface, mac, features):
        self.mac = mac
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.wire.bind((interface, 0))
        self.wire.settimeout(PATIENCE_S)
        self.guest = guest.Guest(path, features, BASE)
        self.rx = self.guest.rx
        self.arrived = BASE
        self.sent = 0
        for _ in range(guest.RING):
            self.guest.post()
        self.come()

    def come(self):
        """Packets before the VM is up are lost: until one arrives, and then all that were sent. The
        first may make a call unasked, as the back end does not know yet what it has told."""
        end = time.monotonic() + PATIENCE_S
        while self.rx.used_index() == BASE:
            if time.monotonic() > end:
                sys.exit("no packet arrives")
            self.send()
            time.sleep(0.05)
        until(self.has_last, "the last packet")
        self.arrived = self.rx.used_index()
        self.rx.calls()

    def send(self):
        self.sent += 1
        self.wire.send((self.mac + SENDER + TYPE + self.sent.to_bytes(4, "big")).ljust(60, b"\0"))

    def has_last(self):
        """Whether the last packet that was sent lies in the last buffer that was used."""
        return self.rx.last_used()[14:18] == self.sent.to_bytes(4, "big")

    def deliver(self):
        """One packet, until it lies in the guest; one more buffer is posted."""
        self.send()
        self.arrived = (self.arrived + 1) & 0xffff
        until(lambda: self.rx.used_index() == self.arrived, "a packet")
        expect("whether it is that packet", self.has_last(), True)
        self.guest.post()

    def is_called_once(self, what):
        calls = []
        until(lambda: calls.append(self.rx.calls()) or sum(calls) > 0, what)
        expect(what, sum(calls), 1)

    def sends_unasked(self):
        """What the guest sends goes out although it kicks nobody."""
        data = (SENDER + self.mac + TYPE).ljust(60, b"\1")
        self.guest.transmit(data)
        while self.wire.recv(2048) != data:
            pass


def check_event_index(test):
    for ahead in 1, 2, 7, 40, 3, 100, 1, 1:
        # The call is due when the buffer number *event* is used: that is *ahead* packets from now.
        event = test.arrived + ahead - 1
        test.rx.set_used_event(event)
        for _ in range(ahead - 1):
            test.deliver()
            expect("calls before it asked for any", test.rx.calls(), 0)
        test.deliver()
        test.is_called_once(f"a call {ahead} packets on")
        for _ in range(5):
            test.deliver()
        expect("calls after the one that it asked for", test.rx.calls(), 0)
    test.sends_unasked()


def check_flags(test):
    for _ in range(3):
        test.rx.set_flags(guest.NO_INTERRUPT)
        for _ in range(20):
            test.deliver()
        expect("calls while it wants none", test.rx.calls(), 0)
        test.rx.set_flags(0)
        for _ in range(20):
            test.deliver()
            test.is_called_once("a call for a packet")
    expect("NO_NOTIFY in the TX ring", test.guest.tx.used_flags() & guest.NO_NOTIFY, 1)
    test.sends_unasked()


def main():
    what, path, interface, mac = sys.argv[1:]
    features, check = {
        "event-idx": (guest.VERSION_1 | guest.EVENT_IDX, check_event_index),
        "flags": (guest.VERSION_1, check_flags)}[what]
    check(Test(path, interface, bytes.fromhex(mac.replace(":", "")), features))


main()
