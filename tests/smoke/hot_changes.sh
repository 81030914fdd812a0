#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# A VM is added, changed and deleted again and again, two others are changed, and messages that are
# malformed or half come in between, while these two send to each other as fast as they can: they
# lose no packet but to full rings, each error is one line, and memory stays as it is.
#
#   hot_changes.sh [--full]    500 cycles and 200 messages; else 60 and 60

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

here=$(dirname "$0")
socket=$RUN_DIR/control.sock
cycles=60 messages=60
[ "${1:-}" != --full ] || cycles=500 messages=200

start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_null0 -- \
    --uplink port=0 --vm name=web,mac=52:54:00:00:00:01,mode=server \
    --vm name=db,mac=52:54:00:00:00:02,mode=server
start_pair web db
allow_lost_guest_log
traffic_flows "at first" web db

# What was dropped before both were there is not counted.
ctl stats reset
/usr/bin/python3 -B "$here/hot_changes.py" "$socket" "$airlockd_pid" $cycles $messages ||
    fail "see above"
ctl --json stats >"$AIRLOCK_WORK/stats.json"
/usr/bin/python3 - "$AIRLOCK_WORK/stats.json" <<'END' || fail "packets are lost"
import json, sys
stats = json.load(open(sys.argv[1]))
vms = stats["vms"]
assert set(vms) == {"web", "db"}, list(vms)
for name, vm in vms.items():
    drops = vm["rx_drops"]
    print(f"{name}: delivered {vm['delivered_packets']}, dropped {drops}")
    assert vm["delivered_packets"] > 0, vm
    assert drops["total"] == drops.get("ring_full", 0), drops
    assert vm["tx_drops"]["total"] == 0, vm["tx_drops"]
# What is for a VM that is not to be found, be it for a moment, goes out there.
assert stats["uplinks"]["0"]["sent_packets"] == 0, stats["uplinks"]
END
# The reset is this socket's: telemetry has counted on.
[ "$(telemetry /airlock/vm,web delivered_packets)" -gt \
    "$(/usr/bin/python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["vms"]["web"]["delivered_packets"])' "$AIRLOCK_WORK/stats.json")" ] ||
    fail "telemetry was reset, too"
traffic_flows "at last" web db
[ "$(ctl --json pages verify | grep -c '"clean"')" -eq 1 ] || fail "$(ctl pages verify)"
