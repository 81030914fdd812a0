#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# What a Prometheus knows of airlockd, held against what airlockctl says, and the dashboard held
# against both.
#
#   prometheus.py URL same STATS LCORES PAGES   files with airlockctl's --json
#   prometheus.py URL exposed PAGES             URL is airlockd's own: what it has of the pool
#   prometheus.py URL scraped SINCE             the last scrape was later, in seconds of the epoch
#   prometheus.py URL dashboard FILE EXPOSITION
#   prometheus.py URL query QUERY               its one value

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request



def query(expression):
    """[(labels, value)]; an error of Prometheus is an exception."""
    with urllib.request.urlopen(
            f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": expression})) as answer:
        result = json.load(answer)["data"]["result"]
    return [(r["metric"], float(r["value"][1])) for r in result]


def exposition():
    """[(labels, value)] of what airlockd itself says."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    samples = []
    for line in lines:
        if line.startswith("#"):
            continue
        name, labels, value = re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line).groups()
        samples.append(({"__name__": name, **dict(re.findall(r'(\w+)="(.*?)"', labels or ""))},
                        float(value)))
    return samples


class Comparison:
    def __init__(self, samples):
        self.seen = {}
        self.held = 0
        for labels, value in samples:
            name = labels.pop("__name__")
            for label in ("instance", "job"):
                labels.pop(label, None)
            self.seen[name, frozenset(labels.items())] = value

    def hold(self, value, name, /, **labels):
        seen = self.seen.get((name, frozenset((k, str(v)) for k, v in labels.items())))
        if seen is None or seen != value and abs(seen - value) > (1e-6 if name.endswith("_seconds_total") else 0):
            sys.exit(f"{name}{labels}: the metrics have {seen}, airlockctl {value}")
        self.held += 1

    def hold_drops(self, drops, name, /, **labels):
        """All reasons, also those that airlockctl does not list because they are 0."""
        mine = {(key, str(value)) for key, value in labels.items()}
        of = [(dict(have)["reason"], value) for (metric, have), value in self.seen.items()
              if metric == name and mine <= have]
        if not of or sum(value for _, value in of) != drops["total"]:
            sys.exit(f"{name}{labels}: the metrics have {of}, airlockctl {drops}")
        for reason, _ in of:
            self.hold(drops.get(reason, 0), name, **labels, reason=reason)

    def vm(self, name, vm):
        for key in ("delivered_packets", "delivered_bytes", "taken_packets", "taken_bytes",
                    "connects", "memory_lost"):
            self.hold(vm[key], f"airlock_vm_{key}_total", vm=name)
        self.hold(vm["state"] == "up", "airlock_vm_up", vm=name)
        self.hold(1, "airlock_vm_info", vm=name, mac=vm["mac"], vlan=vm["vlan"],
                  deliver=vm["deliver"])
        for direction in ("rx", "tx"):
            self.hold(vm[f"{direction}_rate"] / 8 or math.inf,
                      f"airlock_vm_{direction}_limit_bytes_per_second", vm=name)
            self.hold_drops(vm[f"{direction}_drops"], f"airlock_vm_{direction}_drops_total",
                            vm=name)
        self.hold(vm["storm"] or math.inf, "airlock_vm_storm_limit_packets_per_second", vm=name)
        for queue in (k for k in vm if k.startswith("queue_")):
            for key, value in vm[queue].items():
                self.hold(value, f"airlock_vm_queue_{key}_total", vm=name, queue=queue[6:])
        if "window" in vm:
            self.window(name, vm["window"])

    def window(self, name, window):
        self.hold(window["state"] == "up", "airlock_window_up", vm=name)
        self.hold(window["device"], "airlock_window_device", vm=name)
        for key in ("quota", "held", "quarantined", "held_back"):
            self.hold(window[key], f"airlock_window_{key}_frames", vm=name)
        for key in ("remapped_packets", "remapped_bytes", "copied_packets", "copied_bytes",
                    "scrubbed_bytes", "interrupts", "map_calls", "map_errors", "unmap_runs",
                    "unmap_requests", "strays", "windows", "agents_refused"):
            self.hold(window[key], f"airlock_window_{key}_total", vm=name)
        for key in ("mapped", "unmapped", "resumed"):
            self.hold(window[key], f"airlock_window_{key}_frames_total", vm=name)
        for key in ("renewed", "over_quota"):
            self.hold(window[key], f"airlock_window_{key}_packets_total", vm=name)
        for key in ("scrub", "map", "unmap"):
            self.hold(window[f"{key}_ns"] / 1e9, f"airlock_window_{key}_seconds_total", vm=name)
        for i, value in enumerate(window["copy_below"]):
            self.hold(value, "airlock_window_copy_below_bytes", vm=name, run=1 << i)

    def uplink(self, port, uplink):
        self.hold(uplink["state"] == "up", "airlock_uplink_up", uplink=port)
        self.hold(uplink["mtu"], "airlock_uplink_mtu_bytes", uplink=port)
        self.hold(1, "airlock_uplink_info", uplink=port, name=uplink["name"])
        for key in ("received_packets", "received_bytes", "sent_packets", "sent_bytes",
                    "port_missed", "port_rx_errors", "port_no_page", "port_tx_errors"):
            self.hold(uplink[key], f"airlock_uplink_{key}_total", uplink=port)
        for direction in ("rx", "tx"):
            self.hold_drops(uplink[f"{direction}_drops"],
                            f"airlock_uplink_{direction}_drops_total", uplink=port)

    def lcore(self, lcore):
        number = lcore["lcore"]
        for key in ("uplink_queues", "vm_queues"):
            self.hold(lcore[key], f"airlock_lcore_{key}", lcore=number)
        self.hold(lcore["sleeps"], "airlock_lcore_sleeps_total", lcore=number)
        self.hold(lcore["inbox"], "airlock_lcore_inbox_packets", lcore=number)
        for work in ("rx", "tx", "classify", "handoff"):
            self.hold(lcore[f"{work}_packets"], "airlock_lcore_work_packets_total", lcore=number,
                      work=work)
        self.hold_drops(lcore["drops"], "airlock_lcore_drops_total", lcore=number)
        bursts = lcore["bursts"]
        self.hold(sum(bursts), "airlock_lcore_burst_packets_count", lcore=number)
        self.hold(sum(n * i for i, n in enumerate(bursts, 1)), "airlock_lcore_burst_packets_sum",
                  lcore=number)
        for most in (1, 2, 4, 8, 16, 32, 64):
            self.hold(sum(bursts[:most]), "airlock_lcore_burst_packets_bucket", lcore=number,
                      le=f"{most}.0")


    def pages(self, pages):
        for state in ("free", "card", "host", "leased", "released", "unmapping"):
            self.hold(pages[state], "airlock_pool_pages", state=state)
        if "cards" in pages:
            self.cards(pages["cards"])

    def cards(self, cards):
        self.hold(cards["frames"], "airlock_cards_frames")
        self.hold(cards["stuck"], "airlock_cards_stuck_frames")
        for key in ("taken", "given"):
            self.hold(cards[key], f"airlock_cards_{key}_frames_total")
        self.hold(cards["errors"], "airlock_cards_error_frames_total")
        self.hold(cards["take_calls"], "airlock_cards_take_calls_total")
        for key in ("take", "give"):
            self.hold(cards[f"{key}_ns"] / 1e9, f"airlock_cards_{key}_seconds_total")


def same(stats_file, lcores_file, pages_file):
    stats, lcores, pages = (json.load(open(f)) for f in (stats_file, lcores_file, pages_file))
    comparison = Comparison(query('{__name__=~"airlock_.*"}'))
    for name, vm in stats["vms"].items():
        comparison.vm(name, vm)
    for port, uplink in stats["uplinks"].items():
        comparison.uplink(port, uplink)
    for lcore in lcores:
        comparison.lcore(lcore)
    comparison.pages(pages)
    for key in ("received", "split", "delivered", "dropped"):
        comparison.hold(stats["balance"][key], f"airlock_balance_{key}_packets_total")
    print(f"{comparison.held} figures are the same")


def exposed(pages_file):
    comparison = Comparison(exposition())
    comparison.pages(json.load(open(pages_file)))
    print(f"{comparison.held} figures are the same")


def labels_of(expression):
    """Of each series; a rate has none before the second scrape."""
    deadline = time.monotonic() + 20
    labels = []
    while not labels and time.monotonic() < deadline:
        labels = [set(l) for l, _ in query(expression)]
        time.sleep(0 if labels else 0.2)
    return labels


def dashboard(file, exposition):
    there = set(re.findall(r"^(airlock_\w+)", open(exposition).read(), re.M))
    panels = json.load(open(file))["panels"]
    nb = 0
    for panel in panels:
        for target in panel["targets"]:
            expression = target["expr"]
            names = set(re.findall(r"\bairlock_\w+", expression))
            if not names or names - there:
                sys.exit(f"{panel['title']}: airlockd has no {names - there or 'metric in it'}")
            expression = expression.replace("$vm", ".*").replace("$__rate_interval", "1m")
            labels = labels_of(re.sub(r" > 0$", "", expression))
            wanted = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            if not labels or not all(wanted <= have for have in labels):
                sys.exit(f"{panel['title']}: {expression} has no series with {wanted}: {labels}")
            nb += 1
    if nb == 0:
        sys.exit(f"{file}: no panel asks anything")
    print(f"{nb} queries of the dashboard are answered")


url, command, *arguments = sys.argv[1:]
if command == "same":
    same(*arguments)
elif command == "exposed":
    exposed(*arguments)
elif command == "scraped":
    last = [value for _, value in query("timestamp(airlock_vm_up)")]
    sys.exit(0 if last and min(last) > float(arguments[0]) else 1)
elif command == "dashboard":
    dashboard(*arguments)
else:
    ((_, value),) = query(arguments[0])
    print(f"{value:.0f}")
