#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# timeout: 300
#
# VMs with windows in stock QEMU, by emulation: every packet arrives as it was sent, some of them in
# the page in which airlockd received them; a VM that touches a page that is not its own stalls,
# until a packet for it is there, and sees nothing else; a VM that scans its window never sees a byte
# of what other VMs get; and VMs that are killed under load leave no page behind.
#
#   tests/smoke/window_qemu.sh [--full]
#
# --full, or AIRLOCK_FULL=1: scans for 10 minutes instead of 10 seconds, kills 100 times instead of 3.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=config/lib/common.sh
. "$here/../../config/lib/common.sh"
# shellcheck source=config/lib/guest.sh
. "$here/../../config/lib/guest.sh"
if [ -z "${AIRLOCK_SANDBOX:-}" ]; then
    need_root
    guest_prepare
fi
# shellcheck source=tests/smoke/lib.sh
. "$here/lib.sh"

# web and aut are VMs in QEMU, tst a process that gets what they must not see.
declare -A mac=([web]=52:54:00:00:00:01 [tst]=52:54:00:00:00:02 [aut]=52:54:00:00:00:03)
each=500
held=32
scan_s=10
kills=3
case ${1:-}${AIRLOCK_FULL:+--full} in
'') ;;
--full*)
    scan_s=600
    kills=100
    ;;
*) fail "usage: tests/smoke/window_qemu.sh [--full]" ;;
esac
bar='/sys/bus/pci/devices/0000:00:02.0/resource2'

ask() {
    /usr/bin/python3 "$here/ask.py" "$AIRLOCKD_PREFIX" "$@"
}

# said NAME REGEX: the VM's console has such a line.
said() {
    grep -a -q -E -e "$2" "$AIRLOCK_WORK/guest-$1.log"
}

# last NAME MARK KEY...: from the last line of JSON behind MARK on a VM's console.
last() {
    /usr/bin/python3 -c '
import json, sys
mark = sys.argv[2] + "{"
lines = [line.strip() for line in open(sys.argv[1], errors="replace")]
lines = [line for line in lines if line.startswith(mark) and line.endswith("}")]
print(*(json.loads(lines[-1][len(mark) - 1:])[key] for key in sys.argv[3:]))' \
        "$AIRLOCK_WORK/guest-$1.log" "${@:2}"
}

qemu_pid() {
    cat "$(guest_dir "$1")/pid"
}

# in_background NAME COMMAND...: what it prints comes on the VM's console.
in_background() {
    local name=$1

    shift
    guest_sh "$name" "($*) </dev/null >/dev/console 2>&1 &"
}

# boot NAME: a VM; CPU 0 is for its kernel, 1 for window-guest, the others for window-touch.
boot() {
    rm -f "$AIRLOCK_WORK/guest-$1.log" "$RUN_DIR/$1.sock"
    guest_start "$1" --socket "$RUN_DIR/$1.sock" --mac "${mac[$1]}" --mem 512 --cpus 5 \
        --window "$RUN_DIR/$1.window" --program "$AIRLOCK_BUILD/tests/smoke/window-guest" \
        --program "$AIRLOCK_BUILD/tests/smoke/window-touch"
    guest_wait "$1" 60
}

is_up() {
    [ "$(ask "/airlock/vm,$1 state" "/airlock/vm,$1 window state" | sort -u)" = '"up"' ] &&
        said "$1" '^\{'
}

# receive NAME OPTION...: start window-guest in a VM.
receive() {
    local name=$1

    shift
    : >"$AIRLOCK_WORK/guest-$name.log"
    in_background "$name" window-guest --lcores 0@1 --iova-mode=pa --no-telemetry -- \
        --window pci "$@"
    wait_for 30 is_up "$name" || fail "$name does not receive after 30 seconds"
}

# end_receive NAME
end_receive() {
    guest_sh "$1" 'kill $(pidof window-guest)'
    wait_for 15 guest_sh "$1" '! pidof window-guest >/dev/null' || fail "window-guest does not end"
}

send() {
    /usr/bin/python3 "$here/send_pcap.py" host0 "$@"
}

# exactly NAME COUNT: it has got them all, and airlockd says so, too.
exactly() {
    [ "$(last "$1" '' packets missing bad foreign)" = "$2 0 0 0" ]
}

# visible NAME: pages of the window that the VM could read now, but for the header.
visible() {
    echo $(($("$here/fake_window.py" mapped "$(qemu_pid "$1")" "$RUN_DIR/pool") - 1))
}

is_dark() {
    [ "$(visible "$1")" -eq 0 ]
}

# stalled NAME: how many of its CPUs wait for a page.
stalled() {
    cat "/proc/$(qemu_pid "$1")/task"/*/wchan | grep -o handle_userfault | wc -l
}

strays() {
    ask "/airlock/vm,$1 window strays"
}

# touch_dark NAME PAGE CPU: read a page of another's; the CPU waits.
touch_dark() {
    local before

    before=$(strays "$1")
    in_background "$1" window-touch "$bar" read "$2" "$3"
    wait_for 10 said "$1" "reading page $2" || fail "window-touch does not run"
    sleep 1
    ! said "$1" "^touch: page $2:" || fail "$1 read page $2, which is dark"
    [ "$(strays "$1")" -eq $((before + 1)) ] || fail "$1: $(strays "$1") strays, not $((before + 1))"
    [ "$(stalled "$1")" -ge 1 ] || fail "$1 has no CPU that waits"
}

start_uplink() {
    echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
    ip link add host0 type veth peer name up0
    ip link set up0 up
    ip link set host0 up
    start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_af_packet0,iface=up0 -- \
        --uplink port=0 --copy-below 1000 --vm "name=web,mac=${mac[web]},deliver=remap" \
        --vm "name=aut,mac=${mac[aut]},deliver=auto" --vm "name=tst,mac=${mac[tst]},deliver=auto"
}

say "every packet arrives, and in its page"
/usr/bin/python3 "$here/make_checked.py" "$AIRLOCK_WORK/checked.pcap" $each 64,1514 \
    "${mac[web]}" "${mac[tst]}"
/usr/bin/python3 "$here/make_checked.py" "$AIRLOCK_WORK/held.pcap" $held 700,1514 "${mac[web]}"
/usr/bin/python3 "$here/make_bytes.py" "$AIRLOCK_WORK/load.pcap" 500 1514,64,700 \
    "${mac[web]},${mac[aut]}" "${mac[tst]}"
start_uplink
boot web
receive web --count $each --scan
send "$AIRLOCK_WORK/checked.pcap"
wait_for 20 exactly web $each || fail "sent $each: $(last web '' packets missing bad foreign)"
say "  $(ask '/airlock/vm,web window remapped_packets') remapped," \
    "$(ask '/airlock/vm,web window copied_packets') copied"
[ "$(last web '' shown)" -gt 0 ] || fail "nothing came through the window"
[ "$(last web '' shown)" = "$(ask '/airlock/vm,web window remapped_packets')" ] ||
    fail "$(last web '' shown) packets came in the window"
[ "$(ask '/airlock/vm,web window refused')" = '{}' ] || fail "web posts what it must not"
end_receive web
wait_for 10 is_dark web || fail "$(visible web) pages can be read that nobody uses"
