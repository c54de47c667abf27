#!/bin/bash
# SPDX-License-Identifier: MIT
# Help, usage errors and exit codes, without a channel.
. "$(dirname "$0")/tap.sh"

run() {
	"$kecho" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	code=$?
	out=$(<"$dir/out")
	err=$(<"$dir/err")
}

refused() { # DESCRIPTION PATTERN ARGUMENT…
	local description=$1 pattern=$2

	shift 2
	run "$@"
	is "$code:$out" 2: "$description: exit code 2, nothing on stdout"
	has "$err" "$pattern" "$description: says why"
}

run --version
is "$code" 0 "--version"
has "$out" '^kecho [0-9]*\.[0-9]*\.[0-9]*$' "--version prints one"
verbs="pub sub ls stat ping perf freeze drain destroy node tap record replay graph metrics top type"
verbs="$verbs filter"
run --help
is "$code:$err" 0: "--help"
for verb in $verbs; do
	has "$out" "^  $verb " "--help lists $verb"
done

for verb in $verbs; do
	run help $verb
	is "$code:$err" 0: "help $verb"
	for part in "^Usage: kecho $verb" '^Examples:' '^Exit codes:' KECHO_LISTEN \
		KECHO_ADVERTISE KECHO_REGISTRY KECHO_NODE; do
		has "$out" "$part" "help $verb has $part"
	done
	cp "$dir/out" "$dir/help"
	run $verb --help
	is "$code:$out" "0:$(<"$dir/help")" "$verb --help is the same"
	refused "$verb --bogus" "kecho $verb: .*bogus" $verb --bogus
	has "$err" "kecho help $verb" "$verb --bogus: where the help is"
done

refused "node without a word" 'There is status' node
refused "node with a wrong word" "no 'state' of the node" node state
KECHO_SOCKET=$dir/none run node status
is "$code:$out" 1: "no node: exit code 1"
has "$err" "no node answers on $dir/none" "no node: says where"
refused "no verb" 'which verb'
refused "a wrong verb" "no verb 'shout'" shout
refused "help for a wrong verb" "no verb 'shout'" help shout
refused "pub without a channel" 'which channel' pub
refused "sub without a channel" 'which channel' sub
refused "ping without a channel" 'which channel' ping
refused "freeze without a channel" 'which channel' freeze
refused "drain takes no --for" 'for' drain --for 1s x
refused "a timeout that is too long" 'over an hour' destroy --timeout 2h x
refused "an id that is none" "'12' is not an id" tap --source 12 x
refused "record without a file" 'which file' record x
refused "record of a channel twice" "'x' is there twice" record x x file
refused "replay without a file" 'which file' replay
refused "replay into two channels" "what is 'c' for" replay a b c
refused "a wrong speed" "'0' is not a number from" replay --speed 0 x
refused "JSON of nothing" 'goes with --check' replay --json x
refused "two channels" "not also 'b'" sub a b
refused "graph: a wrong interval" 'is not a duration' graph --interval often
refused "top: an interval that is too short" 'is under 100ms' top --interval 1ms
refused "top: a wrong order" "'size' is not name" top --sort size
refused "metrics of a channel" "'x' is one word too many" metrics x
refused "metrics at no address" "'localhost' is not ADDR" metrics --listen localhost
refused "a wrong class" "'slow' is not urgent" pub --class slow x
refused "a wrong policy" "'slow' is not latest" sub --policy slow x
refused "a wrong count" "'-1' is not a whole number" sub --count -1 x
refused "a count that overflows" 'not between' sub --count 99999999999999999999 x
refused "a wrong duration" "'5 parsecs' is not a duration" sub --timeout '5 parsecs' x
refused "a wrong rate" "'0' is not a number of events" pub --rate 0 x
refused "a wrong attribute" "'zone' is not NAME=VALUE" pub --attr zone x
refused "an attribute without a name" 'a name is empty' pub --attr =1 x
refused "a wrong feed" "no 'weather'" pub --from loadavg,weather x
refused "a feed twice" 'psi is there twice' pub --from psi,loadavg,psi x
refused "feeds and --whole" 'do not go together' pub --from psi --whole x
refused "a wrong size" "'1G' is not a size" perf --sizes 1G
refused "a size without room" 'not between' perf --sizes 8
refused "perf of nothing" "'run' is neither" perf run x
refused "perf pub without a channel" 'which channel' perf pub
refused "filter of nothing" 'There are compile, dump, test and bench' filter
refused "filter with a wrong word" "'run' is not compile" filter run
refused "filter without an expression" 'which expression' filter test
refused "filter for nobody" "'all' is not event, in or out" filter compile --for all 1
refused "two expressions" "what is '2' for" filter compile 1 2
refused "a filter's event that is none" "'cpu' is not NAME=VALUE" filter test cpu cpu
refused "dump into a file" 'goes with compile' filter dump -o x y
refused "a test that lasts" 'goes with bench' filter test --duration 1s 1
refused "reports without an interval" 'takes an --interval' stat --interval 0 --count 2

# That it is not there at all cannot be said: it may be installed.
cp "$kecho" "$dir/kecho"
>"$dir/kecho-metrics"
kecho=$dir/kecho run metrics
is "$code:$out" 1: "a verb's program that cannot be run: exit code 1"
has "$err" "kecho metrics: cannot run $dir/kecho-metrics: Permission denied" "and is named"

"$kecho" --help >/dev/full 2>"$dir/err"
is $? 1 "a full disk is an error"
has "$(<"$dir/err")" 'cannot write to standard output: No space' "a full disk is named"
finish
