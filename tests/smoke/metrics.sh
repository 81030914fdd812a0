#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The metrics: promtool finds nothing to say of them, a Prometheus scrapes them, and has the figures
# of airlockctl, all of them. The dashboard asks for nothing that is not there. Clients that say
# nothing, or do not read, hold up neither the control socket nor each other, and are closed.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

airlockd=127.0.0.1:9100
prometheus=127.0.0.1:9090
exposition=$AIRLOCK_WORK/metrics.txt

# get PATH: the body, in Prometheus' own format.
get() {
    /usr/bin/python3 -c '
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())' "http://$airlockd$1"
}

prom() {
    /usr/bin/python3 "$here/prometheus.py" "http://$prometheus" "$@"
}

delivered() {
    ctl --json stats | /usr/bin/python3 -c '
import json, sys
print(sum(vm["delivered_packets"] for vm in json.load(sys.stdin)["vms"].values()))'
}

more_than() {
    [ "$(delivered)" -gt "$1" ]
}

say "start"
/usr/bin/python3 "$here/make_pcap.py" "$AIRLOCK_WORK" 1500 >/dev/null
start_airlockd --lcores '0@0,1@0,2@1' -m 256 --no-pci \
    --vdev "net_pcap0,rx_pcap=$AIRLOCK_WORK/packets.pcap,tx_pcap=$AIRLOCK_WORK/sent.pcap" -- \
    --uplink port=0 --vm name=web,mac=52:54:00:00:00:01,mode=server,queues=2,rx-rate=900G,storm=0 \
    --vm name=db,mac=52:54:00:00:00:02,mode=server,deliver=auto,tx-rate=899999999999 --metrics "$airlockd"
cat >"$AIRLOCK_WORK/prometheus.yml" <<END_OF_YML
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: airlock
    static_configs:
      - targets: ['$airlockd']
END_OF_YML
start prometheus prometheus --config.file="$AIRLOCK_WORK/prometheus.yml" \
    --storage.tsdb.path="$AIRLOCK_WORK/tsdb" --web.listen-address="$prometheus"
start_pair web db

say "clients that stall"
/usr/bin/python3 "$here/stalled_http.py" "$airlockd" >"$AIRLOCK_WORK/stalled.log" 2>&1 &
stalled_pid=$!
wait_for 10 grep -q stalled "$AIRLOCK_WORK/stalled.log"
ctl --timeout 5 version

say "promtool"
get /metrics >"$exposition"
promtool check metrics <"$exposition"
! get /other 2>/dev/null || fail "/other is there"

say "Prometheus"
wait_for 20 more_than 1000 || fail "no traffic"
stop_pid "$STARTED_PID" || true
wait_for 10 grep -q 'vnic: db: down' "$AIRLOCKD_LOG"
wait_for 10 prom scraped "$(($(date +%s) + 1))" || fail "Prometheus has no scrape"
ctl --json stats >"$AIRLOCK_WORK/stats.json"
ctl --json lcores >"$AIRLOCK_WORK/lcores.json"
ctl --json pages >"$AIRLOCK_WORK/pages.json"
prom same "$AIRLOCK_WORK/stats.json" "$AIRLOCK_WORK/lcores.json" "$AIRLOCK_WORK/pages.json"
[ "$(prom query 'sum(airlock_vm_delivered_packets_total)')" = "$(delivered)" ]
[ "$(prom query 'sum(airlock_uplink_rx_drops_total{reason="unknown_mac"})')" -gt 0 ]

say "dashboard"
prom dashboard "$AIRLOCK_TOP/config/grafana/airlock.json" "$exposition"

say "an address that is taken"
status=0
"$AIRLOCK_BUILD/app/airlockd/airlockd" --file-prefix second --no-huge -m 128 --no-pci \
    --lcores '0@0,1@0' -- --run-dir "$AIRLOCK_WORK/second" --vm name=web,mac=52:54:00:00:00:01 \
    --metrics "$airlockd" >"$AIRLOCK_WORK/second.log" 2>&1 || status=$?
[ $status -eq 1 ] || fail "exit status $status"
grep -q 'airlockd: --metrics: cannot serve metrics there: Address already in use; expected' \
    "$AIRLOCK_WORK/second.log"

wait "$stalled_pid" || fail "stalled clients: $(cat "$AIRLOCK_WORK/stalled.log")"
stop_airlockd
allow_lost_guest_log
