#!/bin/sh
# SPDX-License-Identifier: MIT
#
# For scripts that compile modules, load them in a guest and give the TAP of it all: sourced,
# with $here this folder, $root the tree's, and $dir the one for what is made.

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

# link FOLDER FILE...: links to files, so that objects and commands stay in $dir.
link()
{
	mkdir -p "$dir/$1"
	find "$dir/$1" -maxdepth 1 -type l -delete
	to=$dir/$1
	shift
	ln -s "$@" "$to/"
}

# suites FOLDER NAME...: FOLDER/suites.h, for suites.c.
suites()
{
	header=$dir/$1/suites.h
	shift
	printf '%s\n' "$@" | sed 's/\(.*\)_test\.c/SUITE(\1)/' >"$header.new"
	cmp -s "$header.new" "$header" || cp "$header.new" "$header"
}

# compile NAME: the modules in $dir/module; ends the test where they don't.
compile()
{
	status=0
	make -C "${KECHO_KERNEL_ROOT:-}/lib/modules/$version/build" M="$dir/module" W=1 \
		KCFLAGS=-Werror modules >"$dir/build.log" 2>&1 || status=$?
	[ $status = 0 ] || grep -A 3 -E 'error|Error' "$dir/build.log" |
		head -n $errors_lines | sed 's/^/# /'
	result $status "$1"
	[ $status = 0 ] || finish
}

# kecho_modules: kecho.ko, its tests, the examples of kernel code and what measures it, below
# $modules.
kecho_modules()
{
	modules=$dir/module
	hello=$modules/examples/kernel
	link module/core "$root"/core/*.[ch] "$root"/core/*.list
	link module/include/uapi "$root"/include/uapi/*.h
	link module/kernel "$root"/kernel/*.[ch] "$root"/kernel/Kbuild "$root"/kernel/*.list
	link module/kernel/sources "$root"/kernel/sources/*.[ch] "$root"/kernel/sources/Kbuild
	link module/include/kecho "$root"/include/kecho/field.h
	link module/examples/kernel "$root"/examples/kernel/*
	link module "$here/kernel.Kbuild"
	ln -s kernel.Kbuild "$modules/Kbuild"
	for tests in tests net-tests mesh-tests sources-tests fault-tests; do
		link module/$tests "$root/tests/tap.h" "$here/suites.c" "$here/leaves.c" \
			"$here/filters.c" "$here/races.c"
		ln -s "$here/kernel-$tests.Kbuild" "$modules/$tests/Kbuild"
		suites module/$tests $(cat "$root/kernel/$tests.list")
	done
	link module/steady "$here/steady.c"
	ln -s "$here/kernel-steady.Kbuild" "$modules/steady/Kbuild"
	measures=$root/bench/kernel
	link module/bench "$measures/thread.c" "$measures/arrival.c" "$measures/open.c"
	ln -s "$here/kernel-bench.Kbuild" "$modules/bench/Kbuild"
	compile "kernel: the module compiles for Linux $version"
}

# stock PATH...: modules of the guest's kernel itself, such as drivers/net/veth, in $dir.
stock()
{
	for module; do
		file=${KECHO_KERNEL_ROOT:-}/lib/modules/$version/kernel/$module.ko
		if [ -e "$file" ]; then
			cp "$file" "$dir/"
		else
			xz -dc "$file.xz" >"$dir/${module##*/}.ko"
		fi
	done
}

# needs PROGRAM...: those and the libraries that they need, in no order.
needs()
{
	printf '%s\n' "$@"
	for program; do
		ldd "$program" | grep -o '/[^ ]*'
	done | sort -u
}

# guest NAME FOLDER ARGUMENT...: boots one by guest.sh, with $KECHO_GUEST before the arguments, in
# $dir/FOLDER, and counts its results on from ours.
guest()
{
	name=$1
	place=$dir/$2
	shift 2
	mkdir -p "$place"
	status=0
	"$here/guest.sh" ${KECHO_GUEST:-} -k "$version" "$@" 2>"$place/guest-errors" || status=$?
	sed 's/^/# /' "$place/guest-errors"
	sed -n -E '/^(ok|not ok) [0-9]|^# |^1\.\.[0-9]/p' "$place/console" >"$place/tap"
	plan=$(awk -F '\\.\\.' '/^1\.\./ { n += $2 } END { print n + 0 }' "$place/tap")
	[ "$plan" != 0 ] || sed 's/^/# /' "$place/console"
	awk -v n=$number '
		/^1\.\./ { next }
		/^ok / { sub(/^ok [0-9]+/, "ok " ++n) }
		/^not ok / { sub(/^not ok [0-9]+/, "not ok " ++n) }
		{ print }' "$place/tap"
	results=$(grep -cE '^(ok|not ok) ' "$place/tap" || true)
	number=$((number + results))
	! grep -q '^not ok ' "$place/tap" || failed=1
	complete=1
	if [ "$plan" != 0 ] && [ "$plan" = "$results" ]; then
		complete=0
	else
		echo "# it planned $plan and gave $results"
	fi
	result $complete "$name: all planned tests ran"
	result "$status" "$name: the kernel is content and the modules were unloaded"
}

# said NAME FOLDER LINE: this line is on the guest's console.
said()
{
	heard=0
	grep -qxF "$3" "$dir/$2/console" || heard=1
	result $heard "$1"
}

# like NAME FOLDER PATTERN: the same for a line of this extended pattern.
like()
{
	heard=0
	grep -qxE "$3" "$dir/$2/console" || heard=1
	result $heard "$1"
}
