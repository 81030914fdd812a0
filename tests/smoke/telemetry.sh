#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# dpdk-telemetry.py gets what the manual page promises from every /airlock/ command, and no answer,
# nor any harm, from wrong ones.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

start_airlockd --lcores '0@0,1@1,2@0' -m 256 --no-pci --vdev net_null0 --vdev net_null1 -- \
    --uplink port=0 --uplink port=1 --vm name=web,mac=52:54:00:00:00:01,queues=2 \
    --vm name=db,mac=52:54:00:00:00:02,vlan=10,uplink=1

/usr/bin/python3 - "$AIRLOCKD_PREFIX" "$(printf 'x%.0s' {1..900})" <<'END'
import json
import subprocess
import sys

prefix, long_text = sys.argv[1:]
FLOWS = [f"{what}_{unit}" for what in ("delivered", "taken") for unit in ("packets", "bytes")]
UPLINK = {"name": str, "state": str, "mtu": int, "rx_queues": int, "tx_queues": int,
          "received_packets": int, "received_bytes": int, "sent_packets": int, "sent_bytes": int,
          "rx_drops": dict, "tx_drops": dict, "port_missed": int, "port_rx_errors": int,
          "port_no_page": int, "port_tx_errors": int}
QUEUE = {**dict.fromkeys(FLOWS, int), "rx_drops": int}
VM = {"name": str, "mac": str, "state": str, "vlan": int, "rx_rate": int, "tx_rate": int,
      "storm": int, "mirror": str, "mirror_direction": str, "connects": int, "memory_lost": int, "features": str, "deliver": str,
      **dict.fromkeys(FLOWS, int), "rx_drops": dict, "tx_drops": dict, "queue_0": dict}
PAGES = {"pages": int, "frame_pages": int, "huge": str, "free": int, "card": int, "host": int,
         "leased": int, "released": int, "unmapping": int, "violations": int, "mempool_free": int, "agree": str,
         "dma": str}
VERIFY = {"verdict": str, "pool_agrees": str, "violations": int, "wrong_card_frames": int, "windows": int,
          "wrong_pages": int}
WORKS = ("rx", "tx", "classify", "handoff")
LCORE = {"lcore": int, "rx": str, "handoff": str, "tx": str, "uplink_queues": int,
         "vm_queues": int, "iterations": int, "idle_iterations": int, "busy_percent": int,
         "sleeps": int, "sleep_percent": int,
         **{f"{work}_packets": int for work in WORKS},
         **{f"{work}_cycles_per_packet": int for work in WORKS}, "inbox": int, "drops": dict,
         "bursts": list}
BALANCE = {"received": int, "split": int, "parts": int, "delivered": int, "dropped": int,
           "in_flight": int, "balanced": str}
COMMANDS = ["/airlock/balance", "/airlock/cost", "/airlock/lcores", "/airlock/pages", "/airlock/pages/verify", "/airlock/uplinks",
            "/airlock/vm", "/airlock/vms"]
NOTHING = ["/airlock/vm", "/airlock/vm,", "/airlock/vm,nobody", "/airlock/vm,web,web",
           "/airlock/vm," + long_text, "/airlock/lcores,0", "/airlock/lcores,99",
           "/airlock/lcores,x", "/airlock/lcores,1x", "/airlock/nothing", "/airlock/",
           "/airlock/vm,%s%n"]


def ask(*commands):
    """One run of the client, one answer for each command."""
    result = subprocess.run(["dpdk-telemetry.py", "-f", prefix], text=True, timeout=60,
                            input="\n".join(commands) + "\nquit\n", capture_output=True)
    decoder, text, answers = json.JSONDecoder(), result.stdout, []
    while (start := text.find("{")) >= 0:
        answer, end = decoder.raw_decode(text[start:])
        answers.append(answer)
        text = text[start + end:]
    # The first tells of the client's connection.
    answers = [answer for answer in answers if "max_output_len" not in answer]
    assert len(answers) == len(commands), f"{commands}: {result.stdout} {result.stderr}"
    return [value for answer in answers for value in answer.values()]


def check(what, answer, keys):
    found = {key: type(value) for key, value in answer.items()}
    assert found == keys, f"{what}: {found}, expected {keys}"


uplinks, vms, web, db, pages, verify, lcores, lcore, balance = ask(
    "/airlock/uplinks", "/airlock/vms", "/airlock/vm,web", "/airlock/vm,db", "/airlock/pages",
    "/airlock/pages/verify", "/airlock/lcores", "/airlock/lcores,1", "/airlock/balance")
assert list(uplinks) == ["0", "1"], uplinks
for uplink in uplinks.values():
    check("/airlock/uplinks", uplink, UPLINK)
assert uplinks["1"]["name"] == "net_null1" and uplinks["1"]["state"] == "up", uplinks
assert uplinks["0"]["rx_drops"]["unknown_mac"] == uplinks["0"]["rx_drops"]["total"] > 0, uplinks
assert vms == {"names": ["web", "db"], "next": -1}, vms
check("/airlock/vm,web", web, {**VM, "queue_1": dict})
check("/airlock/vm,db", db, VM)
check("queue_1", web["queue_1"], QUEUE)
assert (db["mac"], db["vlan"], db["state"]) == ("52:54:00:00:00:02", 10, "down"), db
check("/airlock/pages", pages, PAGES)
check("/airlock/pages/verify", verify, VERIFY)
assert pages["free"] + pages["card"] + pages["host"] == pages["pages"], pages
assert lcores == [1, 2], lcores
check("/airlock/lcores,1", lcore, LCORE)
assert len(lcore["bursts"]) == 64 and sum(lcore["bursts"]) > 0, lcore
check("/airlock/balance", balance, BALANCE)

(listed,) = ask("/")
assert [name for name in listed if name.startswith("/airlock/")] == COMMANDS, listed
for command, (answer,) in zip(COMMANDS, [ask(f"/help,{name}") for name in COMMANDS]):
    assert any(str(text) for text in answer.values()), f"no help for {command}"
for command, answer in zip(NOTHING, ask(*NOTHING)):
    assert answer is None, f"{command}: {answer}"
for wrong in "5", "-1", "99999999999999999999", "x,y":
    (answer,) = ask(f"/airlock/vms,{wrong}")
    assert answer["next"] == -1 and set(answer["names"]) <= {"web", "db"}, f"{wrong}: {answer}"
END
stop_airlockd

# cost LINE KEY: a line of the log's table, but for rounding, is what telemetry has in picoseconds.
cost() {
    /usr/bin/python3 - "$AIRLOCKD_LOG" "$1" "$(telemetry /airlock/cost "$2")" <<'END' ||
import json
import re
import sys

path, name, answer = sys.argv[1:]
with open(path, encoding="utf-8") as log:
    (logged,) = re.findall(rf"cost: {name}, ns[a-z ]*([0-9. ]+)$", log.read(), re.M)
logged = [float(number) for number in logged.split()]
answer = json.loads(answer)
told = [ps / 1000 for ps in (answer if isinstance(answer, list) else [answer])]
print(f"  {name}: {told}")
assert len(told) == len(logged) > 0 and min(logged) > 0, logged
assert all(abs(a - b) < 0.06 for a, b in zip(told, logged)), logged
END
        fail "$1 in the log is not $2 in telemetry"
}

# What was measured at the start; without a VM that may get a window nothing is.
start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_null0 -- \
    --uplink port=0 --vm name=web,mac=52:54:00:00:00:01,deliver=auto
cost map map_page_ps
cost unmap unmap_page_ps
cost 'copy warm' copy_warm_ps
cost 'copy cold' copy_cold_ps
cost scrub scrub_page_ps
stop_airlockd
