#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is recorded and replayed is what was submitted: all of it, each source for itself,
# with its losses and its timing; also when the recorder is killed, the disk is full or the
# file damaged.
# A small disk is mounted at the end, where nobody else sees it.
[ "${own_mounts:-}" ] || own_mounts=1 exec unshare --mount bash "$0" "$@"
. "$(dirname "$0")/tap.sh"
file=$dir/recording

# Replays FILE with OPTIONs into a sink, whose lines are in $dir/got.
replay() { # FILE SUB-OPTIONS REPLAY-OPTION…
	local from=$1 sub_options=$2 ch sub

	shift 2
	ch=$(channel "replay$claims")
	# shellcheck disable=SC2086
	start "$dir/got" "$dir/sub.err" "$kecho" sub --policy block --until-end --strict \
		--timeout 20s $sub_options "$ch"
	sub=$pid
	"$kecho" replay --wait-sinks 1 "$@" "$from" "$ch" >"$dir/out" 2>"$dir/err"
	code=$?
	[ "$code" = 0 ] && { code_of "$sub" || code="sub: $?"; }
	[ "$code" = 0 ] || sed 's/^/# /' "$dir/err" "$dir/sub.err"
	kill "$sub" 2>/dev/null
}

# Records CHANNEL in $file until its sources have ended.
record() { # CHANNEL OPTION…
	local ch=$1

	shift
	start "$dir/rec.out" "$dir/rec.err" "$kecho" record --until-end "$@" "$ch" "$file"
	rec=$pid
	until_true joined "$ch" sink 1
}

check() { # FIELD
	"$kecho" replay --check --json "$file" 2>/dev/null | python3 -c \
		'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# 100,000 events at full speed, there and back.
ch=$(channel fast)
record "$ch" --block
seq 1 100000 >"$dir/in"
"$kecho" pub "$ch" <"$dir/in"
code_of "$rec"
is "$?:$(<"$dir/rec.err")" 0: "recorded"
has "$(<"$dir/rec.out")" "^100000 events, 0 lost, 488895 bytes in '$file'$" "it says what"
is "$(check events):$(check lost):$(check damages):$(check cut_off)" 100000:0:0:0 \
	"--check finds the same"
replay "$file" "" --fast
is "$code" 0 "replayed"
has "$(<"$dir/out")" '^100000 events$' "it says how many"
is "$(sha256sum <"$dir/got")" "$(sha256sum <"$dir/in")" "all payloads are the same"
"$kecho" record "$ch" "$file" 2>"$dir/err"
is $? 1 "a file that is there is not written over"
has "$(<"$dir/err")" "'$file' exists: --append" "it says what to do"

# Two channels, three sources of three names, attributes of events, odd and large payloads.
rm "$file"
a=$(channel a)
b=$(channel b)
start "$dir/rec.out" "$dir/rec.err" "$kecho" record --block --until-end "$a" "$b" "$file"
rec=$pid
until_true joined "$b" sink 1
mkfifo "$dir/one" "$dir/two"
exec 3<>"$dir/one" 4<>"$dir/two"
start /dev/null "$dir/one.err" "$kecho" pub --null --attr label=one --event-attr n=-5 \
	--event-attr kind=odd "$a" <"$dir/one"
one=$pid
KECHO_NODE=second start /dev/null "$dir/two.err" "$kecho" pub "$a" <"$dir/two"
two=$pid
until_true joined "$a" source 2
for i in 1 2 3 4 5; do
	printf 'one\n%s\0' $i >&3
	echo "two $i" >&4
done
head -c 16777216 /dev/urandom >"$dir/large"
"$kecho" pub --whole --attr label=large "$b" <"$dir/large"
is $? 0 "an event of 16 MiB"
exec 3>&- 4>&-
code_of "$one"
code_of "$two"
code_of "$rec"
is "$?:$(<"$dir/rec.err")" 0: "two channels and three sources are recorded"
"$kecho" replay --check --json "$file" | grep -o '"label":"[a-z]*","events":[0-9]*' |
	sort >"$dir/got"
is "$(tr '\n' ' ' <"$dir/got")" \
	'"label":"large","events":1 "label":"one","events":5 "label":"second","events":5 ' \
	"sources have their labels and events"
replay "$file" "--json --attrs n,kind --source-attrs label,tool" --fast --channel "$a"
is "$code" 0 "one channel is replayed"
cat >"$dir/see.py" <<'END'
import json, sys

of = {}
for line in open(sys.argv[1]):
    i = json.loads(line)
    if i['event'] == 'event':
        assert i['source_attributes']['tool'] == 'replay', i
        of.setdefault(i['source_attributes']['label'], []).append(i)
assert sorted(of) == ['one', 'second'], sorted(of)
for n, i in enumerate(of['one']):
    assert i['seq'] == n + 1 and i['payload'] == 'one\n%d' % (n + 1), i
    assert i['attributes'] == {'n': -5, 'kind': 'odd'}, i
for n, i in enumerate(of['second']):
    assert i['payload'] == 'two %d' % (n + 1) and i['attributes'] == {}, i
assert len({i['source'] for label in of.values() for i in label}) == 2
END
python3 "$dir/see.py" "$dir/got"
claim $? "its sources are apart, in order, with labels and attributes"
replay "$file" "" --fast --channel "$b"
head -c 16777216 "$dir/got" | cmp - "$dir/large"
claim $? "16 MiB are the same"

# Its own timing, without drift; faster; in two parts.
rm "$file"
ch=$(channel time)
record "$ch" --block
start "$dir/was" "$dir/was.err" "$kecho" sub --json --policy block --until-end "$ch"
was=$pid
until_true joined "$ch" sink 2
seq 1 100 >"$dir/in"
"$kecho" pub --rate 250 "$ch" <"$dir/in"
code_of "$rec"
code_of "$was"
replay "$file" "--json"
is "$code" 0 "replayed with its own timing"
cat >"$dir/times.py" <<'END'
import json, sys

def times(path):
    t = [json.loads(line)['time_ns'] for line in open(path) if '"event":"event"' in line]
    assert len(t) == 100
    return [at - t[0] for at in t]

was, got = times(sys.argv[1]), times(sys.argv[2])
late = [b - a for a, b in zip(was, got)]
print('# late by %d us at least, %d us p50, %d us at most'
      % (min(late) / 1e3, sorted(late)[50] / 1e3, max(late) / 1e3))
# Any may be late on a busy machine, but not all: what is late once, or a clock that goes
# wrong, must not make all that follows late or early.
for part in range(4):
    assert min(late[25 * part:25 * part + 25]) - min(late) < 20000000, late
END
python3 "$dir/times.py" "$dir/was" "$dir/got"
claim $? "its events come at their times"
replay "$file" "" --speed 4
cmp "$dir/got" "$dir/in"
claim $? "--speed 4: the same"
has "$(<"$dir/out")" '^100 events; late by .* p50, .* p99, .* at the most$' "it says how late"
middle=$(($(check span_ns) - 200000000))ns
replay "$file" "" --fast --to "$middle"
cp "$dir/got" "$dir/parts"
replay "$file" "" --fast --from "$middle"
[ -s "$dir/parts" ] && [ -s "$dir/got" ]
claim $? "--from and --to: a part of it"
cat "$dir/parts" "$dir/got" | cmp - "$dir/in"
claim $? "the parts are the whole"

# Killed at any instant: whole events up to there; --append goes on.
ch=$(channel kill)
"$kecho" pub --wait-sinks 1000 "$ch" </dev/null 2>/dev/null &
pids+=("$!")
RANDOM=4711
seq -f '%0200.0f' 1 100000 >"$dir/in"
has_grown() { # BYTES
	[ "$(stat -c %s "$file")" -ge "$1" ]
}
for i in 1 2 3; do
	rm -f "$file"
	start "$dir/rec.out" "$dir/rec.err" "$kecho" record --block "$ch" "$file"
	rec=$pid
	until_true joined "$ch" sink 1
	start /dev/null "$dir/pub.err" "$kecho" pub --linger 0 "$ch" <"$dir/in"
	pub=$pid
	until_true has_grown $((RANDOM * 200 + 1000))
	kill -KILL "$rec"
	wait "$rec" 2>/dev/null
	code_of "$pub"
	events=$(check events)
	is "$(check damages):$(check cut_off)" 0:1 "killed $i: not damaged, but cut off"
	replay "$file" "" --fast
	is "$code:$(wc -l <"$dir/got")" "0:$events" "killed $i: all of its events are replayed"
	head -n "$events" "$dir/in" | cmp - "$dir/got"
	claim $? "killed $i: the same"
done
[ "$events" -gt 0 ]
claim $? "killed: there are some ($events)"
start "$dir/rec.out" "$dir/rec.err" "$kecho" record --append --until-end "$ch" "$file"
rec=$pid
until_true joined "$ch" sink 1
echo more | "$kecho" pub "$ch"
code_of "$rec"
is "$?:$(check runs):$(check cut_off):$(check events)" "0:2:1:$((events + 1))" \
	"--append goes on in it"

# What is damaged is refused with its place, or left out and said.
rm "$file"
ch=$(channel damage)
record "$ch" --block
seq 1 1000 >"$dir/in"
"$kecho" pub "$ch" <"$dir/in"
code_of "$rec"
python3 - "$file" <<'END'
import sys

f = open(sys.argv[1], 'r+b')
size = f.seek(0, 2)
f.seek(size // 2)
byte = f.read(1)
f.seek(size // 2)
f.write(bytes([byte[0] ^ 1]))
END
replay "$file" "" --fast
is "$code:$(wc -l <"$dir/got")" 1:0 "damaged: nothing is replayed"
has "$(<"$dir/err")" "'$file' is damaged at byte [0-9]*, [0-9]* bytes: it" "it says where"
"$kecho" replay --check "$file" >"$dir/out" 2>"$dir/err"
is $? 1 "--check: exit code 1"
missing=$(sed -n 's/.*missing: events \([0-9]*\) to \([0-9]*\) of source.*/\1/p' "$dir/err")
replay "$file" "" --fast --skip-damaged
is "$code" 0 "--skip-damaged: replayed"
sed "${missing:-0}d" "$dir/in" | cmp - "$dir/got"
claim $? "all but what it says is missing"
has "$(<"$dir/out")" '^999 events; .* bytes were damaged, 1 events missing$' "it counts"
"$kecho" replay --check "$dir/in" 2>"$dir/err"
is $? 1 "a file that is no recording"
has "$(<"$dir/err")" 'no recording' "it says so"

# A recorder that is too slow loses, and says what.
rm "$file"
start /dev/null "$dir/keeper.err" "$kecho" sub --timeout 300s "$(channel keeper)"
until_true joined "$(channel keeper)" sink 1
ch=$(channel lost)
record "$ch" --strict
mkfifo "$dir/slow"
exec 3<>"$dir/slow"
start /dev/null "$dir/pub.err" "$kecho" pub --log-size 64K --linger 0 "$ch" <"$dir/slow"
pub=$pid
zeros=0
flows() {	# that both are there need not mean that they know of each other
	zeros=$((zeros + 1))
	echo 0 >&3
	[ "$(check events 2>/dev/null || echo 0)" -gt 0 ]
}
until_true flows
kill -STOP "$rec"
seq -f '%0200.0f' 1 5000 >&3
exec 3>&-
code_of "$pub"
kill -CONT "$rec"
code_of "$rec"
is $? 3 "lost: exit code 3 with --strict"
events=$(check events)
lost=$(check lost)
first=$("$kecho" replay --check --json "$file" | grep -o '"first_seq":[0-9]*' | cut -d: -f2)
[ "$((first - 1 + events + lost))" = $((zeros + 5000)) ] && [ "$lost" -gt 0 ]
claim $? "each event is in the file or told as lost there ($events, $lost)"
[ "$(<"$dir/rec.out")" = "$events events, $lost lost, $(check bytes) bytes in '$file'" ]
claim $? "as the recorder said"

# A disk that is full: what is missing is named, the file is good.
mkdir "$dir/disk"
mount -t tmpfs -o size=1M none "$dir/disk"
is $? 0 "full disk: a small one"
file=$dir/disk/recording
ch=$(channel full)
record "$ch" --block
seq -f '%0200.0f' 1 10000 >"$dir/in"
"$kecho" pub --linger 0 "$ch" <"$dir/in"
code_of "$rec"
is $? 1 "full disk: exit code 1"
size=$(stat -c %s "$file")
has "$(<"$dir/rec.err")" "cannot write '$file': No space left on device; it has $size bytes" \
	"full disk: it says so, and how much is there"
events=$(check events)
what="events $((events + 1)) to [0-9]* of source [0-9a-f]* in channel '$ch', and all that follow"
has "$(<"$dir/rec.err")" "missing in '$file': $what" "full disk: it names what is missing"
has "$(<"$dir/rec.out")" "^$events events, 0 lost, $(check bytes) bytes in '$file'$" \
	"full disk: it counts what is there"
is "$(check damages):$(check torn_bytes):$(check cut_off)" 0:0:1 \
	"full disk: the file is good to its last event"
mount -o remount,size=8M "$dir/disk"
record "$ch" --append
echo more | "$kecho" pub "$ch"
code_of "$rec"
is "$?:$(check events)" "0:$((events + 1))" "full disk: with room it goes on"
umount "$dir/disk"
finish
