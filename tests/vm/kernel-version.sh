#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Prints the newest installed kernel of the 6.1 series that can be booted and has
# headers to build modules against; $KECHO_KERNEL names another one.

set -eu

if [ -n "${KECHO_KERNEL:-}" ]; then
	echo "$KECHO_KERNEL"
	exit 0
fi
newest=$(for dir in /lib/modules/6.1.*; do
	version=${dir##*/}
	[ ! -e "$dir/build/Makefile" ] || [ ! -e "/boot/vmlinuz-$version" ] || echo "$version"
done | sort -V | tail -n 1)
if [ -z "$newest" ]; then
	echo "kernel-version.sh: no kernel 6.1 with headers is installed:" \
		"install linux-image-amd64 and linux-headers-amd64, or set KECHO_KERNEL" >&2
	exit 2
fi
echo "$newest"
