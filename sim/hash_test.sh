#!/bin/sh
# SPDX-License-Identifier: MIT
#
# hash_test.sh KECHO-SIM: the same seeds give the same traces, in TAP: twice in this
# build, with and without printing; and in a build by another compiler, without its
# optimizations, if that is there.

set -u

sim=$1
root=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
number=0
failed=0

hashes()
{
	"$@" --seeds 1-8 --events 2000 --hash | grep ': hash '
}

# same FILE WHAT: whether the hashes in it are those of the first run.
same()
{
	number=$((number + 1))
	if [ -s "$tmp/first" ] && diff "$tmp/first" "$1" >"$tmp/diff"; then
		echo "ok $number - $2"
	else
		sed 's/^/# /' "$tmp/diff"
		echo "not ok $number - $2"
		failed=1
	fi
}

hashes "$sim" >"$tmp/first"
hashes "$sim" >"$tmp/second"
same "$tmp/second" "twice"
hashes "$sim" --trace >"$tmp/traced"
same "$tmp/traced" "with a trace"

for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	$cc -std=gnu11 -D_GNU_SOURCE= -DSHIM_ALLOCATOR -O0 -iquote "$root/core" \
		-I "$root/include" -I "$root/lib" "$root"/sim/*.c \
		$(sed "s,^,$root/core/," "$root/core/sources.list") -o "$tmp/$cc" || failed=1
	hashes "$tmp/$cc" >"$tmp/$cc.hashes"
	same "$tmp/$cc.hashes" "built by $cc, not optimized"
done
echo "1..$number"
exit $failed
