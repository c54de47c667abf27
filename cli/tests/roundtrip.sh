#!/bin/bash
# SPDX-License-Identifier: MIT
# What goes into pub comes out of sub: lines, large ones, odd ones, whole inputs.
. "$(dirname "$0")/tap.sh"

# One sink that must get what FILE, given to pub with ARGUMENTs, has.
passes() { # DESCRIPTION FILE SUB-OPTIONS PUB-OPTION…
	local description=$1 file=$2 sub_options=$3 ch

	shift 3
	ch=$(channel "pass$claims")
	# shellcheck disable=SC2086
	start "$dir/got" "$dir/err" "$kecho" sub --policy block --until-end --strict \
		--timeout 10s $sub_options "$ch"
	"$kecho" pub --wait-sinks 1 "$@" "$ch" <"$file" 2>"$dir/pub.err"
	is $? 0 "$description: pub"
	code_of "$pid"
	is $? 0 "$description: sub"
	cmp "$dir/got" "$dir/wanted"
	claim $? "$description: the same"
}

seq 1 10000 >"$dir/in"
cp "$dir/in" "$dir/wanted"
passes "10,000 lines" "$dir/in" ""

{
	head -c 100000 /dev/zero | tr '\0' a
	echo
	head -c 1000000 /dev/zero | tr '\0' b
	echo
	head -c 16777216 /dev/zero | tr '\0' c
	echo
} >"$dir/in"
cp "$dir/in" "$dir/wanted"
passes "lines of 100 kB, 1 MB, 16 MiB" "$dir/in" ""

printf 'first\n\n\nlast without an end' >"$dir/in"
printf 'first\n\n\nlast without an end\n' >"$dir/wanted"
passes "empty lines and no last newline" "$dir/in" ""

printf 'one\ntwo\0three\0' >"$dir/in"
cp "$dir/in" "$dir/wanted"
passes "pieces that end in 0" "$dir/in" --null --null

head -c 300000 /dev/urandom >"$dir/in"
{ cat "$dir/in"; echo; } >"$dir/wanted"
passes "all of it as one event" "$dir/in" "" --whole

: >"$dir/in"
echo >"$dir/wanted"
passes "nothing as one event" "$dir/in" "" --whole

seq 1 100 >"$dir/in"
seq 1 7 >"$dir/wanted"
passes "--count" "$dir/in" "" --count 7

head -c 16777217 /dev/zero | tr '\0' c >"$dir/in"
"$kecho" pub "$(channel long)" <"$dir/in" 2>"$dir/err"
is $? 1 "a line over 16 MiB is an error"
has "$(<"$dir/err")" 'event 1 of standard input is longer than 16777216 bytes' \
	"a line over 16 MiB is named"

seq 1 20 >"$dir/in"
began=$(date +%s%N)
"$kecho" pub --rate 100 "$(channel rate)" <"$dir/in"
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -ge 190 ]
claim $? "--rate 100: 20 events take at least 190 ms ($took)"

"$kecho" sub --timeout 100ms "$(channel silent)"
is $? 4 "--timeout: exit code 4"
"$kecho" sub 'no blanks' 2>"$dir/err"
is $? 1 "a name that is not allowed: exit code 1"
has "$(<"$dir/err")" "^kecho sub: cannot open channel 'no blanks': ." "and it says why"

# A reader that goes away ends the sink, also when no event comes any more.
ch=$(channel pipe)
mkfifo "$dir/fifo"
start "$dir/got" "$dir/err" bash -c '"$0" sub "$1" | head -n 1; exit "${PIPESTATUS[0]}"' \
	"$kecho" "$ch"
sub=$pid
exec 3<>"$dir/fifo"
start /dev/null "$dir/pub.err" "$kecho" pub --wait-sinks 1 "$ch" <"$dir/fifo"
pub=$pid
echo hello >&3
code_of "$sub"
is $? 141 "nobody reads stdout: exit code 141"
is "$(<"$dir/got")$(<"$dir/err")" hello "nobody reads stdout: not a word about it"
exec 3>&-
code_of "$pub"
is $? 0 "its source goes on"
finish
