#!/bin/bash
# SPDX-License-Identifier: MIT
# freeze, drain and destroy: a channel as a whole.
. "$(dirname "$0")/tap.sh"

ch=$(channel whole)
for verb in freeze drain destroy; do
	"$kecho" $verb "$ch" >"$dir/out" 2>"$dir/err"
	is "$?:$(<"$dir/out")" 1: "$verb of a missing channel: exit code 1"
	has "$(<"$dir/err")" "^kecho $verb: cannot open channel '$ch': ." "and says why"
done

# The user's first node serves the registry: it must not be the one that stops.
start /dev/null "$dir/keeper.err" "$kecho" sub --timeout 300s "$(channel keeper)"
until_true joined "$(channel keeper)" sink 1
start "$dir/got" "$dir/err" "$kecho" sub --policy block "$ch"
sub=$pid
until_true joined "$ch" sink 1
mkfifo "$dir/fifo"
exec 3<>"$dir/fifo"
start /dev/null "$dir/pub.err" "$kecho" pub "$ch" <"$dir/fifo"
pub=$pid
until_true joined "$ch" source 1
echo one >&3
until_true lines_in "$dir/got" 1
claim $? "events flow"

start "$dir/frozen" "$dir/freeze.err" "$kecho" freeze --json "$ch"
freeze=$pid
until_true lines_in "$dir/frozen" 1
is "$(<"$dir/frozen")" "{\"event\":\"frozen\",\"channel\":\"$ch\"}" "freeze says when it is frozen"
echo two >&3
sleep .3
is "$(<"$dir/got")" one "nothing is published"
has "$("$kecho" freeze --for 10ms "$ch")" "^$ch is thawed$" "freeze --for ends by itself"
sleep .1
is "$(<"$dir/got")" one "but another holds it"
kill -TERM "$freeze"
code_of "$freeze"
is $? 0 "freeze: ends with 0"
has "$(tail -n 1 "$dir/frozen")" '"event":"thawed"' "and says so"
until_true lines_in "$dir/got" 2
claim $? "then it flows"
is "$("$kecho" drain "$ch")" "$ch is drained" "drain"

# A sink that stands still lags, and its node does not answer.
kill -STOP "$sub"
echo three >&3
"$kecho" drain --timeout 500ms "$ch" >"$dir/out" 2>"$dir/err"
is "$?:$(<"$dir/out")" 4: "drain: exit code 4 when time is up"
has "$(<"$dir/err")" '1 nodes have not said' "and says for whom it waits"
kill -CONT "$sub"
is "$("$kecho" drain --json "$ch")" "{\"event\":\"drained\",\"channel\":\"$ch\"}" "drain --json"

is "$("$kecho" destroy --json "$ch")" "{\"event\":\"destroyed\",\"channel\":\"$ch\"}" "destroy"
"$kecho" ls "$ch" 2>/dev/null
is $? 1 "the name is free"
code_of "$sub"
is $? 1 "the sink ends"
has "$(<"$dir/got")" three "after all that was submitted"
echo four >&3
code_of "$pub"
is $? 1 "the source can submit no more"
has "$(<"$dir/pub.err")" 'was destroyed' "and says why"
exec 3>&-
finish
