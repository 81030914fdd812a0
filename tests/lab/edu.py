#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Drives edu, a VM's device that copies between memory and a buffer of its own, as a program of the
# VM's owner does: by the descriptor that airlockd gives away, and which it keeps to its end.
#
#   edu.py SOCKET POOL      SOCKET is <run-dir>/<vm>.device. Prints the device's name, then reads
#                           commands from its standard input, a line each, and answers with a line
#
#   copy FROM TO            from page to page: copied, unchanged, or changed into something else
#   reach FROM PAGE...      of these pages, those into which something is copied from FROM
#
# What a page holds is put there by way of the pool's file, for the copy alone, and taken out again.

import ctypes
import fcntl
import mmap
import os
import socket
import struct
import sys
import time

PAGE = 4096
AT = 2048  # behind any packet
BYTES = 64

# linux/vfio.h
VFIO_DEVICE_GET_REGION_INFO = 0x3B6C
REGION_INFO = struct.Struct("=IIIIQQ")
BAR0, CONFIG = 0, 7
# linux/pci_regs.h
PCI_COMMAND = 4
PCI_COMMAND_MEMORY, PCI_COMMAND_MASTER = 2, 4
# QEMU's docs/specs/edu
DMA_FROM, DMA_TO, DMA_BYTES, DMA_COMMAND = 0x80, 0x88, 0x90, 0x98
DMA_START, DMA_TO_MEMORY = 1, 2
BUFFER = 0x40000


def take(path):
    """Name and descriptor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(path)
        name, fds, _, _ = socket.recv_fds(client, 256, 1)
    return name.decode(), fds[0]


class Edu:
    def __init__(self, fd):
        size, offset = self.region(fd, CONFIG)
        command = struct.pack("<H", PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
        os.pwrite(fd, command, offset + PCI_COMMAND)
        size, offset = self.region(fd, BAR0)
        self.bar = mmap.mmap(fd, size, offset=offset)

    @staticmethod
    def region(fd, index):
        info = bytearray(REGION_INFO.pack(REGION_INFO.size, 0, index, 0, 0, 0))
        fcntl.ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info)
        return REGION_INFO.unpack(info)[4:]

    def register(self, at):
        """In one access of 8 bytes."""
        return ctypes.c_uint64.from_buffer(self.bar, at)

    def dma(self, source, to, command):
        for at, value in ((DMA_FROM, source), (DMA_TO, to), (DMA_BYTES, BYTES)):
            self.register(at).value = value
        self.register(DMA_COMMAND).value = command | DMA_START
        while self.register(DMA_COMMAND).value & DMA_START:
            time.sleep(0.01)

    def read(self, page):
        self.dma(page * PAGE + AT, BUFFER, 0)

    def write(self, page):
        self.dma(BUFFER, page * PAGE + AT, DMA_TO_MEMORY)


class Memory:
    """A part of each page of the pool."""

    def __init__(self, path):
        with open(path, "r+b") as pool:
            self.pool = mmap.mmap(pool.fileno(), 0)

    def get(self, page):
        return self.pool[page * PAGE + AT : page * PAGE + AT + BYTES]

    def put(self, page, data):
        self.pool[page * PAGE + AT : page * PAGE + AT + BYTES] = data


class Probe:
    def __init__(self, edu, memory):
        self.edu, self.memory = edu, memory

    def load(self, page):
        """Have the device read something from a page; what that is."""
        before, mark = self.memory.get(page), os.urandom(BYTES)
        self.memory.put(page, mark)
        self.edu.read(page)
        self.memory.put(page, before)
        return mark

    def store(self, page, mark):
        """Have it written to another page; what becomes of that."""
        before, other = self.memory.get(page), os.urandom(BYTES)
        self.memory.put(page, other)
        self.edu.write(page)
        now = self.memory.get(page)
        self.memory.put(page, before)
        return {mark: "copied", other: "unchanged"}.get(now, "changed")

    def copy(self, source, to):
        return self.store(to, self.load(source))

    def reach(self, source, *pages):
        mark = self.load(source)
        return " ".join(str(page) for page in pages if self.store(page, mark) != "unchanged")


def main():
    socket_path, pool = sys.argv[1:]
    name, fd = take(socket_path)
    probe = Probe(Edu(fd), Memory(pool))
    print(name, flush=True)
    for line in sys.stdin:
        command, *pages = line.split()
        run = {"copy": probe.copy, "reach": probe.reach}[command]
        print(run(*(int(page) for page in pages)), flush=True)


main()
