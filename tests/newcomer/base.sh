#!/bin/sh
# SPDX-License-Identifier: MIT
#
# base.sh FOLDER: a fresh Debian 12 there, with apt's sources as they are here and a user
# `you` who may use sudo. If it is there already nothing is done. It says nothing but
# what went wrong.

set -eu

base=$1
log=$base.log
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' \
	'Created-By: Packages' | awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')

try()
{
	"$@" >>"$log" 2>&1 || {
		cat "$log" >&2
		exit 1
	}
}

# Those that are Debian's, with the proxies that apt is told of here.
copy_sources()
{
	rm -f "$base/etc/apt/sources.list"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		if grep -qs "$mirror\|${mirror%/}" "$file"; then
			cp "$file" "$base${file}"
		fi
	done
	apt-config dump Acquire | sed -n '/[Pp]roxy\|::Check-/p' \
		>"$base/etc/apt/apt.conf.d/99here"
}

add_user()
{
	try chroot "$base" useradd --create-home --shell /bin/bash you
	echo 'you ALL=(ALL) NOPASSWD: ALL' >"$base/etc/sudoers.d/you"
}

[ ! -e "$base.made" ] || exit 0
rm -rf "$base"
mkdir -p "$base"
: >"$log"
try debootstrap --include=sudo bookworm "$base" "${mirror:-http://deb.debian.org/debian}"
copy_sources
add_user
cp /etc/resolv.conf "$base/etc/resolv.conf"
try chroot "$base" apt-get -q update
: >"$base.made"
