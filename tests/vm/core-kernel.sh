#!/bin/sh
# SPDX-License-Identifier: MIT
#
# core-kernel.sh DIR: compiles core, core's tests and the shim's as one module for Linux 6.1,
# loads it in a guest and gives its TAP, with three tests of its own: that it
# compiles, that the guest's kernel has nothing to complain of, and that the
# module can be unloaded. Programs of filters are code of the machine there, which is compared
# to what they do interpreted. DIR is for what it makes; core/ stays as it is.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=400

mkdir -p "$1"
dir=$(cd "$1" && pwd)
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

# inputs FOLDER: its files as bytes, for C.
inputs()
{
	for input in "$1"/*; do
		echo "{ $(wc -c <"$input"), (const u8 []){"
		od -An -v -tx1 "$input" | sed 's/ \(..\)/0x\1, /g'
		echo "} },"
	done
}

link module/core "$root"/core/*.[ch] "$root"/core/*.list
link module/include/uapi "$root"/include/uapi/*.h
link module/tests "$root"/tests/tap.h
link module "$here/suites.c" "$root/lib/shim/shim_test.c" "$root"/kernel/jit*.[ch] \
	"$root/kernel/four_test.h" "$root/tests/fuzz/decisions.h" "$root/tests/fuzz/written.h"
ln -s "$here/core-kernel.Kbuild" "$dir/module/Kbuild"
suites module shim_test.c $(cat "$root/core/tests.list") jit_test.c
inputs "$root/tests/fuzz/corpus/fuzz_filter" >"$dir/module/corpus.h"
compile "core-kernel: core compiles for Linux $version"
guest core-kernel guest -t $guest_limit_s "$dir/guest" "$here/core-kernel-guest" \
	"$dir/module/core_kernel_test.ko"
finish
