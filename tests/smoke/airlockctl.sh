#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Copyright(c) 2026 The airlock authors
# asan
#
# airlockctl without a daemon: what it asks, shows and returns when its socket answers well, when it
# says no, and when it answers wrongly, by halves or not at all. The socket is fake_control.py's.

# shellcheck source=tests/smoke/lib.sh
. "$(dirname "$0")/lib.sh"

airlockctl=$AIRLOCK_BUILD/app/airlockctl/airlockctl
sockets=$AIRLOCK_WORK/sockets
asked=$AIRLOCK_WORK/control.log
out=$AIRLOCK_WORK/out.txt
err=$AIRLOCK_WORK/err.txt
options=()
nb_cases=0
# Some of what is printed is no UTF-8.
export LC_ALL=C

wrong() {
    sed 's/^/    out | /' "$out" | cat -v
    sed 's/^/    err | /' "$err" | cat -v
    fail "$case: $*"
}

# ctl STATUS WAY ARGUMENT...: ask the socket that answers in this way.
ctl() {
    local expected=$1 way=$2 status=0

    shift 2
    case="$way: $*"
    nb_cases=$((nb_cases + 1))
    timeout -k 5 60 "$airlockctl" --socket "$sockets/$way" ${options[@]+"${options[@]}"} "$@" \
        >"$out" 2>"$err" </dev/null || status=$?
    [ $status -eq "$expected" ] || wrong "exit status $status, not $expected"
    if [ "$expected" -eq 0 ]; then
        [ ! -s "$err" ] || wrong "complains"
    fi
}

# bad STATUS REGEX WAY ARGUMENT...: it says this in one line and nothing else.
bad() {
    ctl "$1" "${@:3}"
    [ "$(wc -l <"$err")" -eq 1 ] || wrong "not one line of complaint"
    grep -q -e "^airlockctl: .*$2" "$err" || wrong "does not say '$2'"
    [ ! -s "$out" ] || wrong "prints in spite of that"
}

# prints: standard input is all that was printed.
prints() {
    diff -u - "$out" || wrong "prints something else"
}

# says REGEX...: each matches a line of what was printed.
says() {
    local regex

    for regex in "$@"; do
        grep -q -E -x -e "$regex" "$out" || wrong "no line '$regex'"
    done
}

# was_asked METHOD PARAMETERS: the last request.
was_asked() {
    [ "$(tail -n 1 "$asked")" = "[\"$1\", $2]" ] || wrong "asked $(tail -n 1 "$asked")"
}

mkdir "$sockets"
touch "$asked"
start control "$(dirname "$0")/fake_control.py" "$sockets"
wait_for 20 grep -q ready "$asked" || fail "no fake daemon"

say "good answers"
ctl 0 good vm list
prints <<'END'
VM   MAC                STATE  DELIVER
web  52:54:00:00:00:01  up     auto
db   52:54:00:00:00:02  down   copy
END
was_asked vm.list null
ctl 0 good vm show web
says 'state +up' 'vlan +none' 'mirror +db' 'mirror_direction +rx' 'features 0x20500008001' \
    '   csum mrg_rxbuf version_1 ring_packed bit_41' \
    'delivered to it +1000 +100000 +12' '0 +1000 +100000 +500 +50000 +0' \
    '  held of quota +50 of 200 \(25 %\) #####' '  mapped +800 frames, 8.0 a call, 200 ns a frame' \
    '  remapped +750 +75000 +75.0' '  not_posted +5' '  ring_full +10' '  spoofed +1'
was_asked vm.show '{"name": "web"}'
! grep -q -E 'device|held back' "$out" || wrong "a device of a VM that has none"
ctl 0 good vm show dma
says '  device +yes' '  held back for the device +12'
ctl 0 good vm show db
says 'features 0x0 \(none negotiated yet\)'
! grep -q window "$out" || wrong "a window of a VM that has none"
ctl 0 good vm show $'\033[2J\n'
says 'name +\?\[2J\?'
ctl 0 good vm add name=x,mac=52:54:00:00:00:03,socket=/a=b,quota=
prints </dev/null
was_asked vm.add '{"name": "x", "mac": "52:54:00:00:00:03", "socket": "/a=b", "quota": ""}'
ctl 0 good vm set web mac=52:54:00:00:00:04,vlan=7
prints </dev/null
was_asked vm.set '{"name": "web", "mac": "52:54:00:00:00:04", "vlan": "7"}'
ctl 0 good vm add name=x,mac=52:54:00:00:00:03,mirror=db,mirror-direction=tx
was_asked vm.add '{"name": "x", "mac": "52:54:00:00:00:03", "mirror": "db", "mirror-direction": "tx"}'
ctl 0 good vm set web mirror=none
was_asked vm.set '{"name": "web", "mirror": "none"}'
ctl 0 good vm del x
was_asked vm.del '{"name": "x"}'
ctl 0 good uplink list
says '0 +net_tap0 +up +1500 +1 +2 +2000 +500 +30 +5 +6' '  unknown_mac +30'
ctl 0 good stats
says 'web +up +1000 +100000 +500 +50000 +13' '\(1 more VMs that did not connect\)' \
    '0 +net_tap0 +up +2000 +200000 +500 +50000 +30 +5' '  ring_full +10' \
    'balance: received 2000 .* in_flight 0; balanced: yes'
ctl 0 good pages
says 'leased +2000 +24.4 +#####' 'all +8192 +100.0' 'agree +yes' 'web +up +50 +200 +3 +#####'
ctl 0 good pages verify
says 'verdict +clean'
ctl 0 good lcores
prints <<'END'
lcore 1: rx handoff
  busy                  60 % ############
  asleep                30 %, 9 times
  iterations            1000, 25.0 % of them idle
  polls                 uplink queues 1, VM queues 2
  waiting in its inbox  0
  STAGE    PACKETS  CYCLES/PACKET
  rx          2000             35
  handoff     1000            210
  BURST OF  BURSTS  SHARE %
  1             10     25.0  #####
  2-3           10     25.0  #####
  4-7            0      0.0
  8-15           0      0.0
  16-31          0      0.0
  32-63          0      0.0
  64            20     50.0  ##########

dropped
  lcore_full  9
END
ctl 0 good capture start why /tmp/why filter='udp, a=b' count=10 uplink=0 drops_only=yes overwrite=no
says 'name +why' 'drops_only +yes'
was_asked capture.start '{"name": "why", "file": "/tmp/why", "filter": "udp, a=b", "count": 10, "uplink": 0, "drops_only": true, "overwrite": false}'
ctl 0 good capture start why why
was_asked capture.start "{\"name\": \"why\", \"file\": \"$PWD/why\"}"
ctl 0 good capture list
says 'CAPTURE +STATE +OF +DIRECTION +DROPS ONLY +PACKETS +MISSED +BYTES +FILE' \
    'why +running +all +both +yes +10 +2 +1234 +/tmp/why'
ctl 0 good capture stop why
was_asked capture.stop '{"name": "why"}'
ctl 0 good stats reset
prints </dev/null
was_asked stats.reset null
ctl 0 good config show
prints <<'END'
[airlock]
run-dir = /run/airlock
stats = 0
idle = adaptive
idle-wait = 20000

[uplink 0]
queues = 2

[vm web]
mac = 52:54:00:00:00:01
vlan = 7
mirror = db

[lcores]
1 = rx tx:web.0
END
ctl 0 good config save
prints <<<'saved in /etc/airlock.conf'
was_asked config.save null
ctl 0 good config save /x/y
was_asked config.save '{"file": "/x/y"}'
ctl 0 good config save y
was_asked config.save "{\"file\": \"$PWD/y\"}"
ctl 0 good config save ''
was_asked config.save '{"file": ""}'
ctl 0 good log set lib.eal debug
was_asked log.set '{"type": "lib.eal", "level": "debug"}'
ctl 0 good version
says 'airlockctl  [0-9.]+' 'airlockd    1.2.3' 'dpdk        DPDK 99'
ctl 0 good rpc echo '{"a": [1, "x"]}'
was_asked echo '{"a": [1, "x"]}'
ctl 0 pieces vm show web
says 'state +up'

say "for programs"
options=(--json)
ctl 0 good vm list
prints <<'END'
[{"name":"web","mac":"52:54:00:00:00:01","state":"up","deliver":"auto"},{"name":"db","mac":"52:54:00:00:00:02","state":"down","deliver":"copy"}]
END
ctl 0 good rpc echo
prints <<<null
for command in 'vm show web' 'uplink list' 'stats' 'pages' 'pages verify' 'lcores' 'version'; do
    # shellcheck disable=SC2086
    ctl 0 good $command
    /usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)' <"$out" || wrong "is no JSON"
    [ "$(wc -l <"$out")" -eq 1 ] || wrong "is not one line"
done
ctl 1 good rpc nothing
/usr/bin/python3 -c 'import json, sys; assert json.load(sys.stdin)["code"] == -32601' <"$err"
ctl 1 wrong_pages pages verify
grep -q '"differs"' "$out" || wrong "does not show the verdict"
ctl 3 thrice stats --watch 0.2
[ "$(grep -c '^{"vms":' "$out")" -eq 3 ] || wrong "not three results"
options=()

say "watched"
ctl 3 thrice stats --watch 0.2
[ "$(grep -c '^VM ' "$out")" -eq 3 ] || wrong "not three blocks"
says 'web +up +1000 +- +- +500 +- +- +13 +-' 'web +up +2000 +[1-9][0-9]+ +[0-9.]+ +500 +0 +0.0 +13 +0'
! grep -q $'\033' "$out" || wrong "moves the cursor of no terminal"
# On a terminal of 12 lines and 60 columns: each block from the top, cut, and no line too long.
case="on a terminal"
script -q -e -c "stty rows 12 cols 60; $airlockctl --socket $sockets/thrice stats --watch 0.2" \
    /dev/null >"$out" 2>"$err" </dev/null && wrong "exit status 0"
[ "$(grep -c -F $'\033[H' "$out")" -eq 3 ] || wrong "not three times from the top"
grep -q 'more lines than the terminal has' "$out" || wrong "is not cut"
sed 's/\x1b\[[0-9]*[A-Z]//g; s/\r//g' "$out" | awk '/^airlockctl:|\)airlockctl:/ { next } length > 60 { exit 1 }' ||
    wrong "a line is too long"

say "a daemon that says no"
bad 1 "expected the name of a VM" good vm show nobody
grep -q -x "airlockctl: vm.show: name 'nobody', expected the name of a VM" "$err" ||
    wrong "the method is there twice, or not at all"
bad 1 "nothing: method 'nothing', .*  \[2J" good rpc nothing
bad 1 'rpc.methods: no JSON' no_id rpc rpc.methods
ctl 1 wrong_pages pages verify
says 'verdict +differs' 'page +77'

say "no answer, or none that is one"
for way in half closing; do
    bad 3 'vm.list: airlockd closed the connection before its answer was whole' "$way" vm list
done
for way in garbage other_id neither; do
    bad 3 'vm.list: what came from .* is no answer' "$way" vm list
done
bad 3 'vm.list: what came from .* is no answer' other_type vm list
bad 3 'pages.get: what came from .* is no answer' other_type pages
bad 3 'vm.list: the answer is too long' endless vm list
bad 3 'no socket .*/none: start airlockd' none vm list
bad 3 'no socket .*/good/x: start airlockd' good/x vm list
bad 3 'nobody listens at .*/gone: start airlockd' gone vm list
options=(--timeout 1)
bad 3 'vm.list: no answer within 1 s' silent vm list
bad 3 'vm.list: no answer within 1 s' drip vm list
bad 3 '/full takes no connection within 1 s' full vm list
options=()
# The deadline that nobody asked for.
bad 3 'vm.list: no answer within 10 s' silent vm list
case="no permission"
chmod 0711 "$AIRLOCK_WORK" "$sockets"
install -m 0755 "$airlockctl" "$AIRLOCK_WORK/airlockctl"
! setpriv --reuid=65534 --regid=65534 --clear-groups "$AIRLOCK_WORK/airlockctl" \
    --socket "$sockets/good" vm list >"$out" 2>"$err" || wrong "exit status 0"
grep -q 'no permission for .*: run airlockctl as root' "$err" || wrong "does not say so"
case="full disk"
status=0
"$airlockctl" --socket "$sockets/good" vm list >/dev/full 2>"$err" || status=$?
[ $status -eq 3 ] || wrong "exit status $status"
grep -q 'cannot write' "$err" || wrong "does not say so"

say "wrong usage"
before=$(wc -l <"$asked")
bad 2 'no command' good
bad 2 'vm: unknown command' good vm
bad 2 'vm lst: unknown command' good vm lst
bad 2 'vm show: too few arguments, expected NAME' good vm show
bad 2 'vm list: too many arguments, expected none' good vm list all
bad 2 "vm add: 'mac', expected KEY=VALUE" good vm add name=x,mac
bad 2 "vm add: '', expected KEY=VALUE" good vm add name=x,
bad 2 "vm add: '=x', expected KEY=VALUE" good vm add =x
bad 2 "vm add: key 'name' twice" good vm add name=x,name=y
bad 2 "vm add: 'name=.*' is not text" good vm add name=$'\377'
bad 2 'vm set: too few arguments, expected NAME KEY=VALUE' good vm set web
bad 2 "vm set: 'mac', expected KEY=VALUE" good vm set web vlan=1,mac
bad 2 "vm set: key 'name' twice" good vm set web name=db
bad 2 'name .* is not text' good vm set $'\377' vlan=1
bad 2 'name .* is not text' good vm del $'\377'
bad 2 'config save: too many arguments' good config save a b
bad 2 'config save: .* is not text' good config save $'\377'
bad 2 'log set: too few arguments, expected TYPE LEVEL' good log set lib.eal
bad 2 'capture start: too few arguments, expected NAME FILE' good capture start why
bad 2 "capture start: 'udp', expected KEY=VALUE" good capture start why f udp
bad 2 "capture start: key 'vm' twice" good capture start why f vm=a vm=b
bad 2 "capture start: count 'ten', expected a number" good capture start why f count=ten
bad 2 "capture start: drops_only 'x', expected yes or no" good capture start why f drops_only=x
bad 2 'stats: .*, expected nothing or --watch SECONDS' good stats 1
for seconds in 0 -1 x 3601 nan 1x; do
    bad 2 "stats: --watch '$seconds', expected seconds" good stats --watch "$seconds"
done
bad 2 'rpc: too few arguments' good rpc
bad 2 'rpc: parameters, byte' good rpc echo '{'
bad 2 'rpc: parameters, byte' good rpc echo 5
bad 2 "longer than a socket's path" "$(printf 'x%.0s' {1..200})" vm list
bad 2 '--colour: unknown option' good --colour vm list
bad 2 "--timeout: '0', expected seconds" good --timeout 0 vm list
bad 2 '--socket: no value' good --socket
bad 2 '-xy: unknown option' good -xy
[ "$(wc -l <"$asked")" -eq "$before" ] || wrong "the daemon was asked for wrong usage"

say "help and completion"
ctl 0 none --help
grep -q '^usage: airlockctl' "$out" || wrong "no usage"
ctl 0 none --version
says 'airlockctl [0-9.]+'

# complete WORD...: what the last word may become, on one line.
complete_words() {
    COMP_WORDS=("$airlockctl" --socket "$sockets/good" "$@") COMP_CWORD=$(($# + 2))
    _airlockctl
    echo "${COMPREPLY[*]}"
}

# shellcheck source=config/completion/airlockctl
. "$AIRLOCK_TOP/config/completion/airlockctl"
case=completion
[ "$(complete_words vm '')" = 'add set del list show' ] || wrong "vm: $(complete_words vm '')"
[ "$(complete_words vm show '')" = 'web db' ] || wrong "vm show: $(complete_words vm show '')"
[ "$(complete_words pages v)" = verify ] || wrong "pages v: $(complete_words pages v)"
[ "$(complete_words capture '')" = 'start stop list' ] || wrong "capture: $(complete_words capture '')"
[ "$(complete_words capture stop '')" = why ] || wrong "capture stop: $(complete_words capture stop '')"
[ "$(complete_words capture start a b f)" = filter= ] || wrong "capture start: $(complete_words capture start a b f)"
[ "$(complete_words rpc v)" = 'version vm.list' ] || wrong "rpc v: $(complete_words rpc v)"
[ "$(complete_words log set lib.eal d)" = debug ] || wrong "log set: $(complete_words log set lib.eal d)"
# Every command of the help is offered.
ctl 0 none --help
while read -r command rest; do
    [[ " $(complete_words '') " = *" $command "* ]] || wrong "$command is not offered"
    second=${rest%% *}
    case $command in
    vm | uplink | config | log | capture) [[ " $(complete_words "$command" '') " = *" $second "* ]] || wrong "$second" ;;
    esac
done < <(sed -n '/^  [a-z]/p' "$out")

say "$nb_cases cases"
