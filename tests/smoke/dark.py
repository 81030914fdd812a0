#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Ends airlockd by a signal and looks when the windows of its guests are dark: when no page of their
# mappings of the pool is present. Prints the milliseconds that it took after the end of airlockd.
#
#   dark.py SIGNAL AIRLOCKD_PID POOL GUEST_PID...

import array
import contextlib
import os
import pathlib
import signal
import sys
import time

PAGE = 4096
PRESENT = 1 << 63
DEADLINE_S = 20


def windows(pid, pool):
    """Address and bytes of each mapping of the pool."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].rstrip("\n") == pool:
                start, end = (int(number, 16) for number in fields[0].split("-"))
                yield start, end - start


def nb_present(pid, mappings):
    nb = 0
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        for start, length in mappings:
            entries = array.array("Q")
            entries.frombytes(os.pread(pagemap.fileno(), length // PAGE * 8, start // PAGE * 8))
            nb += sum(entry & PRESENT != 0 for entry in entries)
    return nb


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def tasks(pid):
    """What each thread is at, in the kernel."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            yield f"  {(task / 'comm').read_text().strip()}: {(task / 'syscall').read_text()}"
            yield (task / "stack").read_text()


def wait_for(condition, what, pid):
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{what}, {DEADLINE_S} seconds after the signal\n" + "".join(tasks(pid)))


def main():
    number = getattr(signal, f"SIG{sys.argv[1]}")
    airlockd, pool = int(sys.argv[2]), sys.argv[3]
    guests = {int(pid): list(windows(pid, pool)) for pid in sys.argv[4:]}
    for pid, mappings in guests.items():
        if not mappings or nb_present(pid, mappings) == 0:
            sys.exit(f"process {pid} sees no page of {pool}")
    os.kill(airlockd, number)
    wait_for(lambda: has_ended(airlockd), "airlockd has not ended", airlockd)
    ended = time.monotonic()
    for pid, mappings in guests.items():
        wait_for(lambda: nb_present(pid, mappings) == 0, f"process {pid} still sees pages", pid)
    print(f"{(time.monotonic() - ended) * 1000:.1f}")


main()
