#!/bin/sh
# SPDX-License-Identifier: MIT
#
# debug.sh BUILD DIR: the TAP of the guests of kernel.sh and kernel-hosts.sh, with smaller counts,
# and of kernel-fault.sh, under a Linux that watches itself, see debug-kernel.sh. BUILD is a
# build tree, DIR for what this makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$1
dir=$2
kecho=$build/cli/kecho
status=0

# tests FOLDER PREFIX NAME...: those programs.
tests()
{
	of=$build/tests/$1/$2
	shift 2
	for name; do
		echo "${of}_${name}_test"
	done
}

run()
{
	echo "# $1"
	"$here/$@" || status=1
}

made=$("$here/debug-kernel.sh")
export KECHO_KERNEL_ROOT="${made% *}" KECHO_KERNEL="${made##* }"
export KECHO_SLOW=4 KECHO_GUEST="-m 1024 -a KECHO_SLOW=4"
run kernel-fault.sh "$kecho" "$dir" $(tests vm kernel fault)
run kernel.sh "$kecho" "$dir" $(tests vm kernel hostile quota rights session) \
	$(tests cluster cluster api calls filter kill life types wake)
run kernel-hosts.sh "$kecho" "$build/daemon/kechod" "$dir" $(tests protocol protocol lies)
exit $status
