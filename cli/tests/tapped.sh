#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tapped.sh KECHO KECHOD: a tap sees what flows and disturbs nobody: no system call of who
# submits is for it, in both houses; stopped or with an output that nobody reads it holds
# nobody up; what it did not print it tells.
. "$(dirname "$0")/tap.sh"
kechod=${2:?which kechod?}

"$kecho" tap "$(channel none)" 2>"$dir/err"
is $? 1 "a channel that does not exist: exit code 1"
has "$(<"$dir/err")" "cannot open channel '$(channel none)'" "it says so"
is "$("$kecho" ls | grep -c "$(channel none)")" 0 "and makes none"

# The user's first node serves the registry: it must not be one that stops.
start /dev/null "$dir/keeper.err" "$kecho" sub --timeout 300s "$(channel keeper)"
until_true joined "$(channel keeper)" sink 1

# What it prints, and how it is seen.
ch=$(channel look)
mkfifo "$dir/fifo"
exec 3<>"$dir/fifo"
is_there() { # CHANNEL
	"$kecho" ls 2>/dev/null | grep -q "$1"
}
start /dev/null "$dir/pub.err" "$kecho" pub --wait-sinks 2 --attr zone=lab "$ch" <"$dir/fifo"
pub=$pid
until_true is_there "$ch"
start "$dir/line" "$dir/line.err" "$kecho" tap --source-attrs zone --count 3 "$ch"
line=$pid
start "$dir/json" "$dir/json.err" "$kecho" tap --json --count 3 "$ch"
json=$pid
until_true joined "$ch" sink 2
is "$("$kecho" ls --attrs tool "$ch" | grep -c tool=tap)" 2 "ls shows that they are taps"
printf 'hello\n\n\033[2Jsteer\n' >&3
code_of "$line"
is $? 0 "tap ends with --count"
code_of "$json"
is $? 0 "and --json"
clock='[0-9][0-9]:[0-9][0-9]:[0-9][0-9]\.[0-9]*'
id='[0-9a-f]\{16\}'
has "$(<"$dir/line")" "^$clock $id 1 5 bytes zone=lab: hello$" "a line about an event"
has "$(<"$dir/line")" "^$clock $id 2 0 bytes zone=lab$" "about one without bytes"
has "$(<"$dir/line")" "^$clock $id 3 9 bytes zone=lab: 0x1b5b324a7374656572$" \
	"what would steer a terminal is in hex"
has "$(<"$dir/line")" "^$clock source $id of node .* joined$" "a line about a member"
json_valid "$dir/json"
claim $? "--json: JSON"
is "$(grep -c '"event":"event"' "$dir/json")" 3 "--json: three events"
source=$("$kecho" ls --json "$ch" |
	grep -o '"member":"[0-9a-f]*","role":"source"' | cut -d '"' -f 4)
start "$dir/mine" "$dir/mine.err" "$kecho" tap --source "$source" --source 0123456789abcdef \
	--count 1 "$ch"
mine=$pid
start "$dir/other" "$dir/other.err" "$kecho" tap --source 0123456789abcdef "$ch"
other=$pid
until_true joined "$ch" sink 2
# A sink that others see may still be on its way to the source.
is_over() {
	echo again >&3
	! kill -0 "$mine" 2>/dev/null
}
until_true is_over
code_of "$mine"
is $? 0 "--source: its events come"
kill -INT "$other"
code_of "$other"
is "$?:$(grep -c bytes "$dir/other")" 0:0 "--source: others do not"
exec 3>&-
code_of "$pub"

# What the submitting thread asks of the kernel between its first and its last event.
seq -f '%0100.0f' 1 20000 >"$dir/in"
calls_of() { # CHANNEL
	strace -qq -o "$dir/trace" "$kecho" pub --linger 0 "$1" <"$dir/in"
	sed -n '/^read(0, "0/,/^read(0, ""/p' "$dir/trace" | sed 's/(.*//' | uniq -c
}
# The same for a sink that has the time to fall asleep between two events.
rings_of() { # CHANNEL
	head -n 20 "$dir/in" | strace -qq -o "$dir/trace" "$kecho" pub --linger 0 --rate 50 "$1"
	sed -n '/^read(0, "0/,/^read(0, ""/p' "$dir/trace" | grep -c '^write('
}
both_ended() {
	[ "$(grep -c '"event":"ended"' "$dir/got")" = 2 ]
}
house() { # NAME
	local ch alone tapped

	ch=$(channel "calls$1")
	start /dev/null "$dir/alone.err" "$kecho" pub --wait-sinks 1000 "$ch" </dev/null
	until_true is_there "$ch"
	alone=$(calls_of "$ch")
	has "$alone" read "$1: the submitter was watched"
	start "$dir/got" "$dir/err" "$kecho" tap --json "$ch"
	tap=$pid
	until_true joined "$ch" sink 1
	tapped=$(calls_of "$ch")
	is "$tapped" "$alone" "$1: with a tap it makes the same system calls as alone"
	is "$(rings_of "$ch")" 0 "$1: also when there is time between two events"
	until_true both_ended
	kill -INT "$tap"
	code_of "$tap"
	is $? 0 "$1: the tap ends"
	accounted "$dir/got" 20000 "$1"
	start "$dir/got" "$dir/err" "$kecho" sub "$ch"
	until_true joined "$ch" sink 1
	[ "$(rings_of "$ch")" -gt 0 ]
	claim $? "$1: for a sink that sleeps it makes more"
	kill "$pid"
	code_of "$pid"
}

# Each event of the one source that ended was printed or told as lost, in order.
# Payloads are numbers, from 1 to 60000 again and again.
accounted() { # FILE EVENTS NAME
	python3 - "$1" "$2" <<'END'
import json, sys

due, source = 1, None
for line in open(sys.argv[1]):
    i = json.loads(line)
    if i['event'] not in ('event', 'lost') or source not in (None, i['source']):
        continue
    source = i['source']
    if i['event'] == 'event':
        assert i['seq'] == due and int(i['payload']) == (due - 1) % 60000 + 1, i
        due += 1
    else:
        assert i['first_seq'] == due and i['count'] == i['last_seq'] - due + 1, i
        due = i['last_seq'] + 1
assert due == int(sys.argv[2]) + 1, due
END
	claim $? "$3: each event was printed or told as lost"
}
house embedded

# Nobody reads its output, then it is stopped: others go on, and it tells what it lost.
ch=$(channel stuck)
mkfifo "$dir/stuck"
exec 4<>"$dir/stuck"
start "$dir/all" "$dir/all.err" "$kecho" sub --policy block --until-end --strict "$ch"
sub=$pid
until_true joined "$ch" sink 1
start "$dir/stuck" "$dir/stuck.err" "$kecho" tap --json "$ch"
tap=$pid
until_true joined "$ch" sink 2
seq -f '%0100.0f' 1 60000 >"$dir/many"
mkfifo "$dir/feed"
exec 3<>"$dir/feed"
start /dev/null "$dir/pub.err" "$kecho" pub --linger 0 "$ch" <"$dir/feed"
pub=$pid
cat "$dir/many" >&3
all_there() {
	[ "$(wc -l <"$dir/all")" = 60000 ]
}
until_true all_there
claim $? "an output that nobody reads: another sink gets all"
"$kecho" drain --timeout 5s "$ch" >"$dir/out" 2>"$dir/err"
is $? 0 "and the channel is drained"
"$kecho" freeze --for 0s --timeout 5s "$ch" >"$dir/out" 2>"$dir/err"
is $? 0 "and frozen"
kill -STOP "$tap"
cat "$dir/many" >&3
both_there() {
	[ "$(wc -l <"$dir/all")" = 120000 ]
}
until_true both_there
claim $? "a tap that is stopped: another sink gets all"
"$kecho" drain --timeout 2s "$ch" >"$dir/out" 2>"$dir/err"
is $? 4 "a drain ends when its time is up"
has "$(<"$dir/err")" '1 nodes have not said' "and says that one has not answered"
exec 3>&-
code_of "$pub"
is $? 0 "the source comes to its end"
code_of "$sub"
is $? 0 "and the sink, which lost nothing"
kill -CONT "$tap"
start "$dir/read" "$dir/read.err" cat "$dir/stuck"
reader=$pid
until_true test -s "$dir/read"
exec 4<&-
until_true grep -q '"event":"ended"' "$dir/read"
kill -INT "$tap"
code_of "$tap"
is $? 0 "the tap goes on"
code_of "$reader"
has "$(<"$dir/read")" '"event":"lost"' "it tells what it lost"
accounted "$dir/read" 120000 "stuck and stopped"

# A terminal that takes nothing, which says that it would.
cat >"$dir/terminal.py" <<'END'
import os, pty, sys
master, slave = pty.openpty()
os.set_inheritable(master, True)
os.dup2(slave, 1)
os.execv(sys.argv[1], sys.argv[1:])
END
ch=$(channel terminal)
start /dev/null "$dir/all.err" "$kecho" pub --wait-sinks 1000 "$ch"
until_true is_there "$ch"
start /dev/null "$dir/tap.err" python3 "$dir/terminal.py" "$kecho" tap --hex "$ch"
tap=$pid
until_true joined "$ch" sink 1
"$kecho" pub --linger 0 "$ch" <"$dir/many"
"$kecho" drain --timeout 5s "$ch" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/err")" 0: "a terminal that nobody reads: the channel is drained"
kill -KILL "$tap"
wait "$tap" 2>/dev/null

# The same with kechod.
mkdir "$dir/run"
start /dev/null "$dir/kechod.err" "$kechod" -c /dev/null -o "run=$dir/run" \
	-o "socket=$dir/run/sock"
node=$pid
export KECHO=daemon KECHO_SOCKET=$dir/run/sock
until_true "$kecho" node status >/dev/null 2>&1
house kechod
ch=$(channel daemon)
start "$dir/all" "$dir/all.err" "$kecho" sub --policy block --until-end --strict "$ch"
sub=$pid
until_true joined "$ch" sink 1
start "$dir/got" "$dir/err" "$kecho" tap --json "$ch"
tap=$pid
until_true joined "$ch" sink 2
kill -STOP "$tap"
"$kecho" pub "$ch" <"$dir/many"
is $? 0 "kechod: a tap that is stopped holds no source up"
code_of "$sub"
is $? 0 "kechod: nor a sink"
"$kecho" freeze --for 0s --timeout 5s "$ch" >"$dir/out" 2>"$dir/err"
is $? 0 "kechod: the channel is frozen"
kill -CONT "$tap"
until_true grep -q '"event":"ended"' "$dir/got"
kill -INT "$tap"
code_of "$tap"
accounted "$dir/got" 60000 "kechod: stopped"
kill "$node"
code_of "$node"
finish
