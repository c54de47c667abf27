#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage_test.sh KECHO-SIM: its options and exit codes, in TAP.

set -u

sim=$1
number=0
failed=0

# expect CODE WHAT ARGUMENT...
expect()
{
	code=$1 what=$2
	shift 2
	"$sim" "$@" >/dev/null 2>&1
	is=$?
	number=$((number + 1))
	if [ $is = "$code" ]; then
		echo "ok $number - $what"
	else
		echo "# exit code $is, not $code"
		echo "not ok $number - $what"
		failed=1
	fi
}

expect 0 "help" --help
expect 0 "one seed" --seed 7 --events 500
expect 0 "chosen sizes" --seed 7 --nodes 3 --channels 2 --members 4 --events 500 --faults cut,kill
expect 0 "replay" --replay 7 --events 500
expect 0 "filters" --seed 7 --events 500 --filters
expect 0 "nodes of one host" --seed 7 --nodes 3 --hosts 1 --events 500
expect 2 "a scale of too little" --scale=9
expect 2 "an unknown option" --sed 7
expect 2 "an unknown fault" --faults rain
expect 2 "a bad number" --nodes many
expect 2 "too many nodes" --nodes 1000
expect 2 "half a range" --seeds 7
expect 2 "an argument too many" 7
echo "1..$number"
exit $failed
