#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build-deb.sh FOLDER: builds Debian's packages of the working tree as it is, in FOLDER of
# the tree, which is made anew. An error or a warning of lintian is a failure. The tree
# stays untouched: what is built is a copy of it, in FOLDER.
#
# It says nothing but what went wrong and, last, the packages.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/$1
log=$out/build.log
version=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Version)
copy=$out/kecho-$version

# Packages with the debug symbols are for archives.
export DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS-noautodbgsym parallel=$(nproc)}"

try()
{
	"$@" >>"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
}

# What is no source: build trees, git's own, what Kbuild leaves in core.
copy_tree()
{
	tar -C "$root" -cf "$copy.tar" --anchored --exclude='./build*' --exclude=./.git \
		--exclude=./.cache --no-anchored --exclude='*.o' --exclude='*.ko' \
		--exclude='.*.cmd' --exclude='__pycache__' .
	mkdir "$copy"
	tar -C "$copy" -xf "$copy.tar" --no-same-owner
	rm "$copy.tar"
}

build()
{
	cd "$copy"
	try dpkg-buildpackage -us -uc
}

# Root may look at what it has built itself a moment ago.
judge()
{
	allow=
	[ "$(id -u)" != 0 ] || allow=--allow-root
	try lintian $allow --fail-on error,warning "$out"/kecho_"$version"_*.changes
}

rm -rf "$out"
mkdir -p "$out"
folder=$1
trap '"$root/tools/give-back.sh" "$folder"' EXIT
: >"$log"
copy_tree
build
judge
rm -rf "$copy"
cd "$root"
ls "$folder"/*.deb
