#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Looks every second whether counters of DPDK processes go on.
#
#   watch_flow.py SECONDS NAME:PID:PREFIX:QUESTION...
#
# QUESTION is one of ask.py to the process with this file prefix, for a number; without one, only
# the CPU time of process PID is looked at. Two seconds in a row without a packet are a stall: exit
# status 1. For each second without one a line says how much CPU time every process had in it: a
# process that had none was starved by the machine, and does not show a fault of its own. At the end
# a line "NAME PACKETS STILL_SECONDS" for each counter.

import os
import sys
import time

from ask import Client

TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
STALL_SECONDS = 2


class Watched:
    """A process, and perhaps a counter in it."""

    def __init__(self, text):
        self.name, self.pid, prefix, question = text.split(":", 3)
        self.question = question.split()
        self.client = Client(prefix) if self.question else None
        self.first = self.count = self.read() if self.question else 0
        self.cpu = self.cpu_ms()
        self.still = self.in_a_row = self.longest = 0

    def read(self):
        try:
            return self.client.ask(*self.question)
        except TimeoutError:
            sys.exit(f"{self.name}: no answer to {' '.join(self.question)}, {self.cpu_ms()} ms of CPU")

    def cpu_ms(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def look(self):
        """Whether it stands still; and the CPU time that it had."""
        cpu = self.cpu_ms()
        had, self.cpu = cpu - self.cpu, cpu
        if self.client is None:
            return False, had
        count = self.read()
        is_still = count == self.count
        self.count = count
        self.still += is_still
        self.in_a_row = self.in_a_row + 1 if is_still else 0
        self.longest = max(self.longest, self.in_a_row)
        return is_still, had


def main():
    seconds, watched = int(sys.argv[1]), [Watched(text) for text in sys.argv[2:]]
    before = begin = time.monotonic()
    while before - begin < seconds:
        time.sleep(1)
        looks = [(each.name, *each.look()) for each in watched]
        now = time.monotonic()
        names = [name for name, is_still, _ in looks if is_still]
        if names:
            had = ", ".join(f"{name} {ms}" for name, _, ms in looks)
            print(
                f"{now - begin:.1f} s: {' '.join(names)} without a packet for {now - before:.1f} s;"
                f" ms of CPU: {had}",
                file=sys.stderr,
            )
        before = now
    for each in watched:
        if each.client is not None:
            print(each.name, each.count - each.first, each.still)
    return any(each.longest >= STALL_SECONDS for each in watched)


if __name__ == "__main__":
    sys.exit(main())
