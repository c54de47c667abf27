#!/bin/sh
# SPDX-License-Identifier: MIT
#
# core-kernel.sh DIR: compiles core, core's tests and the shim's as one module for Linux 6.1,
# loads it in a guest and gives its TAP, with three tests of its own: that it
# compiles, that the guest's kernel has nothing to complain of, and that the
# module can be unloaded. DIR is for what it makes; core/ stays as it is.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=400

mkdir -p "$1"
dir=$(cd "$1" && pwd)
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

link module/core "$root"/core/*.[ch] "$root"/core/*.list
link module/include/uapi "$root"/include/uapi/*.h
link module/tests "$root"/tests/tap.h
link module "$here/suites.c" "$root/lib/shim/shim_test.c"
ln -s "$here/core-kernel.Kbuild" "$dir/module/Kbuild"
suites module shim_test.c $(cat "$root/core/tests.list")
compile "core-kernel: core compiles for Linux $version"
guest core-kernel guest -t $guest_limit_s "$dir/guest" "$here/core-kernel-guest" \
	"$dir/module/core_kernel_test.ko"
finish
