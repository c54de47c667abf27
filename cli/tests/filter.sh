#!/bin/bash
# SPDX-License-Identifier: MIT
# Filters on the command line: compiled, shown, tried, and where a mistake is.
. "$(dirname "$0")/tap.sh"

run() {
	"$kecho" filter "$@" >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
	out=$(<"$dir/out")
	err=$(<"$dir/err")
}

wrong() { # DESCRIPTION WANTED-ON-STDERR ARGUMENT…
	local description=$1 wanted=$2

	shift 2
	run "$@"
	is "$code:$out" 1: "$description: exit code 1, nothing on stdout"
	is "$err" "$wanted" "$description: says what and where"
}

run compile 'type == "load" && cpu < 80 && sink.load.age < 5s'
is "$code:$err" 0: "compile"
has "$out" '^event filter: [0-9]* instructions$' "what it is"
has "$out" '^slot 0: sink.load.age$' "its slots"
has "$out" 'is type load' "the type"
has "$out" 'r2 = field cpu' "the field"
has "$out" 'if r2 s>= 80 goto [0-9]*' "the comparison"
cp "$dir/out" "$dir/text"
run compile -o "$dir/f" 'type == "load" && cpu < 80 && sink.load.age < 5s'
is "$code:$out:$err" 0:: "compile into a file"
run dump "$dir/f"
is "$code:$out" "0:$(<"$dir/text")" "dump shows the same"
run dump --json "$dir/f"
json_valid "$dir/out"
claim $? "dump --json is JSON"
python3 - "$dir/out" "$dir/f" <<'END'
import base64, json, sys
got = json.load(open(sys.argv[1]))
sys.exit(got["use"] != "event" or base64.b64decode(got["filter"]) != open(sys.argv[2], "rb").read())
END
claim $? "and has the file's bytes"

run test 'cpu < 80 && sink.zone == source.zone && !has(gone)' cpu=75 sink.zone=eu source.zone=eu
is "$code:$out" "0:yes
  cpu          75
  gone         absent
  sink.zone    \"eu\"
  source.zone  \"eu\"" "test: yes, and what it read"
run test 'cpu < 80' cpu=81
is "$code:${out%%$'\n'*}" 0:no "test: no"
run test 'type == "a" && seq == 5 && len == 30 && time == 7 && .type == 9 && n == "5"' \
	type=a seq=5 len=30 time=7 .type=9 n='"5"'
is "${out%%$'\n'*}" yes "test: what an event has, fields of such names, and strings of digits"
run test 'sink.load.age > 1s && sink.x.age == 3' sink.load=1 sink.load.age=2s \
	sink.x=a sink.x.age=3
is "${out%%$'\n'*}" yes "test: ages"
run test -i "$dir/f" type=load cpu=1 sink.load=1
is "${out%%$'\n'*}" yes "test: from a file"
run test --for out --json 'best 2 by sink.load' sink.load=20
is "$code:$out" '0:{"yes":true,"score":-21,"values":[{"name":"sink.load","value":20}]}' \
	"test --json"
run test --json 'has(a) || b == "x"' b=x
is "$out" '{"yes":true,"values":[{"name":"a","value":null},{"name":"b","value":"x"}]}' \
	"test --json: absent, a string"
run test 'cpu < 80' cpx=75
is "$code" 2 "test: a name that is not read: exit code 2"
has "$err" "does not read 'cpx', but cpu" "and what is"
run test 'sink.load.age < 5' sink.load.age=4
is "$code" 2 "test: an age of nothing"

run bench --duration 10ms --json 'a == 1 && b == 2' a=1 b=2
json_valid "$dir/out"
claim $? "bench --json is JSON"
python3 - "$dir/out" <<'END'
import json, sys
got = json.load(open(sys.argv[1]))
sys.exit(not (got["judgements"] == got["yes"] > 0 and
              0 < got["min_ns"] <= got["p50_ns"] <= got["p99_ns"]))
END
claim $? "bench: each judgement was yes, and took time"
run bench --duration 1ms 'a == 1' a=2
has "$out" '^[0-9.]*[kM]* judgements, 0 % yes: [0-9.]* ns each' "bench: as text"

operand="here should be a number, a string, a field, an attribute or a condition"
wrong "a mistake" "kecho filter: column 7: $operand
  cpu < < 5
        ^" compile 'cpu < < 5'
wrong "a word" "kecho filter: column 1: there is no function prefx(): is it prefix()?
  prefx(host, \"a\")
  ^~~~~" compile 'prefx(host, "a")'
wrong "an early end" "kecho filter: column 6: the expression ends too early: $operand
  cpu <
       ^" compile 'cpu <'
wrong "behind other letters" "kecho filter: column 17: numbers have no fractions here
  x == \"ü€\" && 1.5
               ^" test 'x == "ü€" && 1.5'
wrong "on a line of its own" "kecho filter: column 1: == needs a string, and this is a number
  5 ==   \"a\"
  ^" compile $'5 ==\n\t "a"'
wrong "no file" "kecho filter: cannot open $dir/none: No such file or directory" dump "$dir/none"
wrong "no filter" "kecho filter: $0: filter: it is no filter: Protocol error" dump "$0"
wrong "no folder" "kecho filter: cannot create $dir/none/f: No such file or directory" \
	compile -o "$dir/none/f" 1
wrong "a full disk" "kecho filter: cannot write /dev/full: No space left on device" \
	compile -o /dev/full 1
finish
