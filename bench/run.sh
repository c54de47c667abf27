#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh BUILD [OPTION...]: all measurements; options go to the programs (--quick,
# --json, --spread). Exits 1 if a bar was missed, 2 if something was not measured.

set -u

build=${1:?usage: run.sh BUILD [OPTION...]}
shift
here=$(dirname "$0")
status=0

# claim COMMAND...: runs it under a title and keeps the worst status.
claim()
{
	echo
	echo "== ${*#"$build/"}"
	"$@"
	result=$?
	[ $result -le $status ] || status=$result
}

claim "$build/bench/floor" "$@"
claim "$build/bench/echo" "$@"
claim "$build/bench/local" "$@"
claim "$build/bench/remote" "$@"
[ ! -x "$build/bench/node" ] || claim "$build/bench/node" "$@"
[ ! -x "$build/bench/crowd" ] || claim "$build/bench/crowd" "$@"
KECHO_ETCD_SO=$build/lib/etcd/etcd.so claim "$build/bench/names" "$@"
claim "$build/bench/filter" "$@"
claim "$build/bench/urgent" "$@"
claim "$build/bench/filter_cost" "$@"
claim "$here/syscalls.sh" "$build"
claim "$here/callgrind.sh" "$build"
exit $status
