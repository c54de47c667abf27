#!/bin/sh
# SPDX-License-Identifier: MIT
#
# dkms-source.sh FOLDER: puts there what DKMS needs to build the modules for a kernel: their
# sources as they lie in the tree, without tests, and what other modules compile against them.

set -eu

to=$1
cd "$(dirname "$0")/.."

# copy FOLDER FILE...: those of them that are no tests.
copy()
{
	mkdir -p "$to/$1"
	folder=$1
	shift
	for file; do
		case $file in
		*_test.[ch]) ;;
		*) install -m 644 "$file" "$to/$folder/" ;;
		esac
	done
}

copy core core/*.[ch] core/sources.list
copy kernel kernel/*.[ch] kernel/Kbuild
copy kernel/sources kernel/sources/*.[ch] kernel/sources/Kbuild
copy include/uapi include/uapi/*.h
copy include/kecho include/kecho/field.h
