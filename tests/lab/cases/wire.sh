#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# Frames from outside come by DMA, through the IOMMU, into hidden pages, and from there to two guests
# in processes: one by copy, which sends each of them back; one with a window, which looks at every
# byte. All are counted, in the guests, in airlockd, and outside.

# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/../lib.sh"

# static, or for the case strict.
dma=${dma:-static}
web=52:54:00:00:00:01
win=52:54:00:00:00:02
each=400
card_options=dma=$dma
[ "$dma" = strict ] || idle=poll

are_up() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,web state' '/airlock/vm,win state' \
        '/airlock/vm,win window state' | xargs)" = "up up up" ] &&
        grep -q 'Port statistics' "$AIRLOCK_WORK/web.log" && grep -q '^{' "$AIRLOCK_WORK/win.log"
}

echoed() {
    echo $(($(outside received) - before))
}

is_clean() {
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/pages/verify verdict')" = '"clean"' ]
}

# check_strict: each frame that the VM got was taken from the card first; the metrics tell the same.
check_strict() {
    local taken

    taken=$(ask "$AIRLOCKD_PREFIX" '/airlock/pages cards taken')
    say "$(ask "$AIRLOCKD_PREFIX" '/airlock/pages cards')"
    [ "$taken" -ge "$(counted win shown)" ] || fail "$taken frames were taken from the card"
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/pages cards errors' '/airlock/pages cards stuck' | xargs)" = "0 0" ] ||
        fail "not all could be taken or given back"
    "$AIRLOCK_BUILD/app/airlockctl/airlockctl" --socket "$RUN_DIR/control.sock" --json pages \
        >"$AIRLOCK_WORK/pages.json"
    "$lab/../smoke/prometheus.py" http://127.0.0.1:9100 exposed "$AIRLOCK_WORK/pages.json" ||
        fail "the metrics differ"
    [ "$(ask "$AIRLOCKD_PREFIX" '/airlock/pages cards')" = "$(/usr/bin/python3 -c '
import json, sys
print(json.dumps(json.load(open(sys.argv[1]))["cards"]))' "$AIRLOCK_WORK/pages.json")" ] ||
        fail "airlockctl has $(cat "$AIRLOCK_WORK/pages.json")"
}

arrived() {
    [ "$(counted win packets missing bad foreign)" = "$each 0 0 0" ] && [ "$(echoed)" -ge $each ]
}

/usr/bin/python3 "$lab/../smoke/make_checked.py" "$LAB_SHARE/checked.pcap" $each 64,1514 $win $web
before=$(outside received)
start_on_card --metrics 9100 --vm name=web,mac=$web --vm name=win,mac=$win,deliver=auto --copy-below 1000
start web dpdk-testpmd --lcores 0@0,1@0 --no-pci --no-huge -m 128 --file-prefix web \
    --vdev "net_virtio_user0,path=$RUN_DIR/web.sock,server=1,mac=$web,queue_size=1024" -- \
    --forward-mode=macswap --total-num-mbufs=4096 --no-lsc-interrupt --stats-period 5
start_window_guest win win 0 --count $each --scan
wait_for 20 are_up || fail "the guests do not run: $(ask "$AIRLOCKD_PREFIX" /airlock/vms)"
step "the guests are up"
outside send "$LAB_SHARE/checked.pcap"
wait_for 20 arrived ||
    fail "sent $each to each: $(counted win packets missing bad foreign), $(echoed) came back"
step "all is there"
say "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,win window remapped_packets') remapped," \
    "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,win window copied_packets') copied"
[ "$(counted win shown)" -gt 0 ] || fail "nothing came through the window"
[ "$(counted win shown)" = "$(ask "$AIRLOCKD_PREFIX" '/airlock/vm,win window remapped_packets')" ] ||
    fail "$(counted win shown) packets came in the window"
[ "$(telemetry /airlock/uplinks 0 received_packets)" -eq $((2 * each)) ] || fail "not all received"
[ "$(telemetry /airlock/uplinks 0 sent_packets)" -eq $each ] || fail "not all sent"
[ "$(echoed)" -eq $each ] || fail "$(echoed) packets came back, not $each"
[ "$(dmar_faults)" -eq 0 ] || fail "DMA was refused"
wait_for 20 is_clean || fail "$(ask "$AIRLOCKD_PREFIX" /airlock/pages/verify /airlock/pages)"
[ "$dma" = static ] || check_strict
stop_airlockd
