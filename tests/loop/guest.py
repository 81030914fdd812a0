# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A guest as vhost-user sees it, with one pair of split rings (VIRTIO 1.2, 2.7) and none of a
# driver's wisdom: a test says what stands in each field. Numbers of messages and their layout are
# those of QEMU's vhost-user specification.

import array
import mmap
import os
import socket
import struct

EVENT_IDX = 1 << 29
VERSION_1 = 1 << 32
NO_INTERRUPT = 1  # in the available ring
NO_NOTIFY = 1  # in the used ring

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 8, 9, 10
SET_VRING_KICK, SET_VRING_CALL = 12, 13
VERSION = 1
NO_FD = 1 << 8

MEMORY_BYTES = 2 << 20
USER_ADDRESS = 0x10000000
RING = 256
RING_BYTES = 0x4000
BUFFERS = 0x10000
BUFFER_BYTES = 2048
HEADER_BYTES = 12
WRITABLE = 2


class Ring:
    """A split ring, its buffers, and the eventfd by which it is told of used ones."""

    def __init__(self, memory, number, base):
        self.memory = memory
        self.base = base
        self.descriptors = number * RING_BYTES
        self.available = self.descriptors + 0x1000
        self.used = self.descriptors + 0x2000
        self.buffers = BUFFERS + number * RING * BUFFER_BYTES
        self.call = os.eventfd(0, os.EFD_NONBLOCK)
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.next = base
        struct.pack_into("<H", memory, self.available + 2, base)
        struct.pack_into("<H", memory, self.used + 2, base)

    def put(self, length, flags, data=b""):
        """Make the next buffer available."""
        slot = self.next % RING
        address = self.buffers + slot * BUFFER_BYTES
        self.memory[address:address + HEADER_BYTES + len(data)] = bytes(HEADER_BYTES) + data
        struct.pack_into("<QIHH", self.memory, self.descriptors + 16 * slot, address, length,
                         flags, 0)
        struct.pack_into("<H", self.memory, self.available + 4 + 2 * slot, slot)
        self.next = (self.next + 1) & 0xffff
        struct.pack_into("<H", self.memory, self.available + 2, self.next)

    def used_index(self):
        return struct.unpack_from("<H", self.memory, self.used + 2)[0]

    def last_used(self):
        """What lies in the buffer that was used last."""
        entry = self.used + 4 + 8 * ((self.used_index() - 1) % RING)
        slot, length = struct.unpack_from("<II", self.memory, entry)
        address = self.buffers + slot * BUFFER_BYTES
        return self.memory[address + HEADER_BYTES:address + length]

    def used_flags(self):
        return struct.unpack_from("<H", self.memory, self.used)[0]

    def set_flags(self, flags):
        struct.pack_into("<H", self.memory, self.available, flags)

    def set_used_event(self, index):
        """Say by which buffer's use to be told."""
        struct.pack_into("<H", self.memory, self.available + 4 + 2 * RING, index & 0xffff)

    def calls(self):
        """How often it was told since the last time."""
        try:
            return os.eventfd_read(self.call)
        except BlockingIOError:
            return 0


class Guest:
    """Connects to a back end that listens; base is where the rings' indexes begin."""

    def __init__(self, path, features, base=0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, MEMORY_BYTES)
        self.memory = mmap.mmap(self.memfd, MEMORY_BYTES)
        self.rx, self.tx = (Ring(self.memory, number, base) for number in range(2))
        self.send(SET_OWNER)
        if features & ~self.offered():
            raise ValueError(f"offered features are {self.offered():#x} only")
        self.send(SET_FEATURES, struct.pack("<Q", features))
        self.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, MEMORY_BYTES, USER_ADDRESS, 0),
                  [self.memfd])
        for number, ring in enumerate((self.rx, self.tx)):
            self.set_up(number, ring)

    def send(self, request, payload=b"", fds=()):
        message = struct.pack("<III", request, VERSION, len(payload)) + payload
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message], rights)

    def offered(self):
        self.send(GET_FEATURES)
        return struct.unpack("<IIIQ", self.socket.recv(20, socket.MSG_WAITALL))[3]

    def set_up(self, number, ring):
        self.send(SET_VRING_NUM, struct.pack("<II", number, RING))
        self.send(SET_VRING_BASE, struct.pack("<II", number, ring.base))
        self.send(SET_VRING_ADDR, struct.pack("<IIQQQQ", number, 0, USER_ADDRESS + ring.descriptors,
                                              USER_ADDRESS + ring.used,
                                              USER_ADDRESS + ring.available, 0))
        self.send(SET_VRING_CALL, struct.pack("<Q", number), [ring.call])
        self.send(SET_VRING_KICK, struct.pack("<Q", number), [ring.kick])

    def post(self):
        """A buffer for a packet."""
        self.rx.put(BUFFER_BYTES, WRITABLE)

    def transmit(self, data):
        """Send a packet, without a word to the back end."""
        self.tx.put(HEADER_BYTES + len(data), 0, data)
