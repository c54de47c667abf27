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

include=$(cd "$(dirname "$0")/../../include" && pwd)
object() { # NAME, C on stdin
	{
		echo '#include <kecho/filter_bpf.h>'
		cat
	} >"$dir/$1.c"
	clang -target bpf -O2 -Wall -Wextra -Werror -I "$include" -c "$dir/$1.c" -o "$dir/$1.o"
}

object out <<'END'
KECHO_BEST(2);
KECHO_OUT_FILTER int pick(struct kecho_bpf *f)
{
	if (!kecho_is_type(f, "load") || !kecho_has_field(f, "cpu") || kecho_field(f, "cpu") >= 80)
		return 0;
	if (!kecho_equal(f, kecho_string_attr(f, KECHO_OF_SINK, "zone"), kecho_string_const("eu")))
		return 0;
	if (!kecho_has_attr(f, KECHO_OF_SINK, "load") || !kecho_has_age(f, KECHO_OF_SINK, "load"))
		return 0;
	f->score = -kecho_attr(f, KECHO_OF_SINK, "load") + kecho_age(f, KECHO_OF_SINK, "load");
	return f->score < 100 && kecho_has_string(f, "host") &&
	       kecho_prefix(f, kecho_string_field(f, "host"), kecho_string_const("a"));
}
END
is $? 0 "a filter in C"
run compile --c "$dir/out.o" -o "$dir/g"
is "$code:$out:$err" 0:: "it is compiled"
run test -i "$dir/g" type=load cpu=5 sink.zone=eu sink.load=7 sink.load.age=9 host=abc
is "${out%%$'\n'*}" "yes, score 2" "it judges"
run test --c "$dir/out.o" type=load cpu=80 sink.zone=eu sink.load=7 host=abc
is "${out%%$'\n'*}" no "from the object too"
run dump "$dir/g"
has "$out" '^best: 2$' "it says how many"
object many <<'END'
KECHO_EVENT_FILTER int a(struct kecho_bpf *f) { return f->seq > 1; }
KECHO_IN_FILTER int b(struct kecho_bpf *f) { return f->seq > 2; }
END
object variable <<'END'
static volatile unsigned int v;
KECHO_EVENT_FILTER int a(struct kecho_bpf *f) { return f->seq > v++; }
END
object function <<'END'
__attribute__((noinline)) static int g(struct kecho_bpf *f) { return f->seq > 1; }
KECHO_EVENT_FILTER int a(struct kecho_bpf *f) { return g(f); }
END
object loop <<'END'
KECHO_EVENT_FILTER int a(struct kecho_bpf *f)
{
	unsigned long long x = f->seq;

	while (x & 1)
		x = x * 3 + f->len;
	return x;
}
END
cp "$dir/out.o" "$dir/cut.o"
truncate -s 300 "$dir/cut.o"

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
wrong "two filters in C" "kecho filter: $dir/many.o: it has 2 filters, not one" \
	compile --c "$dir/many.o"
refers="the filter refers to a variable or to a function of its own"
wrong "a variable in C" "kecho filter: $dir/variable.o: $refers" \
	compile --c "$dir/variable.o"
wrong "a function in C" \
	"kecho filter: $dir/function.o: it has functions that are not inlined" \
	compile --c "$dir/function.o"
wrong "an object that is cut off" "kecho filter: $dir/cut.o: its sections are not in it" \
	compile --c "$dir/cut.o"
wrong "no object" "kecho filter: $dir/f: it is no object" compile --c "$dir/f"
run compile --c "$dir/loop.o"
is "$code" 1 "a loop in C: exit code 1"
has "$err" "instruction [0-9]*: it jumps back" "and the instruction"
# A sink that gets some of the events.
ch=$(channel some)
start "$dir/got" "$dir/sub.err" "$kecho" sub --policy block --count 2 --timeout 20s \
	--filter 'prefix(event.line, "b") || source.all == 1' "$ch"
sub=$pid
until_true joined "$ch" sink 1
claim $? "a sink with a filter joins"
echo a | "$kecho" pub --event-attr line=a "$ch"
is $? 0 "an event that is not for it"
echo b | "$kecho" pub --event-attr line=bb "$ch"
echo c | "$kecho" pub --attr all=1 "$ch"
code_of "$sub"
is "$(tr '\n' ' ' <"$dir/got")" "b c " "those that the filter says yes to, and no others"
"$kecho" sub --filter 'event.line ==' "$ch" >"$dir/out" 2>"$dir/err"
is $? 2 "a wrong filter of sub: exit code 2"
has "$(<"$dir/err")" '^kecho sub: column 14: ' "and where"
wrong "no folder" "kecho filter: cannot create $dir/none/f: No such file or directory" \
	compile -o "$dir/none/f" 1
wrong "a full disk" "kecho filter: cannot write /dev/full: No space left on device" \
	compile -o /dev/full 1
finish
