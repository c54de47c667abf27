#!/bin/sh
# SPDX-License-Identifier: MIT
#
# syscalls.sh BUILD: a submit makes no system call when nobody sleeps. Counts with
# `strace -c` the calls of the submitting thread while it submits 512 events to
# 8 sinks that are busy. The write and the reads with which the program talks to
# this script are its own; any other call is a failure.

set -eu

submit=${1:?usage: syscalls.sh BUILD}/bench/submit
sinks=8
bursts=8
attach_limit=100 # tenths of a second

tmp=$(mktemp -d)
submit_pid=
strace_pid=
cleanup()
{
	[ -z "$strace_pid" ] || kill "$strace_pid" 2>/dev/null || true
	[ -z "$submit_pid" ] || kill "$submit_pid" 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

die()
{
	echo "syscalls: $*" >&2
	exit 2
}

# wait_for PATTERN FILE: until a line of the file has it.
wait_for()
{
	tries=$attach_limit
	until grep -q "$1" "$2" 2>/dev/null; do
		kill -0 "$submit_pid" 2>/dev/null || die "$submit ended early: $(cat "$tmp/err")"
		tries=$((tries - 1))
		[ $tries -gt 0 ] || die "no '$1' in: $(cat "$2" "$tmp/err")"
		sleep 0.1
	done
}

command -v strace >/dev/null || die "strace is not installed"
mkfifo "$tmp/in"
"$submit" $sinks $bursts --pause <"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
submit_pid=$!
exec 3>"$tmp/in"
wait_for ready "$tmp/out"
strace -c -o "$tmp/counts" -p "$submit_pid" 2>"$tmp/strace" &
strace_pid=$!
wait_for attached "$tmp/strace"
echo go >&3
wait_for done "$tmp/out"
kill -INT "$strace_pid"
wait "$strace_pid" || true
strace_pid=
echo go >&3
wait "$submit_pid" || die "$submit failed: $(cat "$tmp/err")"
submit_pid=

cat "$tmp/counts"
awk -v events=$((bursts * 64)) -v sinks=$sinks '
	$NF == "write" { writes = $4; next }
	$NF == "read" || $NF == "total" || $NF == "syscall" || /^-/ { next }
	NF >= 5 { other += $4; names = names " " $NF }
	END {
		if (writes != 1) {
			print "syscalls: the window was not seen: " writes + 0 " writes, not 1"
			exit 2
		}
		printf "%d system calls in %d submits to %d sinks, nobody asleep: %s\n",
			other, events, sinks, other ? "missed:" names : "met"
		exit other > 0
	}' "$tmp/counts"
