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
errors_lines=40
number=0
failed=0

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=1
	fi
}

finish()
{
	echo "1..$number"
	exit $failed
}

# link FOLDER FILE...: links to files, so that objects and commands stay in DIR.
link()
{
	mkdir -p "$dir/$1"
	find "$dir/$1" -maxdepth 1 -type l -delete
	to=$dir/$1
	shift
	ln -s "$@" "$to/"
}

mkdir -p "$1"
dir=$(cd "$1" && pwd)
version=$("$here/kernel-version.sh")

link module/core "$root"/core/*.[ch] "$root"/core/*.list
link module/include/uapi "$root"/include/uapi/*.h
link module/tests "$root"/tests/tap.h
link module "$here/core_kernel.c" "$root/lib/shim/shim_test.c"
ln -s "$here/core-kernel.Kbuild" "$dir/module/Kbuild"
(echo shim_test.c && cat "$root/core/tests.list") |
	sed 's/\(.*\)_test\.c/SUITE(\1)/' >"$dir/module/suites.h.new"
cmp -s "$dir/module/suites.h.new" "$dir/module/suites.h" ||
	cp "$dir/module/suites.h.new" "$dir/module/suites.h"

status=0
make -C "/lib/modules/$version/build" M="$dir/module" W=1 modules >"$dir/build.log" 2>&1 ||
	status=$?
[ $status = 0 ] || grep -A 3 -E 'error|Error' "$dir/build.log" | head -n $errors_lines |
	sed 's/^/# /'
result $status "core-kernel: core compiles for Linux $version"
[ $status = 0 ] || finish

"$here/guest.sh" -k "$version" -t $guest_limit_s "$dir" "$here/core-kernel-guest" \
	"$dir/module/core_kernel_test.ko" 2>"$dir/guest-errors" || status=$?
sed 's/^/# /' "$dir/guest-errors"

# The guest's results, counted on from ours.
sed -n -E '/^(ok|not ok) [0-9]|^# |^1\.\.[0-9]/p' "$dir/console" >"$dir/tap"
plan=$(sed -n 's/^1\.\.//p' "$dir/tap")
if [ -z "$plan" ]; then
	sed 's/^/# /' "$dir/console"
fi
awk -v n=$number '
	/^1\.\./ { next }
	/^ok / { sub(/^ok [0-9]+/, "ok " ++n) }
	/^not ok / { sub(/^not ok [0-9]+/, "not ok " ++n) }
	{ print }' "$dir/tap"
results=$(grep -cE '^(ok|not ok) ' "$dir/tap" || true)
number=$((number + results))
[ -z "$plan" ] || ! grep -q '^not ok ' "$dir/tap" || failed=1

complete=1
if [ -n "$plan" ] && [ "$plan" = "$results" ]; then
	complete=0
else
	echo "# it planned ${plan:-nothing} and gave $results"
fi
result $complete "core-kernel: all planned tests ran"
result "$status" "core-kernel: the kernel is content and the module was unloaded"
finish
