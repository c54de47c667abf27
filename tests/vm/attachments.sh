#!/bin/sh
# SPDX-License-Identifier: MIT
#
# attachments.sh TREE DIR [VERSION...]: runs the one list of tests of what the API promises
# (attached_tests in tests/cluster/meson.build) three times: with nodes of their own, with kechod,
# and at the kernel's node in a guest of each VERSION of Linux, by default kernel-version.sh's.
# Prints how many passed, as a table, counted from the TAP that is left in DIR. Exits with an
# error if one failed, or did not run everywhere.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=600

tree=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
shift 2
[ $# != 0 ] || set -- "$("$here/kernel-version.sh")"
alone="unshare -n sh -c 'ip link set lo up && exec \"\$@\"' --"
eval "$alone true" 2>/dev/null || alone=

rm -f "$out"/*.tap
"$root/tools/list-tests.py" "$tree" >"$out/list"
names=$(sed -n 's/^\([a-z]*\)_daemon_test	.*/\1/p' "$out/list")
programs=$(for name in $names; do echo "$tree/tests/cluster/cluster_${name}_test"; done)

# run COLUMN SUFFIX: each of them here, as TREE's tests of that ending are run.
run()
{
	for name in $names; do
		line=$(grep "^$name$2	cluster	" "$out/list")
		limit_s=$(echo "$line" | cut -f 4)
		command=$(echo "$line" | cut -f 5)
		timeout "$limit_s" sh -c "$alone $command" </dev/null || echo "not ok - $name"
	done >"$out/$1.tap" 2>&1
}

# run_guest VERSION: all of them in a guest.
run_guest()
(
	version=$1
	dir=$out/$1
	mkdir -p "$dir"
	. "$here/lib.sh"
	kecho_modules
	guest kernel process -t $guest_limit_s "$dir/process" "$here/kernel-process-guest" \
		"$modules/kernel/kecho.ko" "$hello"/hello_*.ko $(needs "$tree/cli/kecho" $programs)
	finish
) >"$out/Linux-$1.tap"

run embedded _test
run kechod _daemon_test
for version; do
	run_guest "$version" || true
done

cd "$out"
awk -f "$here/attachments.awk" embedded.tap kechod.tap \
	$(for version; do echo "Linux-$version.tap"; done)
