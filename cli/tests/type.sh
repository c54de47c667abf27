#!/bin/bash
# SPDX-License-Identifier: MIT
# Types: structs that gcc describes, printed, merged, and published and printed as JSON.
. "$(dirname "$0")/tap.sh"

# What EXPRESSION makes of each JSON object `o` on stdin, in one line.
of_json() { # EXPRESSION
	python3 -c 'import json, sys
print(*(eval(sys.argv[1]) for o in map(json.loads, sys.stdin) if o.get("event") != "ended"))' "$1"
}

cat >"$dir/load.c" <<'END'
#include <stdint.h>
struct point { double x, y; };
struct load {
	uint64_t seq;
	int cpu;
	char host[16];
	uint16_t parts[3];
	unsigned int idle : 1, steal : 7;
	struct point at;
	struct point path[2];
	union { int number; char letters[4]; };
};
typedef struct load load_t;
load_t a_load;
END
cat >"$dir/main.c" <<'END'
struct point { double x, y; };
struct event { struct point from, to; } an_event;
int main(void) { return an_event.from.x != 0; }
END
for name in load main; do
	gcc -gbtf -c -o "$dir/$name.o" "$dir/$name.c"
done

cat >"$dir/wanted" <<'END'
struct load, 96 bytes
     0  u64          seq
     8  s32          cpu
    12  char[16]     host
    28  u16[3]       parts
    34  u8:1         idle
    34  u8:7         steal
    40  f64          at.x
    48  f64          at.y
    56  bytes[32]    path
    88  bytes[4]     number|letters
END
is "$("$kecho" type "$dir/load.o" load)" "$(<"$dir/wanted")" "the fields of a struct"
is "$("$kecho" type "$dir/load.o" 'struct load')" "$(<"$dir/wanted")" "by its whole name"
is "$("$kecho" type "$dir/load.o" load_t | sed 1d)" "$(sed 1d "$dir/wanted")" \
	"by the name of a typedef"
"$kecho" type --json "$dir/load.o" load >"$dir/json"
is "$(of_json '[o["name"], o["size"], len(o["id"]), len(o["fields"])]' <"$dir/json")" \
	"['load', 96, 16, 10]" "--json: the struct"
is "$(of_json '[*o["fields"][3].values()]' <"$dir/json")" \
	"['parts', 'bytes', 28, 6, 'unsigned', 2]" "--json: an array"
is "$(of_json '[*o["fields"][5].items()][-2:]' <"$dir/json")" \
	"[('bits', 7), ('bit_offset', 1)]" "--json: a bit-field"

# What a linker does to BTF, and what is to be done about it.
"$kecho" type --merge "$dir/all.btf" "$dir/load.o" "$dir/main.o"
is $? 0 "--merge"
is "$("$kecho" type "$dir/all.btf" load)" "$(<"$dir/wanted")" "merged: the first object's"
has "$("$kecho" type "$dir/all.btf" event)" 'f64 *to.y' "merged: the second object's"
gcc -o "$dir/app" "$dir/load.o" "$dir/main.o"
"$kecho" type "$dir/app" event 2>"$dir/err"
is $? 1 "a program has the BTF of its objects one behind the other"
has "$(<"$dir/err")" "^kecho type: no type 'event': .*/app: there is no struct event in it" \
	"only the first is found"
objcopy --remove-section .BTF --add-section .BTF="$dir/all.btf" "$dir/app"
is "$("$kecho" type "$dir/app" load)" "$(<"$dir/wanted")" "a program with merged BTF"
has "$("$kecho" type "$dir/app" event)" 'f64 *to.y' "it has all"

refused() { # DESCRIPTION PATTERN CODE ARGUMENT…
	local description=$1 pattern=$2 code=$3

	shift 3
	"$kecho" "$@" 2>"$dir/err" </dev/null >"$dir/out"
	is $? "$code" "$description"
	has "$(<"$dir/err")" "$pattern" "$description: it says why"
}

refused "no such struct" "load.o: there is no struct nobody in it" 1 type "$dir/load.o" nobody
refused "no such file" "none.o: No such file" 1 type "$dir/none.o" load
refused "no BTF" "load.c: there is no BTF in it" 1 type "$dir/load.c" load
echo old >"$dir/kept"
refused "merging a file that is none" "none.o: No such file" 1 \
	type --merge "$dir/kept" "$dir/load.o" "$dir/none.o"
is "$(<"$dir/kept")" old "what could not be merged is as it was"
refused "merging into nowhere" "cannot make '$dir/no/where': .*No such file" 1 \
	type --merge "$dir/no/where" "$dir/load.o"
refused "a type without a file" "which file" 2 type
refused "--type without --btf" "needs --btf" 2 sub --type load "$(channel x)"
refused "--btf without --type" "needs --type" 2 pub --btf "$dir/load.o" "$(channel x)"
refused "--type with --from" "do not go together" 2 pub --type load --from psi "$(channel x)"
refused "--type with --hex" "do not go together" 2 sub --type load --hex "$(channel x)"
refused "pub: no such struct" "no type 'nobody'" 1 \
	pub --type nobody --btf "$dir/load.o" "$(channel x)"
KECHO_BTF_SO=/nowhere/btf.so refused "without what reads BTF" "/nowhere/btf.so: cannot open" 1 \
	type "$dir/load.o" load

# JSON in, structs in the channel, JSON out.
typed=(--type load --btf "$dir/load.o")
one=000000000000f03f
none=0000000000000000
cat >"$dir/in" <<END
{"seq":18446744073709551615,"cpu":-7,"host":"north é","parts":[1,2,65535],"idle":1,"steal":127,\
"at":{"x":0.1,"y":-1e+300},"path":"$one$none$none$none","number|letters":"01020304"}
{"seq":0,"cpu":0,"host":"","parts":[0,0,0],"idle":0,"steal":0,\
"at":{"x":0,"y":0},"path":"$none$none$none$none","number|letters":"00000000"}
END
ch=$(channel typed)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --count 2 --timeout 10s "${typed[@]}" "$ch"
text=$pid
start "$dir/json" "$dir/err" "$kecho" sub --json --policy block --count 2 --timeout 10s \
	"${typed[@]}" "$ch"
json=$pid
start "$dir/raw" "$dir/err" "$kecho" sub --raw --null --policy block --count 2 --timeout 10s \
	"$ch"
raw=$pid
start "$dir/plain" "$dir/err" "$kecho" sub --policy block --count 2 --timeout 10s "$ch"
plain=$pid
start "$dir/plain.json" "$dir/err" "$kecho" sub --json --policy block --count 2 --timeout 10s "$ch"
plain_json=$pid
"$kecho" pub --wait-sinks 5 "${typed[@]}" "$ch" <"$dir/in"
is $? 0 "pub --type"
for sub in "$text" "$json" "$raw" "$plain" "$plain_json"; do
	code_of "$sub"
	is $? 0 "a sink ends well"
done
is "$(<"$dir/got")" "$(<"$dir/in")" "sub --type prints what was published"
is "$(of_json 'o["payload"]["cpu"]' <"$dir/json")" "-7 0" \
	"sub --type --json: the payload is an object"
is "$(of_json 'o["size"]' <"$dir/json")" "96 96" "of the struct's size"
is "$(<"$dir/plain")" "$(<"$dir/in")" "without --type too: the source says what they are"
is "$(of_json '[o["type"], o["payload"]["cpu"]]' <"$dir/plain.json")" "['load', -7] ['load', 0]" \
	"--json: with the type's name"
is "$(wc -c <"$dir/raw")" $((2 * 97)) "what goes through the channel is the struct"
is "$(od -An -tu8 -N8 "$dir/raw" | xargs)" 18446744073709551615 "and its fields are"

# One event that is no such struct: those before it are out, and it is named.
ch=$(channel wrong)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --until-end --timeout 10s "${typed[@]}" \
	"$ch"
sub=$pid
printf '%s\n' '{"seq":1}' '{"seq":2}' '{"cpu":3000000000}' '{"seq":4}' |
	"$kecho" pub --wait-sinks 1 "${typed[@]}" "$ch" 2>"$dir/pub.err"
is $? 1 "an event that does not fit is an error"
is "$(<"$dir/pub.err")" "kecho pub: event 3 of standard input: type 'load': field 'cpu': \
3000000000 does not fit 32 bits with a sign" "it is named"
code_of "$sub"
is "$(of_json 'o["seq"]' <"$dir/got")" "1 2" "those before it went out, those behind it not"

# A newer publisher, an older reader; types of a channel; a tap.
cat >"$dir/newer.c" <<'END'
struct load { char zone[4]; long cpu; unsigned short seq; } a_load;
END
gcc -gbtf -c -o "$dir/newer.o" "$dir/newer.c"
ch=$(channel versions)
start "$dir/older" "$dir/err" "$kecho" sub --policy block --count 1 --timeout 60s "${typed[@]}" \
	"$ch"
older=$pid
until "$kecho" ls 2>/dev/null | grep -q "$ch"; do sleep 0.05; done
start "$dir/tapped" "$dir/err" "$kecho" tap --count 1 --for 60s "$ch"
tap=$pid
mkfifo "$dir/pipe"
"$kecho" pub --wait-sinks 2 --type load --btf "$dir/newer.o" "$ch" <"$dir/pipe" &
pub=$!
exec 5>"$dir/pipe"
until "$kecho" type --channel "$ch" 2>/dev/null | grep -q struct; do sleep 0.05; done
has "$("$kecho" type --channel "$ch")" \
	"^source [0-9a-f]*, type 1: struct load, 24 bytes" "--channel: the types of its sources"
is "$("$kecho" type --json --channel "$ch" |
	of_json '[o["number"], o["name"], len(o["source"]), len(o["fields"])]')" \
	"[1, 'load', 16, 3]" "--channel --json"
echo '{"zone":"eu","cpu":-3,"seq":9}' >&5
code_of "$older"
is "$(of_json '[o["seq"], o["cpu"], o["host"]]' <"$dir/older")" "[9, -3, '']" \
	"a newer struct as the older one"
code_of "$tap"
has "$(grep bytes "$dir/tapped")" '24 bytes: {"zone":"eu","cpu":-3,"seq":9}$' "a tap knows it, too"
exec 5>&-
wait "$pub"
is $? 0 "the publisher ends well"
# A filter looks at fields of whatever struct the source has.
ch=$(channel filtered)
start "$dir/got" "$dir/err" "$kecho" sub --policy block --filter 'cpu < 0' --count 1 \
	--timeout 10s "$ch"
"$kecho" pub --wait-sinks 1 "${typed[@]}" "$ch" <<<$'{"cpu":0}\n{"cpu":-1}'
code_of "$pid"
is "$(of_json 'o["cpu"]' <"$dir/got")" -1 "--filter by a field, without --type"

# A recording has the types, and who sees it replayed.
ch=$(channel recorded)
start /dev/null "$dir/err" "$kecho" record --block --count 2 "$ch" "$dir/recording"
rec=$pid
"$kecho" pub --wait-sinks 1 "${typed[@]}" "$ch" <"$dir/in"
code_of "$rec"
is $? 0 "record"
replayed() { # OPTION…
	start "$dir/got" "$dir/err" "$kecho" sub --policy block --count 2 --timeout 10s "$ch"
	"$kecho" replay --fast --wait-sinks 1 "$@" "$dir/recording" >/dev/null 2>"$dir/replay.err"
	is $? 0 "replay $*"
	code_of "$pid"
}
replayed
is "$(<"$dir/got")" "$(<"$dir/in")" "replayed events are printed by their type"
at=$(grep -abo 'kt' "$dir/recording" | head -n 1 | cut -d: -f1)
printf 'x' | dd of="$dir/recording" bs=1 seek="$at" conv=notrunc status=none
replayed --skip-damaged
is "$(wc -c <"$dir/got")" $((2 * 97)) "of a damaged type they are bytes"

refused "--channel with a file" "needs no file" 2 type --channel x "$dir/load.o"
refused "--channel with --merge" "do not go together" 2 type --channel x --merge "$dir/out" y
refused "--raw with --type" "do not go together" 2 sub --raw "${typed[@]}" x
refused "a channel that is not there" "cannot open channel" 1 type --channel "$(channel none)"
finish
