#!/bin/bash
# SPDX-License-Identifier: MIT
# A sink that stands still: under each policy what was promised, and exact counts.
. "$(dirname "$0")/tap.sh"

events=20000
seq -f '%0200.0f' 1 $events >"$dir/in"

# The user's first node serves the registry: it must not be the one that stops.
start /dev/null "$dir/keeper.err" "$kecho" sub --timeout 300s "$(channel keeper)"
until_true joined "$(channel keeper)" sink 1

# Starts pub with OPTIONs, lets the first event through, stops the sink and submits
# the others: what has not come to a sink yet does not wait for it.
stall() { # OPTION…
	mkfifo "$dir/$ch"
	exec 3<>"$dir/$ch"
	start /dev/null "$dir/pub.err" "$kecho" pub "$@" "$ch" <"$dir/$ch"
	pub=$pid
	sed 1q "$dir/in" >&3
	until_true test -s "$dir/got"
	kill -STOP "$sub"
	sed 1d "$dir/in" >&3 &
	exec 3>&-
}

# A sink that stands still while everything is submitted.
lap() { # POLICY
	ch=$(channel "$1")
	start "$dir/got" "$dir/err" "$kecho" sub --json --policy "$1" --strict --until-end \
		--timeout 20s "$ch"
	sub=$pid
	until_true joined "$ch" sink 1
	stall --log-size 64K --linger 0
	code_of "$pub"
	is $? 0 "$1: the source does not wait"
	kill -CONT "$sub"
	code_of "$sub"
	code=$?
}

lap latest
is "$code" 3 "latest: exit code 3 with --strict"
json_valid "$dir/got"
claim $? "latest: JSON"
python3 - "$dir/got" $events <<'END'
import json, sys

due, lost = 1, 0
for line in open(sys.argv[1]):
    i = json.loads(line)
    if i['event'] == 'event':
        assert i['seq'] == due and int(i['payload']) == due, i
        due += 1
    elif i['event'] == 'lost':
        assert i['first_seq'] == due and i['count'] == i['last_seq'] - due + 1, i
        lost += i['count']
        due = i['last_seq'] + 1
assert due == int(sys.argv[2]) + 1 and 0 < lost < due, (due, lost)
END
claim $? "latest: each event came or was told to be lost, once, in its place"

lap disconnect
is "$code" 1 "disconnect: exit code 1"
has "$(<"$dir/err")" 'too slow' "disconnect: it says why"

# Under `block` the source waits; --dontwait drops and counts instead.
ch=$(channel block)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --strict --until-end --timeout 20s "$ch"
sub=$pid
until_true joined "$ch" sink 1
stall --log-size 64K
waits() {
	local was now

	was=$("$kecho" stat --interval 0 --json "$ch" | grep -o '"role":"source".*"events":[0-9]*')
	sleep .2
	now=$("$kecho" stat --interval 0 --json "$ch" | grep -o '"role":"source".*"events":[0-9]*')
	[ -n "$now" ] && [ "$was" = "$now" ]
}
until_true waits
claim $? "block: the source stands still"
kill -0 "$pub"
claim $? "block: and is there"
kill -CONT "$sub"
code_of "$pub"
is $? 0 "block: the source comes to its end"
code_of "$sub"
is $? 0 "block: nothing is lost"
cmp "$dir/got" "$dir/in"
claim $? "block: everything came"

# But not for ever.
ch=$(channel stall)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --strict --until-end --timeout 20s "$ch"
sub=$pid
until_true joined "$ch" sink 1
stall --log-size 64K --stall 300ms --linger 0
code_of "$pub"
is $? 0 "--stall: the source comes to its end while the sink stands still"
kill -CONT "$sub"
code_of "$sub"
is $? 1 "--stall: the sink ends"
has "$(<"$dir/err")" 'stalled its source' "--stall: it says why"

ch=$(channel dontwait)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --until-end --timeout 20s "$ch"
sub=$pid
until_true joined "$ch" sink 1
stall --log-size 64K --dontwait --strict --linger 0
code_of "$pub"
is $? 3 "--dontwait --strict: exit code 3"
kill -CONT "$sub"
code_of "$sub"
is $? 0 "--dontwait: the sink does not lose"
dropped=$(sed -n 's/^kecho pub: \([0-9]*\) events were dropped.*/\1/p' "$dir/pub.err")
is "$((${dropped:-0} + $(wc -l <"$dir/got")))" $events "--dontwait: what came and what was dropped"
finish
