#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [NAME...]: plants the bug of each NAME.patch (default: all) in a copy of core,
# and shows that the simulator or a unit test of core catches it, in TAP. Each patch
# begins with what it breaks, and may have a line "sim: OPTIONS" for what comes about seldom.

set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seeds=1-1000
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT
number=0
failed=0
limit_s=600
export KECHO_PANIC_ON_WARN=1

compile()
{
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE= -O1 -w -iquote core -iquote tests -I include -I lib "$@"
}

core()
{
	sed 's,^,core/,' core/sources.list
}

build_sim()
{
	# shellcheck disable=SC2046
	compile -DSHIM_ALLOCATOR $(core) sim/*.c -o "$1"
}

# By a unit test: its name; fails if none does.
caught_by_test()
{
	# shellcheck disable=SC2046
	compile -c $(core) || return 1
	while read -r file; do
		compile -DTAP_MAIN "core/$file" ./*.o -o test || return 1
		timeout $limit_s ./test >test.out 2>&1 || {
			echo "by $file"
			return 0
		}
	done <core/tests.list
	return 1
}

# By the simulator: the seed and what is broken.
caught_by_sim()
{
	build_sim kecho-sim || return 1
	options="--seeds $seeds $(sed -n "s/^sim: //p" "$here/$name.patch")"
	# shellcheck disable=SC2086
	timeout $limit_s ./kecho-sim $options >sim.out 2>&1
	case $? in
	0) return 1 ;;
	1) echo "by the simulator: $(grep '^not ok' sim.out | cut -c 10-)" ;;
	4)	# That is the bug's doing only if they are exercised without it.
		# shellcheck disable=SC2086
		"$tmp/kecho-sim" $options >/dev/null || return 1
		echo "by the simulator: $(grep -c 'never$' sim.out) paths are not exercised"
		;;
	124) echo "by the simulator: it hangs" ;;
	*) echo "by the simulator: it crashes" ;;
	esac
}

# What hangs takes far longer than all seeds take without a bug, here and now.
measure()
{
	cd "$root" && build_sim "$tmp/kecho-sim" || exit 2
	before=$(date +%s)
	"$tmp/kecho-sim" --seeds $seeds >/dev/null || exit 2
	limit_s=$((60 + 10 * ($(date +%s) - before)))
}

[ $# -gt 0 ] || set -- $(cd "$here" && ls -- *.patch | sed 's/\.patch$//')
measure
for name; do
	number=$((number + 1))
	mkdir "$tmp/$name"
	cp -R "$root/core" "$root/include" "$root/lib" "$root/sim" "$tmp/$name"
	mkdir "$tmp/$name/tests"
	cp "$root/tests/tap.h" "$tmp/$name/tests"
	cd "$tmp/$name" || exit 2
	if ! patch -s -p1 <"$here/$name.patch"; then
		echo "not ok $number - $name: it does not apply"
		failed=1
	elif by=$(caught_by_sim || caught_by_test); then
		echo "# $by"
		echo "ok $number - $name is caught"
	else
		echo "not ok $number - $name: nobody notices"
		failed=1
	fi
	cd "$tmp" || exit 2
	rm -rf "${tmp:?}/$name"
done
echo "1..$number"
exit $failed
