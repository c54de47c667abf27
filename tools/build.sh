#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh TREE [MESON-OPTION...]: brings one build tree up to date. The trees:
#
#	build		gcc, what is installed and measured
#	build-asan	clang, address and undefined-behaviour sanitizers
#	build-tsan	clang, thread sanitizer
#
# It says nothing but what went wrong.

set -eu

tree=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
log=$root/$tree/build.log

setup()
{
	case $tree in
	build)
		meson setup "$@"
		;;
	build-asan)
		CC=clang meson setup -Db_sanitize=address,undefined -Db_lundef=false "$@"
		;;
	build-tsan)
		CC=clang meson setup -Db_sanitize=thread -Db_lundef=false "$@"
		;;
	*)
		echo "build.sh: there is no tree '$tree'" >&2
		return 2
		;;
	esac
}

# Quiet unless it fails.
try()
{
	"$@" >"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
}

# Meson doesn't see a folder that appears or goes.
folders_changed()
{
	seen=$root/$tree/folders
	(cd "$root" && ls -- */meson.build */*/meson.build 2>/dev/null) >"$seen.new" || true
	cmp -s "$seen.new" "$seen" && return 1
	mv "$seen.new" "$seen"
}

mkdir -p "$root/$tree"
trap '"$root/tools/give-back.sh" "$tree"' EXIT
if [ ! -f "$root/$tree/build.ninja" ]; then
	folders_changed || true
	try setup "$@" "$root/$tree" "$root"
elif folders_changed; then
	try meson setup --reconfigure "$@" "$root/$tree" "$root"
elif [ $# -gt 0 ]; then
	try meson configure "$@" "$root/$tree"
fi
try ninja -C "$root/$tree"
