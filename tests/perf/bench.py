# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
"""What the measurements of tests/perf/pv have in common: packets, processes, and asking them."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

HOST_CPU = 0
GUEST_CPU = 1
PCAP_PACKETS = 512
TRAIN_PACKETS = 32
WAIT_S = 20
FCS_BYTES = 4
PAGE_BYTES = 4096
HEADROOM_BYTES = 128


def vm_mac(vm):
    return "52:54:00:00:00:%02x" % (vm + 1)


def data_bytes(size):
    """Bytes of a packet without its FCS, which a size below 1514 counts."""
    return size - FCS_BYTES if size < 1514 else size


def vm_of(i, vms, train=1):
    """The VM that the packet number i is for: each in turn gets a train of packets."""
    return vms[i // train % len(vms)]


def headers(i, vm, nb_bytes):
    """Ethernet, IP and UDP of a packet, which may be one of 64 flows."""
    packet = bytes.fromhex(vm_mac(vm).replace(":", "")) + b"\x02\0\0\0\0\1\x08\0"
    packet += struct.pack("!BBHHHBBH4s4s", 0x45, 0, nb_bytes - 14, i & 0xFFFF, 0, 64, 17, 0,
                          bytes([10, 0, 0, 1]), bytes([10, 0, 1, vm + 1]))
    return packet + struct.pack("!HHHH", 1000 + i % 64, 2000, nb_bytes - 34, 0)


def write_pcap(path, size, vms, train=1):
    nb_bytes = data_bytes(size)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(PCAP_PACKETS):
            packet = headers(i, vm_of(i, vms, train), nb_bytes).ljust(nb_bytes, b"\0")
            out.write(struct.pack("<IIII", i, 0, nb_bytes, nb_bytes) + packet)


class Telemetry:
    """A client of a DPDK process's telemetry socket."""

    def __init__(self, prefix):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(5)
        self.sock.connect("/var/run/dpdk/%s/dpdk_telemetry.v2" % prefix)
        self.sock.recv(4096)

    def ask(self, command):
        self.sock.send(command.encode())
        # The answer repeats the command without its parameter.
        return json.loads(self.sock.recv(65536))[command.split(",")[0]]


class Bench:
    """Starts and stops the processes of one run, in a directory of its own."""

    def __init__(self, args, directory):
        self.args = args
        self.directory = directory
        self.serial = 0

    def start(self, name, command, preload=(), cpu=None, **variables):
        """With a CPU, all of its threads run there: also those that EAL and agents start."""
        env = dict(os.environ, **variables)
        pin = None if cpu is None else lambda: os.sched_setaffinity(0, [cpu])
        if preload:
            env["LD_PRELOAD"] = ":".join(preload)
        with open(self.directory / (name + ".log"), "wb") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    cwd=self.directory, env=env, preexec_fn=pin)

    def pcap_port(self, i, pcap):
        return "net_pcap%d,rx_pcap=%s,infinite_rx=1" % (i, pcap)

    def host_eal(self, prefix, ports):
        eal = ["--no-pci", "--in-memory", "-m", "256", "--file-prefix", prefix,
               "--lcores", "0@%d,1@%d" % (GUEST_CPU, HOST_CPU)]
        for port in ports:
            eal += ["--vdev", port]
        return eal

    def connect(self, name, process, prefix):
        """Telemetry answers once all ports are there; a virtio-user port waits for its peer."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                return Telemetry(prefix)
            time.sleep(0.1)
        sys.exit("pv: %s did not start; its log:\n%s" % (
            name, (self.directory / (name + ".log")).read_text()))

    def connect_all(self, guests, prefix):
        return [self.connect("guest%d" % i, guest, "%s%d" % (prefix, i))
                for i, guest in enumerate(guests)]

    def stop(self, processes):
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(WAIT_S)
            process.kill()
            process.wait()
