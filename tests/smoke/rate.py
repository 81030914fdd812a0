#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# How many bits a second reach the RX ring of a VM: what is delivered, and what found the ring full;
# all packets have BYTES bytes. Counters and time are airlockd's, of one answer.
#
#   rate.py SOCKET VM BYTES                  prints them
#   rate.py SOCKET VM BYTES LIMITED rx|tx    are they, within 2 %, what that limit lets through?
#
# A limit says how much may pass; that all of it does pass can be asked only while more is offered.
# So the time goes from one look that finds packets dropped because of the limit to another one, and
# meanwhile there must have been such drops again and again. If they come twice within the burst's
# time, nothing of the limit was left unused between them. A sender, an lcore or a looker without the
# CPU for longer makes it useless: what was unused then nobody can have afterwards.

import sys
import time

from control import Client

SECONDS = 8
LOOK_SECONDS = 0.05
DRAIN_SECONDS = 20
TOLERANCE = 0.02


class Look:
    def __init__(self, stats, name, limited=None, direction=None):
        vm = stats["vms"][name]
        drops = vm["rx_drops"]
        self.ns = stats["time_ns"]
        self.packets = vm["delivered_packets"] + drops["total"] - drops.get("rate", 0)
        if limited is not None:
            self.over = stats["vms"][limited][f"{direction}_drops"].get("rate", 0)


def rate(start, end, size):
    return round((end.packets - start.packets) * size * 8 * 1e9 / (end.ns - start.ns))


def next_over(look, last, patience_ns):
    """The next look that finds more packets dropped because of the limit; None: too late."""
    now = last
    while now.over <= last.over:
        time.sleep(LOOK_SECONDS)
        now = look()
        if now.ns - last.ns > patience_ns:
            return None
    return now


def measure(look, burst_ns):
    """The first look and the last; None: there is no saying."""
    # The change may be young, and its bucket full.
    start = now = next_over(look, look(), DRAIN_SECONDS * 1e9)
    while now is not None and now.ns - start.ns < SECONDS * 1e9:
        # Each look is up to one look behind the drop that it finds.
        now = next_over(look, now, burst_ns / 2)
    if start is None:
        print(f"nothing was over the limit for {DRAIN_SECONDS} s")
    elif now is None:
        print(f"nothing was over the limit for {burst_ns / 2e6:.0f} ms, or nobody looked")
    return now and (start, now)


def hold(client, name, size, limited, direction):
    vm = client.get("config.get")["vms"][limited]
    limit, burst = vm[f"{direction}-rate"], vm[f"{direction}-burst"]
    # Once more if there was no CPU: that is no fault of the limit, nor a proof of it.
    for _ in range(2):
        looks = measure(lambda: Look(client.get("stats.get"), name, limited, direction),
                        burst * 8e9 / limit)
        if looks is not None:
            break
    else:
        sys.exit(f"{limited} does not send enough to hold its limit against that")
    found = rate(*looks, size)
    print(f"{direction}-rate of {limited}: {found} bits a second of {size} bytes, limit {limit}, in"
          f" {(looks[1].ns - looks[0].ns) / 1e9:.1f} s")
    if abs(found - limit) > limit * TOLERANCE:
        sys.exit(f"{100 * found / limit - 100:+.2f} %")


def main():
    path, name, size, *limit = sys.argv[1:]
    client = Client(path)
    if limit:
        hold(client, name, int(size), *limit)
        return
    start = Look(client.get("stats.get"), name)
    time.sleep(2)
    print(rate(start, Look(client.get("stats.get"), name), int(size)))


if __name__ == "__main__":
    main()
