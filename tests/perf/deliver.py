# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
"""airlockd's ways of delivery against each other: copy, remap, and what it chooses itself.

Each VM is a process of its own, because a process has one window. They share a CPU, and give it up
whenever they have nothing to do (tests/perf/yield.c). The other CPU has nothing but the lcore.
"""

import bisect
import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

import bench
from bench import FCS_BYTES, GUEST_CPU, PAGE_BYTES, TRAIN_PACKETS, WAIT_S

MAX_MTU = 65381
# What airlockd is told for each way.
WAYS = {
    "copy": ("copy", "always"),
    "remap": ("remap", "never"),
    "auto": ("auto", "auto"),
}
# Of a VM's window in telemetry: what counts up while packets are delivered.
COUNTERS = ("mapped", "map_calls", "map_ns", "unmapped", "unmap_runs", "unmap_ns",
            "scrubbed_bytes", "scrub_ns", "remapped_packets", "copied_packets")

Case = collections.namedtuple("Case", "size nb_vms source spread")
Run = collections.namedtuple("Run", "rate lcore window copy_below")


class Floor:
    """What the kernel takes at least, by remap_floor_perf_autotest, in huge folios."""

    def __init__(self, build):
        command = [build + "/tests/unit/airlock-test", "--no-huge", "--no-pci",
                   "-m", "64", "--lcores", "0@0,1@1", "--file-prefix", "pv-floor-%d" % os.getpid()]
        env = dict(os.environ, DPDK_TEST="remap_floor_perf_autotest")
        output = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
        lines = [line.split() for line in output.splitlines() if line.startswith("floor ")]
        # The lower of the two floors: a thread beside makes unmapping dearer.
        rows = [row for row in lines if row[1] == "huge" and row[2] == "alone"]
        if not rows:
            sys.exit("pv: no floor of remap for huge folios")
        self.runs = [int(row[3]) for row in rows]
        self.map_ns = [float(row[4]) for row in rows]
        self.unmap_ns = [float(row[5]) for row in rows]

    def of(self, by_page, run):
        """Nanoseconds by the page in runs of some mean length: on a line between whole runs."""
        i = bisect.bisect_left(self.runs, run)
        if i == 0 or i == len(self.runs):
            return by_page[min(i, len(self.runs) - 1)]
        low, high = self.runs[i - 1], self.runs[i]
        share = (run - low) / (high - low)
        return (by_page[i - 1] * low * (1 - share) + by_page[i] * high * share) / run

    def show(self):
        print("%-24s" % "pages of a run" + "".join("%8d" % run for run in self.runs))
        for what, by_page in (("map", self.map_ns), ("unmap", self.unmap_ns)):
            print("%-24s" % ("floor: %s, ns a page" % what) +
                  "".join("%8.1f" % ns for ns in by_page))


class Ways(bench.Bench):
    """airlockd, and a guest process for each VM."""

    def start_guests(self, prefix, way, case, frame_bytes):
        guests = []
        # A guest that had to be killed leaves its socket, and airlockd the pool of VMs with windows.
        for left in (*self.directory.glob("*.sock"), *self.directory.glob("pool")):
            left.unlink()
        for vm in range(case.nb_vms):
            command = ["dpdk-testpmd", "--no-pci", "--in-memory", "--single-file-segments",
                       "-m", "128", "--file-prefix", "%s%d" % (prefix, vm),
                       "--lcores", "0@%d,1@%d" % (GUEST_CPU, GUEST_CPU), "--vdev",
                       "net_virtio_user0,path=%s/vm%d.sock,server=1,queue_size=%d,mac=%s" % (
                           self.directory, vm, self.args.ring, bench.vm_mac(vm)),
                       "--", "--forward-mode=rxonly", "--auto-start", "--stats-period=60",
                       "--rxd=%d" % self.args.ring, "--txd=512",
                       "--total-num-mbufs=%d" % (3 * self.args.ring),
                       "--mbuf-size=%d" % min(frame_bytes, 65535)]
            preload, variables = [], {}
            if case.nb_vms > 1:
                preload.append(self.args.build + "/tests/perf/libairlock-yield.so")
            if way != "copy":
                preload.append(self.args.build + "/app/guest/libairlock-guest.so")
                variables["AIRLOCK_WINDOW"] = "%s/vm%d.window" % (self.directory, vm)
                variables["AIRLOCK_WAIT"] = str(WAIT_S)
            guests.append(self.start("guest%d" % vm, command, preload, GUEST_CPU, **variables))
        return guests

    def start_airlockd(self, prefix, way, case):
        deliver, copy_below = WAYS[way]
        preload, variables = [], {}
        if case.source == "pcap":
            pcap = self.directory / "all.pcap"
            bench.write_pcap(pcap, case.size, range(case.nb_vms), train_of(case))
            port = self.pcap_port(0, pcap)
        else:
            port = "net_null0,size=%d,copy=0" % bench.data_bytes(case.size)
            preload.append(self.args.build + "/tests/perf/libairlock-address.so")
            variables["AIRLOCK_PV_VMS"] = str(case.nb_vms)
            variables["AIRLOCK_PV_TRAIN"] = str(train_of(case))
        command = [self.args.build + "/app/airlockd/airlockd"] + self.host_eal(prefix, [port])
        command += ["--", "--run-dir", str(self.directory), "--copy-below", copy_below,
                    "--pool-pages", str(pool_pages_of(self.args.frames, case.size)),
                    "--uplink", "port=0,desc=64,mtu=%d" % mtu_of(case.size)]
        for vm in range(case.nb_vms):
            command += ["--vm", "name=vm%d,mac=%s,deliver=%s" % (vm, bench.vm_mac(vm), deliver)]
        return self.start("airlockd", command, preload, **variables)

    def wait_for(self, what, condition):
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(KeyError, TypeError, json.JSONDecodeError):
                if condition():
                    return
            time.sleep(0.1)
        logs = "\n".join(log.read_text() for log in sorted(self.directory.glob("*.log")))
        sys.exit("pv: %s: waited for %d seconds; logs:\n%s" % (what, WAIT_S, logs))

    def window(self, host, nb_vms):
        """Sums over all VMs, and the first one's thresholds, by the length of runs."""
        answers = [host.ask("/airlock/vm,vm%d" % vm).get("window", {}) for vm in range(nb_vms)]
        sums = {name: sum(answer.get(name, 0) for answer in answers) for name in COUNTERS}
        return sums, answers[0].get("copy_below", [])

    def run(self, way, case):
        self.serial += 1
        prefix = "pv-%d-%d" % (os.getpid(), self.serial)
        guests = self.start_guests(prefix + "-guest", way, case, frame_bytes_of(case.size))
        processes = guests + [self.start_airlockd(prefix + "-host", way, case)]
        try:
            host = self.connect("airlockd", processes[-1], prefix + "-host")
            peers = self.connect_all(guests, prefix + "-guest")

            def received():
                return [peer.ask("/ethdev/stats,0")["ipackets"] for peer in peers]

            if way != "copy":
                self.wait_for("a window of each VM", lambda: all(
                    host.ask("/airlock/vm,vm%d" % vm)["window"]["state"] == "up"
                    for vm in range(case.nb_vms)))
            self.wait_for("traffic in each VM", lambda: min(received()) > 1000)
            time.sleep(self.args.settle)
            window, _ = self.window(host, case.nb_vms)
            before, start_s = received(), time.monotonic()
            time.sleep(self.args.seconds)
            after, stop_s = received(), time.monotonic()
            window_after, copy_below = self.window(host, case.nb_vms)
            lcore = host.ask("/airlock/lcores,1")
        finally:
            # Without airlockd a window is dark, and a guest waits for what it would read there.
            self.stop(guests)
            self.stop(processes[-1:])
        packets = sum(after) - sum(before)
        window = {name: window_after[name] - window[name] for name in COUNTERS}
        return Run(packets / (stop_s - start_s), lcore, window, copy_below)


def train_of(case):
    return TRAIN_PACKETS if case.spread == "trains" else 1


def mtu_of(size):
    return max(1500, min(MAX_MTU, bench.data_bytes(size) - 14))


def frame_bytes_of(size):
    """As airlockd makes frames: headroom, packet, two VLAN tags, in as many pages as that takes."""
    pages = -(-(bench.HEADROOM_BYTES + mtu_of(size) + 14 + 8 + FCS_BYTES) // PAGE_BYTES)
    return PAGE_BYTES * pages


def pool_pages_of(frames, size):
    """A window is a power of two: so there may be more frames, up to twice as many."""
    pages = frames * frame_bytes_of(size) // PAGE_BYTES
    return 1 << (pages - 1).bit_length()


def per(amount, number):
    return amount / number if number else 0.0


def describe(floor, case, run):
    """Nanoseconds a packet, of those that were remapped; runs in pages."""
    w = run.window
    if w["remapped_packets"] == 0:
        return "%7s %7s %7s %6s %6s %6.1f" % ("-", "-", "-", "-", "-", 0)
    frame_pages = frame_bytes_of(case.size) // PAGE_BYTES
    map_run = per(w["mapped"], w["map_calls"]) * frame_pages
    unmap_run = per(w["unmapped"], w["unmap_runs"]) * frame_pages
    least = floor.of(floor.map_ns, map_run) + floor.of(floor.unmap_ns, unmap_run)
    taken = (per(w["map_ns"], w["mapped"]) + per(w["unmap_ns"], w["unmapped"])) / frame_pages
    return "%7.1f %7.1f %7.1f %6.1f %6.2f %6.1f" % (
        per(w["map_ns"], w["remapped_packets"]), per(w["unmap_ns"], w["remapped_packets"]),
        per(w["scrub_ns"], w["remapped_packets"]), map_run, taken / least,
        100 * per(w["remapped_packets"], w["remapped_packets"] + w["copied_packets"]))


def thresholds(run):
    """For single frames, and for the longest runs."""
    texts = ["never" if bytes_ >= 0xFFFFFFFF else str(bytes_) for bytes_ in run.copy_below]
    return "/".join(texts[:1] + texts[-1:])


def report(floor, case, way, runs, ratios):
    median = statistics.median_low(range(len(runs)))
    middle = sorted(runs, key=lambda run: run.rate)[median]
    ratio = "%8s %13s" % ("-", "-")
    if ratios:
        ratio = "%8.2f %13s" % (statistics.median(ratios), "%.2f-%.2f" % (min(ratios), max(ratios)))
    print("%6d %4d %6s %12s %6s %8.2f %s %s %11s %8d" % (
        case.size, case.nb_vms, case.source, case.spread, way,
        statistics.median(run.rate for run in runs) / 1e6, ratio, describe(floor, case, middle),
        thresholds(middle) if way == "auto" else "-",
        middle.lcore["handoff_cycles_per_packet"]), flush=True)


def measure(ways, args, floor, case):
    """All ways in turn, in one order and then in the other: neighbours make a pair."""
    runs = {way: [] for way in args.deliver}
    for rep in range(args.reps):
        for way in args.deliver if rep % 2 == 0 else args.deliver[::-1]:
            runs[way].append(ways.run(way, case))
    for way in args.deliver:
        ratios = []
        if way != "copy" and "copy" in runs:
            ratios = [a.rate / b.rate for a, b in zip(runs[way], runs["copy"])]
        report(floor, case, way, runs[way], ratios)


def compare(args, directory):
    floor = Floor(args.build)
    floor.show()
    print("\n%6s %4s %6s %12s %6s %8s %8s %13s %7s %7s %7s %6s %6s %6s %11s %8s" % (
        "bytes", "VMs", "source", "spread", "way", "Mpps", "to copy", "min-max", "map", "unmap",
        "scrub", "run", "floor", "remap%", "copy<", "handoff"))
    ways = Ways(args, directory)
    for size in args.sizes:
        for nb_vms in args.vms:
            for source in args.source:
                # One VM has one spread.
                for spread in args.spread if nb_vms > 1 else args.spread[:1]:
                    measure(ways, args, floor, Case(size, nb_vms, source, spread))
