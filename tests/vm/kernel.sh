#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel.sh DIR: compiles kecho.ko, its tests and the examples of kernel code for Linux 6.1,
# loads them in a guest, and gives the TAP of the tests, which run in the first network
# namespace and in another, with tests of its own. DIR is for what it makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=300

mkdir -p "$1"
dir=$(cd "$1" && pwd)
. "$here/lib.sh"
version=$("$here/kernel-version.sh")

link module/core "$root"/core/*.[ch] "$root"/core/*.list
link module/include/uapi "$root"/include/uapi/*.h
link module/kernel "$root"/kernel/*.[ch] "$root"/kernel/Kbuild "$root"/kernel/*.list
link module/examples/kernel "$root"/examples/kernel/*
link module/tests "$root/tests/tap.h" "$here/suites.c"
ln -s "$here/kernel-test.Kbuild" "$dir/module/tests/Kbuild"
link module "$here/kernel.Kbuild"
ln -s kernel.Kbuild "$dir/module/Kbuild"
suites module/tests $(cat "$root/kernel/tests.list")
compile "kernel: the module compiles for Linux $version" "$version"

status=0
"$here/guest.sh" -k "$version" -t $guest_limit_s "$dir" "$here/kernel-guest" \
	"$dir/module/kernel/kecho.ko" "$dir/module/tests/kecho_test.ko" \
	"$dir"/module/examples/kernel/hello_*.ko 2>"$dir/guest-errors" || status=$?
guest_tap kernel "$status"
heard=0
grep -q '^hello: event 1: hello, world$' "$dir/console" || heard=1
result $heard "kernel: one example hears the other"
finish
