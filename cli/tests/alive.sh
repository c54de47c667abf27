#!/bin/bash
# SPDX-License-Identifier: MIT
# A source that promises an event at least so often, and does not keep it: its sinks say so.
. "$(dirname "$0")/tap.sh"

# The user's first node serves the registry: it must not be the one that stops.
start /dev/null "$dir/keeper.err" "$kecho" sub --timeout 300s "$(channel keeper)"
until_true joined "$(channel keeper)" sink 1

ch=$(channel alive)
start "$dir/got" "$dir/err" "$kecho" sub --until-end --timeout 30s "$ch"
plain=$pid
start "$dir/json" "$dir/json.err" "$kecho" sub --json --until-end --timeout 30s "$ch"
json=$pid
until_true joined "$ch" sink 2
mkfifo "$dir/in"
exec 3<>"$dir/in"
start /dev/null "$dir/pub.err" "$kecho" pub --alive 300ms "$ch" <"$dir/in"
pub=$pid
told() { # KIND COUNT, both
	[ "$(grep -c "\"event\":\"$1\"" "$dir/json")" = "$2" ] &&
		[ "$(grep -c " is $1;" "$dir/err")" = "$2" ]
}
echo one >&3
until_true told silent 1
claim $? "the input dries up: silent"
echo two >&3
until_true told back 1
claim $? "and goes on: back"
until_true told silent 2
claim $? "silent again"
exec 3>&-
code_of "$pub"
is $? 0 "the input ends"
code_of "$json"
is $? 0 "the sinks as well"
code_of "$plain"
json_valid "$dir/json"
claim $? "JSON"
is "$(sed -n 's/^{"event":"\([a-z]*\)".*/\1/p' "$dir/json" | xargs)" \
	"event silent back event silent ended" "in their order"
has "$(<"$dir/json")" '"event":"silent","source":"[0-9a-f]*","last_seq":1' "after which event"
is "$(xargs <"$dir/got")" "one two" "events on standard output"
is "$(sed -n 's/^kecho sub: source [0-9a-f]* \(.*\); .* \([0-9]*\)$/\1 \2/p' "$dir/err" | xargs)" \
	"is silent 1 is back 1 is silent 2 left 2" "the rest on standard error"

"$kecho" pub --alive 49ms "$ch" 2>"$dir/err"
is $? 2 "under 50ms: a usage error"
"$kecho" pub --alive 25h "$ch" 2>"$dir/err"
is $? 2 "over a day, too"
has "$(<"$dir/err")" 'between 50ms and 24h' "it says so"
finish
