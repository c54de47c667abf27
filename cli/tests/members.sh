#!/bin/bash
# SPDX-License-Identifier: MIT
# Several members: two sinks, late ones, ones that leave and ones that are killed.
. "$(dirname "$0")/tap.sh"

# Two sinks, two sources: each sink has all, in order per source.
ch=$(channel two)
for i in 1 2; do
	start "$dir/got$i" "$dir/err$i" "$kecho" sub --policy block --count 4000 --strict \
		--timeout 10s "$ch"
	sub[i]=$pid
done
for i in 1 2; do
	seq -f "$i-%.0f" 1 2000 >"$dir/in$i"
	start /dev/null "$dir/pub.err" "$kecho" pub --wait-sinks 2 "$ch" <"$dir/in$i"
	pub[i]=$pid
done
for i in 1 2; do
	code_of "${pub[i]}"
	is $? 0 "source $i of two"
	code_of "${sub[i]}"
	is $? 0 "sink $i of two"
done
for i in 1 2; do
	for from in 1 2; do
		grep "^$from-" "$dir/got$i" | cmp - "$dir/in$from"
		claim $? "sink $i has all of source $from in order"
	done
done

# Retained events, for a sink that asks and one that does not.
ch=$(channel retain)
mkfifo "$dir/fifo"
exec 3<>"$dir/fifo"
start /dev/null "$dir/err" "$kecho" pub --retain 3 "$ch" <"$dir/fifo"
pub=$pid
seq 1 5 >&3
until_true joined "$ch" source 1
claim $? "ls shows the source"
five_submitted() {
	"$kecho" stat --interval 0 --json "$ch" 2>/dev/null | grep -q '"events":5,'
}
until_true five_submitted
claim $? "stat counts 5 events"
is "$("$kecho" sub --retained --count 3 --timeout 10s "$ch" | tr '\n' ' ')" "3 4 5 " \
	"--retained: the last 3 of 5"
start "$dir/got" "$dir/err2" "$kecho" sub --members --count 1 --timeout 10s "$ch"
until_true grep -q . "$dir/err2"	# members are told when it gets what comes
echo 6 >&3
code_of "$pid"
is "$(<"$dir/got")" 6 "without --retained: only what comes"
exec 3>&-
code_of "$pub"
is $? 0 "the source leaves"

# A source that is killed has failed, one that is stopped has left.
ch=$(channel end)
start "$dir/got" "$dir/err" "$kecho" sub --json --members "$ch"
sub=$pid
mkfifo "$dir/fifo2"
exec 4<>"$dir/fifo2"
for signal in KILL TERM INT; do
	start /dev/null "$dir/pub.err" "$kecho" pub --wait-sinks 1 "$ch" <"$dir/fifo2"
	pub=$pid
	echo "before $signal" >&4
	until_true grep -q "before $signal" "$dir/got"
	claim $? "$signal: an event came"
	source=$(sed -n "s/.*\"source\":\"\([0-9a-f]*\)\".*before $signal.*/\1/p" "$dir/got")
	kill -"$signal" "$pub"
	code_of "$pub" 2>/dev/null
	code=$?
	failed=false
	word=left
	if [ $signal = KILL ]; then
		failed=true
		word=failed
	else
		is "$code" 0 "$signal: pub ends with 0"
	fi
	until_true grep -q "\"ended\",\"source\":\"$source\",\"last_seq\":1,\"failed\":$failed" \
		"$dir/got"
	claim $? "$signal: the source ended, failed: $failed"
	until_true grep -q "\"event\":\"$word\",\"member\":\"$source\"" "$dir/got"
	claim $? "$signal: the member $word"
done
until_true joined "$ch" source 0
claim $? "no source remains"
kill -TERM "$sub"
code_of "$sub"
is $? 0 "TERM: sub ends with 0"

# In text mode ends are on stderr, in words.
ch=$(channel words)
start "$dir/got" "$dir/err" "$kecho" sub --until-end --timeout 10s "$ch"
echo hello | "$kecho" pub --wait-sinks 1 "$ch"
code_of "$pid"
is "$(<"$dir/got")" hello "text: stdout has the event alone"
has "$(<"$dir/err")" '^kecho sub: source [0-9a-f]\{16\} left; its last event was 1$' \
	"text: stderr has the end"
finish
