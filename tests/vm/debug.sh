#!/bin/sh
# SPDX-License-Identifier: MIT
#
# debug.sh BUILD DIR: the TAP of the guests of kernel.sh and kernel-hosts.sh, with smaller counts,
# of kernel-fault.sh and of kernel-races.sh, under two Linuxes that watch themselves, see
# debug-kernel.sh. BUILD is a build tree, DIR for what this makes.

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

# under WHAT: the kernel that watches that.
under()
{
	made=$("$here/debug-kernel.sh" "$1")
	export KECHO_KERNEL_ROOT="${made% *}" KECHO_KERNEL="${made##* }"
}

export KECHO_SLOW=4 KECHO_GUEST="-m 1024 -a KECHO_SLOW=4"
under memory
run kernel-fault.sh "$kecho" "$dir" $(tests vm kernel fault)
run kernel.sh "$kecho" "$dir" $(tests vm kernel hostile quota rights session) \
	$(tests cluster cluster api calls filter kill life types wake)
run kernel-hosts.sh "$kecho" "$build/daemon/kechod" "$dir" $(tests protocol protocol lies)
under races
run kernel-races.sh "$kecho" "$dir" $(tests cluster cluster api calls filter kill wake)
exit $status
