# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# VMs with windows in stock QEMU, for a smoke test, where they are emulated, and for a case of the
# lab, where they run under KVM:
#
#   packets_arrive     each as it was sent, some of them in the page in which airlockd received them
#   pages_stay_dark    a VM that touches a page that is not its own stalls, until a packet for it is
#                      there, and sees nothing else
#   kill_under_load    a VM that scans its window never sees a byte of what other VMs get; VMs that
#                      are killed leave no page behind
#
# Who sources this, after lib_qemu.sh or the lab's, has made these: send FILE sends the packets of a
# pcap file; start_uplink starts airlockd for the VMs web, aut and those in receivers; load_begin,
# load_pause, load_go_on and load_end are for the packets in load.pcap.

# web and aut are VMs in QEMU; the others are processes that get what web and aut must not see.
declare -A mac=([web]=52:54:00:00:00:01 [tst]=52:54:00:00:00:02 [aut]=52:54:00:00:00:03
    [one]=52:54:00:00:00:04 [two]=52:54:00:00:00:05)
receivers=(tst one two)
# A guest that sleeps takes as many: its share of the pool, and a quarter of its ring by copy.
each=400
few=150
kept=100
scan_s=10
kills=3
# Of a VM: 0 is its kernel's, 1 window-guest's, window-touch has the others; or there is but one for
# all. The pages that each of window-touch's threads scans.
cpus=5
touch_cpus=(2 3 4)
ranges=("${touch_cpus[0]}:0:1022" "${touch_cpus[1]}:0:511" "${touch_cpus[2]}:512:1022")
# Not empty: VMs are booted until there is no page that none of them has touched.
every_page=
rest=()
receiver_pids=()
smoke=$AIRLOCK_TOP/tests/smoke
bar='/sys/bus/pci/devices/0000:00:02.0/resource2'

ask() {
    /usr/bin/python3 "$smoke/ask.py" "$AIRLOCKD_PREFIX" "$@"
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

# boot NAME: a VM.
boot() {
    rm -f "$AIRLOCK_WORK/guest-$1.log" "$RUN_DIR/$1.sock"
    guest_start "$1" --socket "$RUN_DIR/$1.sock" --mac "${mac[$1]}" --mem 512 --cpus "$cpus" \
        --window "$RUN_DIR/$1.window" --program "$AIRLOCK_BUILD/tests/smoke/window-guest" \
        --program "$AIRLOCK_BUILD/tests/smoke/window-touch"
    guest_wait "$1" 180
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
    in_background "$name" window-guest --lcores "0@$((cpus > 1))" --iova-mode=pa --no-telemetry -- \
        --window pci "$@"
    wait_for 30 is_up "$name" || fail "$name does not receive after 30 seconds"
}

# end_receive NAME
end_receive() {
    guest_sh "$1" killall window-guest
    wait_for 15 guest_sh "$1" '! pidof window-guest >/dev/null' || fail "window-guest does not end"
}

# exactly NAME COUNT: it has got them all, and airlockd says so, too.
exactly() {
    [ "$(last "$1" '' packets missing bad foreign)" = "$2 0 0 0" ]
}

# visible NAME: pages of the window that the VM could read now, but for the header.
visible() {
    echo $(($("$smoke/fake_window.py" mapped "$(qemu_pid "$1")" "$RUN_DIR/pool") - 1))
}

# visible_pages NAME: which they are.
visible_pages() {
    "$smoke/fake_window.py" pages "$(qemu_pid "$1")" "$RUN_DIR/pool"
}

# shows NAME PAGE: the VM could read this page now.
shows() {
    visible_pages "$1" | grep -x "$2" >/dev/null
}

is_dark() {
    [ "$(visible "$1")" -eq 0 ]
}

# stalled NAME: how many of its CPUs wait for a page. Under KVM threads of the kernel may wait in their
# place, and who they wait for is not to be seen.
stalled() {
    local tasks=("/proc/$(qemu_pid "$1")/task"/*)

    [ "$(guest_accel)" != kvm ] || tasks=("${LAB_PROC:-/proc}"/[0-9]*/task/*)
    cat "${tasks[@]/%//wchan}" 2>/dev/null | grep -o handle_userfault | wc -l || true
}

strays() {
    ask "/airlock/vm,$1 window strays"
}

# began NAME COUNT: so many pages window-touch has begun to read.
began() {
    [ "$(grep -a -c '^touch: reading page' "$AIRLOCK_WORK/guest-$1.log")" -eq "$2" ]
}

# has_strays NAME COUNT
has_strays() {
    [ "$(strays "$1")" -eq "$2" ]
}

is_stalled() {
    [ "$(stalled "$1")" -eq "$2" ]
}

# touch_dark NAME PAGE PAGE PAGE: read pages of others; a CPU waits for each. Nothing more can be
# started in that VM.
touch_dark() {
    local before

    before=$(strays "$1")
    in_background "$1" window-touch "$bar" read 3600 "${touch_cpus[0]}:$2:$2" \
        "${touch_cpus[1]}:$3:$3" "${touch_cpus[2]}:$4:$4"
    wait_for 10 began "$1" 3 || fail "window-touch does not run"
    wait_for 10 has_strays "$1" $((before + 3)) ||
        fail "$(strays "$1") strays, not $((before + 3))"
    sleep 1
    ! said "$1" "^touch: page" || fail "$1 read a page that is dark"
    wait_for 10 is_stalled "$1" 3 || fail "$(stalled "$1") CPUs of $1 wait, not 3"
}

# gets_more NAME MORE_THAN: by remap.
gets_more() {
    [ "$(ask "/airlock/vm,$1 window remapped_packets")" -gt "$2" ]
}

gets_load() {
    local now

    now=$(ask "/airlock/vm,$1 window remapped_packets")
    wait_for 20 gets_more "$1" "$now" || fail "$1 gets nothing by remap"
}

has_gone() {
    [ "$(ask "/airlock/vm,$1 state" "/airlock/vm,$1 window state" "/airlock/vm,$1 window held" \
        "/airlock/vm,$1 window quarantined" | xargs)" = "down down 0 0" ]
}

is_clean() {
    [ "$(ask '/airlock/pages/verify verdict')" = '"clean"' ]
}

# signal_receivers SIGNAL
signal_receivers() {
    kill "-$1" "${receiver_pids[@]}"
}

# kill_loaded NAME: kill its QEMU while packets arrive. The ledger is exact when the lcores rest, so
# there is no load at the end; who would receive it then leaves the CPUs to the next one that boots.
kill_loaded() {
    gets_load "$1"
    kill -KILL "$(qemu_pid "$1")"
    wait "$(qemu_pid "$1")" 2>/dev/null || true
    wait_for 20 has_gone "$1" || fail "$1 was killed, and is still there: $(ask "/airlock/vm,$1")"
    gets_load tst
    load_pause
    wait_for 10 is_clean || fail "$1 was killed: $(ask /airlock/pages/verify /airlock/pages)"
    signal_receivers STOP
}

# send_few: all have to arrive.
send_few() {
    send "$AIRLOCK_WORK/own.pcap"
    sent=$((sent + few))
    wait_for 20 exactly web $sent || fail "sent $sent: $(last web '' packets missing bad foreign)"
}

# scan_loaded NAME: it looks for bytes of others.
scan_loaded() {
    gets_load "$1"
    in_background "$1" window-touch "$bar" scan "$scan_s" "${ranges[@]}"
    # Its clock is late where the host's CPUs are busy.
    wait_for $((2 * scan_s + 30)) scanned "$1" $((scan_s - 1)) || fail "$1 does not scan"
    [ "$(last "$1" 'touch: ' foreign)" -eq 0 ] || fail "$1 sees bytes of others"
    [ "$(last "$1" 'touch: ' read)" -gt 0 ] || fail "$1 could not read any page"
    [ "$(strays "$1")" -gt 0 ] || fail "$1 has touched no page of others"
    say "  $(last "$1" 'touch: ' pages) pages read $(last "$1" 'touch: ' read) times," \
        "$(strays "$1") of them dark at first"
    wait_for 30 said "$1" '^touch: not begun:.* \.' || fail "$1 does not end its scan"
    # The end of the line may not have been written yet.
    read -r -a rest < <(sed -n 's/^touch: not begun:\(.*\) \..*/\1/p' "$AIRLOCK_WORK/guest-$1.log" && echo)
    say "  ${#rest[@]} pages are left to others"
}

# begins NAME COUNT: so many different pages the scan has begun to read.
begins() {
    said "$1" '^touch: \{' && [ "$(last "$1" 'touch: ' begun)" -eq "$2" ]
}

# scan_rest NAME: pages that no VM has read so far, one for each thread of window-touch.
scan_rest() {
    local pages=("${rest[@]:0:${#touch_cpus[@]}}") i scans=()

    rest=("${rest[@]:${#touch_cpus[@]}}")
    for i in "${!pages[@]}"; do
        scans+=("${touch_cpus[i]}:${pages[i]}:${pages[i]}")
    done
    in_background "$1" window-touch "$bar" scan 3600 "${scans[@]}"
    wait_for 30 begins "$1" "${#pages[@]}" || fail "$1 does not touch ${pages[*]}"
    gets_load "$1"
    sleep 1
    [ "$(last "$1" 'touch: ' foreign)" -eq 0 ] || fail "$1 sees bytes of others"
}

# scanned NAME SECONDS
scanned() {
    [ "$(grep -a -c '^touch: {' "$AIRLOCK_WORK/guest-$1.log")" -ge "$2" ]
}

# at_rest: nothing but the header is in use, and what a card may have in its ring.
at_rest() {
    [ "$(ask '/airlock/balance balanced' '/airlock/pages host' '/airlock/pages violations' \
        '/airlock/pages agree' | xargs)" = "yes 1 0 yes" ] &&
        [ $(($(ask '/airlock/pages free') + $(ask '/airlock/pages card'))) -eq 1023 ]
}

# start_receiver NAME RING [OPTION]...: a VM that is a process.
start_receiver() {
    local name=$1 ring=$2

    shift 2
    start "$name" "$AIRLOCK_BUILD/tests/smoke/window-guest" --lcores "0@(0-$(($(nproc) - 1)))" \
        --no-pci --no-huge -m 512 --file-prefix "$name" --no-telemetry \
        --vdev "net_virtio_user0,path=$RUN_DIR/$name.sock,server=1,queue_size=$ring" -- \
        --window "$RUN_DIR/$name.window" --ring "$ring" "$@"
}

# start_load: and VMs that take it.
start_load() {
    local name

    for name in "${receivers[@]}"; do
        start_receiver "$name" 2048
        receiver_pids+=("$STARTED_PID")
    done
    load_begin
    for name in "${receivers[@]}"; do
        gets_load "$name"
    done
}

# end_load: all pages come back.
end_load() {
    local pid

    load_end
    for pid in "${receiver_pids[@]}"; do
        stop_pid "$pid" || true
    done
    wait_for 10 at_rest || fail "not all is back: $(ask /airlock/balance /airlock/pages)"
}

# make_packets: in AIRLOCK_WORK.
make_packets() {
    local name others=

    for name in "${receivers[@]}"; do
        others+=${others:+,}${mac[$name]}
    done
    /usr/bin/python3 "$smoke/make_checked.py" "$AIRLOCK_WORK/checked.pcap" $each 64,1514 \
        "${mac[web]}" "${mac[tst]}"
    # As long as any before: what the VM itself got in a page earlier may stay in it.
    /usr/bin/python3 "$smoke/make_checked.py" "$AIRLOCK_WORK/own.pcap" $few 1514 "${mac[web]}"
    /usr/bin/python3 "$smoke/make_bytes.py" "$AIRLOCK_WORK/load.pcap" 500 1514,1100 \
        "${mac[web]},${mac[aut]}" "$others"
}

packets_arrive() {
    say "every packet arrives, and in its page"
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
}

pages_stay_dark() {
    local page pages

    say "a page shows a packet for the VM and nothing else, while it is the VM's"
    receive web --count $few --keep $kept
    sent=0
    for _ in 1 2 3 4; do
        send_few
        visible_pages web >>"$AIRLOCK_WORK/seen"
    done
    # Given back not long ago, and so used again before long.
    mapfile -t pages < <(visible_pages web | grep -v -x -F -f - "$AIRLOCK_WORK/seen" | sort -u | shuf -n 3)
    [ "${#pages[@]}" -eq 3 ] || fail "no pages were given back: $(xargs <"$AIRLOCK_WORK/seen")"
    touch_dark web "${pages[@]}"
    for _ in {1..20}; do
        send_few
        ! wait_for 1 said web "^touch: page [0-9]*: " || break
    done
    said web "^touch: page [0-9]+: packet" || fail "pages ${pages[*]} are not read: $(stalled web) CPUs wait"
    ! said web '^touch: .*WRONG' || fail "$(grep -a '^touch: page' "$AIRLOCK_WORK/guest-web.log")"
    say "  $(grep -a '^touch: page' "$AIRLOCK_WORK/guest-web.log" | head -n 1)"
    page=$(sed -n 's/^touch: page \([0-9]*\):.*/\1/p' "$AIRLOCK_WORK/guest-web.log" | head -n 1)
    for _ in {1..20}; do
        shows web "$page" || break
        send_few
    done
    ! shows web "$page" || fail "page $page was given back, and can still be read"
    allow_log '^WARN dmatable: (web|aut): the VM touched page'
}

kill_under_load() {
    local i name

    say "$kills VMs are killed under load; the second one scans its window for $scan_s s first"
    start_load
    kill_loaded web
    for ((i = 2; i <= kills || ${#rest[@]} > 0; i++)); do
        name=web
        [ $((i % 2)) -ne 0 ] || name=aut
        boot $name
        # All frames in the ring: a page that is never posted would stay dark, and be waited for.
        receive $name --posted 1
        signal_receivers CONT
        load_go_on
        if [ $i -eq 2 ]; then
            scan_loaded $name
            [ -n "$every_page" ] || rest=()
            [ $cpus -eq 1 ] || cpus=$((${#rest[@]} > 0 ? 5 : 2))
        elif [ "${#rest[@]}" -gt 0 ]; then
            scan_rest $name
        fi
        kill_loaded $name
    done
    signal_receivers CONT
    end_load
}
