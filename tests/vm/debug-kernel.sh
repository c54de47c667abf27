#!/bin/sh
# SPDX-License-Identifier: MIT
#
# debug-kernel.sh WHAT: a Linux 6.1 that watches itself, as debug.config and debug-WHAT.config say,
# made once of Debian's linux-source-6.1 and kept. Prints the folder below which it is, as
# KECHO_KERNEL_ROOT has it, and its release. WHAT is `memory`, and locks, or `races`.
#
# Each is kept by what it was made from, in $KECHO_DEBUG_KERNELS, or ~/.cache/kecho/kernels,
# with its sources: some 3 GB. Making one takes ten minutes on two CPUs with nothing else to do.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${KECHO_DEBUG_KERNELS:-${XDG_CACHE_HOME:-$HOME/.cache}/kecho/kernels}
archive=/usr/src/linux-source-6.1.tar.xz
log_lines=30
configs="$here/debug.config $here/debug-$1.config"

die()
{
	echo "debug-kernel.sh: $*" >&2
	exit 2
}

[ -r "$archive" ] || die "there is no $archive: install linux-source-6.1"
from=$(dpkg-query -W -f '${Version}' linux-source-6.1)
key=$({ cat $configs; gcc -dumpfullversion; echo "$from"; } | sha256sum)
source=$cache/linux-$from
root=$cache/debug-$(echo "$key" | cut -c 1-12)
build=$root/build
log=$root/log

try()
{
	"$@" >>"$log" 2>&1 || {
		tail -n $log_lines "$log" >&2
		die "'$*' failed; see $log"
	}
}

unpack()
{
	rm -rf "$source.new"
	mkdir -p "$source.new"
	try tar -xJf "$archive" -C "$source.new" --strip-components=1
	mv "$source.new" "$source"
}

# What was asked for and is not there depends on something that is not.
lacks()
{
	grep '=[ym]$' "$root/config" | grep -vxFf "$build/.config" || true
}

make_kernel()
{
	echo "debug-kernel.sh: making a kernel in $root, once" >&2
	: >"$log"
	[ -d "$source" ] || unpack
	mkdir -p "$build" "$root/boot"
	cat $configs >"$root/config"
	try env KCONFIG_ALLCONFIG="$root/config" make -C "$source" O="$build" allnoconfig
	[ -z "$(lacks)" ] || die "it has no" $(lacks)
	try make -C "$build" -j"$(nproc)" bzImage modules
	try make -C "$build" INSTALL_MOD_PATH="$root" modules_install
	release=$(cat "$build/include/config/kernel.release")
	cp "$build/arch/x86/boot/bzImage" "$root/boot/vmlinuz-$release"
	echo "$release" >"$root/release"
}

# Who wants it at the same time waits. It is there when its release is.
mkdir -p "$root"
exec 9>"$cache/lock"
flock 9
[ -e "$root/release" ] || make_kernel 9>&-
echo "$root $(cat "$root/release")"
