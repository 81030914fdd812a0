#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A control socket without a daemon, well-behaved and otherwise: for airlockctl's test.
#
#   fake_control.py DIRECTORY
#
# makes a socket DIRECTORY/NAME for each way to answer in WAYS, and says "ready". What it was asked
# goes to standard output, a request a line.

import json
import os
import socket
import sys
import threading
import time

BURSTS = [0] * 64
BURSTS[0], BURSTS[1], BURSTS[2], BURSTS[63] = 10, 4, 6, 20


def flows(what, packets):
    return {f"{what}_packets": packets, f"{what}_bytes": packets * 100}


def vm(name, mac, packets=0, **more):
    return {"name": name, "mac": mac, "state": "up" if packets else "down", "vlan": 0,
            "mirror": "none", "mirror_direction": "both", "connects": 1 if packets else 0, "memory_lost": 0, "features": "0x0", **flows("delivered", packets),
            **flows("taken", packets // 2), "rx_drops": {"total": 0}, "tx_drops": {"total": 0},
            "deliver": "copy", **more,
            "queue_0": {**flows("delivered", packets), **flows("taken", packets // 2), "rx_drops": 0}}


WINDOW = {"state": "up", "pid": 4711, "windows": 1, "resumed": 0, "agents_refused": 0, "quota": 200,
          "held": 50, "quarantined": 3, "copy_below": [256, 128, 0], **flows("remapped", 750),
          **flows("copied", 250), "timed_copies": 10, "copy_ns": 1000, "renewed": 7,
          "scrubbed_bytes": 4096, "scrub_ns": 2000, "interrupts": 2, "over_quota": 1, "mapped": 800,
          "map_calls": 100, "map_ns": 160000, "map_errors": 0, "unmapped": 700, "unmap_runs": 70,
          "unmap_requests": 7, "unmap_ns": 70000, "strays": 0, "device": 0, "held_back": 0,
          "refused": {"not_posted": 5}}
# version_1, ring_packed, mrg_rxbuf, csum, and one bit that has no name.
WEB = vm("web", "52:54:00:00:00:01", 1000, deliver="auto", features="0x20500008001",
         mirror="db", mirror_direction="rx",
         rx_drops={"total": 12, "quota": 2, "ring_full": 10}, tx_drops={"total": 1, "spoofed": 1},
         window=WINDOW)
DB = vm("db", "52:54:00:00:00:02")
# Never listed.
DMA = vm("dma", "52:54:00:00:00:03", 1, deliver="remap",
         window={**WINDOW, "device": 1, "held_back": 12})
UPLINK = {"port": 0, "name": "net_tap0", "state": "up", "mtu": 1500, "rx_queues": 1, "tx_queues": 2,
          **flows("received", 2000), **flows("sent", 500),
          "rx_drops": {"total": 30, "unknown_mac": 30}, "tx_drops": {"total": 0},
          "port_missed": 5, "port_rx_errors": 0, "port_no_page": 6, "port_tx_errors": 0}
LCORE = {"lcore": 1, "rx": "yes", "handoff": "yes", "tx": "no", "uplink_queues": 1, "vm_queues": 2,
         "iterations": 1000, "idle_iterations": 250, "busy_percent": 60, "sleeps": 9,
         "sleep_percent": 30, "rx_packets": 2000,
         "rx_cycles_per_packet": 35, "handoff_packets": 1000, "handoff_cycles_per_packet": 210,
         "inbox": 0, "drops": {"total": 9, "lcore_full": 9}, "bursts": BURSTS}
PAGES = {"pages": 8192, "frame_pages": 1, "huge": "yes", "free": 4096, "card": 1024, "host": 8,
         "leased": 2000, "released": 1064, "unmapping": 0, "violations": 0, "mempool_free": 4096,
         "agree": "yes"}
VERIFY = {"verdict": "clean", "pool_agrees": "yes", "violations": 0, "wrong_card_frames": 0,
          "windows": 1, "wrong_pages": 0}
BALANCE = {"received": 2000, "split": 0, "parts": 0, "delivered": 1970, "dropped": 30,
           "in_flight": 0, "balanced": "yes"}
CAPTURE = {
    "name": "why", "state": "running", "file": "/tmp/why", "point": "all", "direction": "both",
    "filter": "", "drops_only": "yes", "snaplen": 262144, "packets": 10, "missed": 2,
    "file_bytes": 1234,
}
CONFIG = {"file": "", "airlock": {"run-dir": "/run/airlock", "stats": 0, "idle": "adaptive",
                                  "idle-wait": 20000},
          "uplinks": {"0": {"queues": 2}},
          "vms": {"web": {"mac": "52:54:00:00:00:01", "vlan": 7, "mirror": "db"}},
          "lcores": {"1": "rx tx:web.0"}}
METHODS = {
    "capture.start": CAPTURE, "capture.stop": CAPTURE, "capture.list": [CAPTURE],
    "vm.list": [{key: one[key] for key in ("name", "mac", "state", "deliver")} for one in (WEB, DB)],
    "uplink.list": [UPLINK], "lcore.list": [LCORE], "pages.get": PAGES, "pages.verify": VERIFY,
    "vm.add": True, "vm.set": True, "vm.del": True, "log.set": True,
    "stats.reset": True, "config.save": {"file": "/etc/airlock.conf"}, "config.get": CONFIG,
    "version": {"airlock": "1.2.3", "dpdk": "DPDK 99"},
    "rpc.methods": [{"name": "version", "help": "none"}, {"name": "vm.list", "help": "none"}],
}


class Refused(Exception):
    """An error of JSON-RPC: code, message."""


class Daemon:
    """What a connection to a daemon in order is told."""

    def __init__(self):
        self.rounds = 0

    def stats(self):
        # Each time 500 packets more for one VM.
        self.rounds += 1
        web = {**WEB, **flows("delivered", 500 + 500 * self.rounds)}
        return {"vms": {"web": web, "db": DB}, "uplinks": {"0": UPLINK}, "balance": BALANCE}

    def result(self, method, params):
        if method == "stats.get":
            return self.stats()
        if method == "vm.show":
            if params["name"] == "\033[2J\n":
                return {**DB, "name": params["name"]}
            if params["name"] == "dma":
                return DMA
            if params["name"] not in ("web", "db"):
                raise Refused(-32602, f"vm.show: name '{params['name']}', expected the name of a VM")
            return WEB if params["name"] == "web" else DB
        if method == "echo":
            return params
        if method not in METHODS:
            raise Refused(-32601, f"method '{method}', rpc.methods lists those there are\n\033[2J")
        return METHODS[method]

    def answer(self, request):
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        try:
            answer["result"] = self.result(request["method"], request.get("params"))
        except Refused as error:
            answer["error"] = {"code": error.args[0], "message": error.args[1]}
        return (json.dumps(answer) + "\n").encode()


def good(client, daemon, request):
    client.sendall(daemon.answer(request))


def drip(client, daemon, request):
    for byte in daemon.answer(request):
        client.sendall(bytes([byte]))
        time.sleep(0.05)


def pieces(client, daemon, request):
    text = daemon.answer(request)
    for start in range(0, len(text), 20):
        client.sendall(text[start:start + 20])
        time.sleep(0.001)


def half(client, daemon, request):
    client.sendall(daemon.answer(request)[:30])
    raise ConnectionError


def closing(client, daemon, request):
    raise ConnectionError


def silent(client, daemon, request):
    time.sleep(3600)


def garbage(client, daemon, request):
    client.sendall(b'{"jsonrpc": "2.0", "id"\n')


def other_id(client, daemon, request):
    client.sendall(daemon.answer({**request, "id": request["id"] + 1}))


def no_id(client, daemon, request):
    client.sendall(b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "no JSON"}}\n')


def neither(client, daemon, request):
    client.sendall((json.dumps({"jsonrpc": "2.0", "id": request["id"]}) + "\n").encode())


def other_type(client, daemon, request):
    client.sendall((json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": 5}) + "\n").encode())


def wrong_pages(client, daemon, request):
    result = {**VERIFY, "verdict": "differs", "wrong_pages": 1, "vm": "web", "page": 77}
    client.sendall((json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n").encode())


def thrice(client, daemon, request):
    good(client, daemon, request)
    if daemon.rounds == 3:
        raise ConnectionError


def endless(client, daemon, request):
    while True:
        client.sendall(b" " * 1000000)


WAYS = {function.__name__: function for function in (
    good, drip, pieces, half, closing, silent, garbage, other_id, no_id, neither, other_type,
    wrong_pages, thrice, endless)}


def serve(client, way):
    daemon = Daemon()
    try:
        for line in client.makefile("rb"):
            request = json.loads(line)
            assert request["jsonrpc"] == "2.0" and "id" in request, request
            print(json.dumps([request["method"], request.get("params")]), flush=True)
            way(client, daemon, request)
    except OSError:
        pass
    client.shutdown(socket.SHUT_RDWR) if way in (half, closing, thrice) else None
    client.close()


def listen(path, way):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0], way), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def main():
    directory = sys.argv[1]
    for name, way in WAYS.items():
        listen(os.path.join(directory, name), way)
    # Nobody accepts here, and there is room for one; nor here, where nobody listens any more.
    full = socket.socket(socket.AF_UNIX)
    full.bind(os.path.join(directory, "full"))
    full.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(os.path.join(directory, "full"))
    gone = socket.socket(socket.AF_UNIX)
    gone.bind(os.path.join(directory, "gone"))
    gone.close()
    print("ready", flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    main()
