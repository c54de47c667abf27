#!/bin/bash
# SPDX-License-Identifier: MIT
#
# dkms.sh KECHO: DKMS builds the modules from what Debian's package kecho-dkms has, for the
# kernel that tests use. Nothing is installed.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/cli/tests/tap.sh"
version=$("$kecho" --version | awk '{ print $NF }')
kernel=$("$root/tests/vm/kernel-version.sh")
source=$dir/src/kecho-$version

mkdir "$dir/tree"
"$root/tools/dkms-source.sh" "$source"
sed "s/#MODULE_VERSION#/$version/" "$root/debian/kecho-dkms.dkms" >"$source/dkms.conf"
is "$(find "$source" -name '*_test.[ch]')" "" "no tests are packaged"

try()
{
	dkms "$@" --dkmstree "$dir/tree" --sourcetree "$dir/src" -m kecho -v "$version" \
		>"$dir/log" 2>&1
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$dir/log" "$dir"/tree/kecho/"$version"/build/make.log
	is $status 0 "dkms $1"
}

try add
try build -k "$kernel"
modules=$dir/tree/kecho/$version/$kernel/$(uname -m)/module
for module in kecho kecho_load kecho_events; do
	is "$(modinfo -F license "$modules/$module.ko")" "Dual MIT/GPL" "$module.ko is built"
done
is "$(modinfo -F version "$modules/kecho.ko")" "$version" "of this version"
finish
