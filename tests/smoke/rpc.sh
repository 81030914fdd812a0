#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
#
# The control socket of a running airlockd: methods answer what docs/rpc.md promises, under the
# names that telemetry has; VMs are added, changed by every key and deleted while two others send to
# each other; what is wrong is refused with one line and changes nothing; a client that never reads
# holds up nobody.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

here=$(dirname "$0")
socket=$RUN_DIR/control.sock

start_airlockd --lcores '0@0,1@1' -m 256 --no-pci --vdev net_null0 -- \
    --uplink port=0 --vm name=web,mac=52:54:00:00:00:01,mode=server \
    --vm name=db,mac=52:54:00:00:00:02,mode=server --socket-group daemon --socket-mode 0660 \
    --idle adaptive --idle-pause 200 --idle-sleep 2000 --idle-wait 20000
for each in "$socket root 600" "$RUN_DIR/web.sock daemon 660"; do
    [ "$(stat -c '%n %G %a' "${each%% *}")" = "$each" ] || fail "$(stat "${each%% *}")"
done
start_pair web db
allow_lost_guest_log
traffic_flows "at first" web db

# The keys that may change are those that are offered, and that people are told of.
ctl vm set web queues=2 2>"$AIRLOCK_WORK/refused.txt" || true
changeable=$(sed -n 's/.* expected one of //p' "$AIRLOCK_WORK/refused.txt" | tr -d ' ' | tr , '\n' | sort)
# shellcheck source=config/completion/airlockctl
. "$AIRLOCK_TOP/config/completion/airlockctl"
diff <(_airlockctl_words vm set web | tr ' ' '\n' | sed 's/=$//' | sort) - <<<"$changeable" ||
    fail "offered for vm set, and changeable: see above"
sed -n '/^### vm.set/,/^    {/p' "$AIRLOCK_TOP/docs/rpc.md" >"$AIRLOCK_WORK/rpc.md"
sed -n '/^\.It Cm vm set/,/^\.It Cm vm del/p' "$AIRLOCK_TOP/docs/airlockctl.1" >"$AIRLOCK_WORK/ctl.1"
for key in $changeable; do
    grep -q -e "\`$key\`" "$AIRLOCK_WORK/rpc.md" || fail "rpc.md does not say that $key may change"
    grep -q -w -e "$key" "$AIRLOCK_WORK/ctl.1" || fail "airlockctl(1) does not say that $key may change"
done

for what in uplinks vm,web lcores,1 pages pages/verify balance; do
    telemetry "/airlock/$what" >"$AIRLOCK_WORK/${what//\//-}.json"
done
/usr/bin/python3 -B "$here/rpc.py" "$socket" "$AIRLOCK_WORK" || fail "see above"
[ "$(telemetry /airlock/vms names)" = '["web", "db"]' ] || fail "VMs: $(telemetry /airlock/vms)"
traffic_flows "at last" web db

# What a killed daemon leaves is no hindrance, a daemon that runs is one.
kill -9 "$airlockd_pid"
wait "$airlockd_pid" 2>/dev/null || true
[ -S "$socket" ] || fail "the socket is gone with kill -9"
rm "$RUN_DIR/pool" # with windows it has another size
start_airlockd --no-huge -m 256 --lcores '0@0,1@1' --no-pci -- \
    --vm name=web,mac=52:54:00:00:00:01,deliver=auto \
    --control-owner daemon --control-group daemon --control-mode 660 \
    --socket-owner daemon --socket-mode 0644
for each in "$socket daemon daemon 660" "$RUN_DIR/web.window daemon root 644"; do
    [ "$(stat -c '%n %U %G %a' "${each%% *}")" = "$each" ] || fail "$(stat "${each%% *}")"
done
# A VM with a window has the fields of telemetry, too.
names='import json, sys
vm = json.load(sys.stdin)
print(*sorted(vm.get("result", vm)["window"]))'
echo '{"jsonrpc":"2.0","method":"vm.show","params":{"name":"web"},"id":1}' |
    socat - "UNIX-CONNECT:$socket" | /usr/bin/python3 -c "$names" >"$AIRLOCK_WORK/window.rpc"
telemetry /airlock/vm,web | /usr/bin/python3 -c "$names" >"$AIRLOCK_WORK/window.telemetry"
cmp "$AIRLOCK_WORK/window.rpc" "$AIRLOCK_WORK/window.telemetry" ||
    fail "fields of a window: $(cat "$AIRLOCK_WORK/window.rpc" "$AIRLOCK_WORK/window.telemetry")"
# It may be changed between auto and remap, and not to have none.
set_deliver() {
    echo '{"jsonrpc":"2.0","method":"vm.set","params":{"name":"web","deliver":"'"$1"'"},"id":1}' |
        socat - "UNIX-CONNECT:$socket"
}
set_deliver remap | grep -q '"deliver":"remap"' || fail "not changed to remap"
[ "$(telemetry /airlock/vm,web deliver)" = remap ] || fail "deliver: $(telemetry /airlock/vm,web deliver)"
set_deliver copy | grep -q "deliver 'copy', expected auto or remap: VM 'web' has a window" ||
    fail "copy is not refused"
echo '{"jsonrpc":"2.0","method":"version","id":1}' | socat - "UNIX-CONNECT:$socket" |
    grep -q '"airlock"' || fail "no answer after a kill"
stop_airlockd
[ ! -e "$socket" ] || fail "the socket is there after a stop"
