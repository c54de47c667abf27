#!/bin/sh
# SPDX-License-Identifier: MIT
#
# callgrind.sh BUILD: what a submit costs does not depend on the number of sinks.
# Counts the instructions of kecho_submit_vector() with callgrind, 64 events at a
# call, nobody asleep, for 1 and for 8 sinks; more than 2 % apart is a failure.

set -eu

submit=${1:?usage: callgrind.sh BUILD}/bench/submit
bursts=64
events=$((bursts * 64))
apart_max=0.02

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM

die()
{
	echo "callgrind: $*" >&2
	exit 2
}

# instructions SINKS: of the publisher within kecho_submit_vector().
instructions()
{
	valgrind --tool=callgrind --toggle-collect=kecho_submit_vector \
		--callgrind-out-file="$tmp/out-$1.%p" "$submit" "$1" $bursts 2>"$tmp/err-$1" ||
		die "$submit $1 $bursts failed: $(cat "$tmp/err-$1")"
	# Each process leaves a file; the sinks never submit, so theirs say 0.
	awk '/^(summary|totals): / { if ($2 > max) max = $2 } END { print max + 0 }' \
		"$tmp/out-$1".*
}

command -v valgrind >/dev/null || die "valgrind is not installed"
one=$(instructions 1)
eight=$(instructions 8)
[ "$one" -gt 0 ] && [ "$eight" -gt 0 ] ||
	die "kecho_submit_vector was not seen: $one and $eight instructions"
awk -v one="$one" -v eight="$eight" -v events=$events -v max=$apart_max '
	BEGIN {
		ratio = eight / one
		apart = ratio > 1 ? ratio - 1 : 1 - ratio
		printf "instructions per event: %.1f for 1 sink, %.1f for 8, ratio %.4f, ",
			one / events, eight / events, ratio
		printf "bar 1 +- %g: %s\n", max, (apart > max) ? "missed" : "met"
		exit (apart > max)
	}'
