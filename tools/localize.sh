#!/bin/sh
# SPDX-License-Identifier: MIT
#
# localize.sh OUT ARCHIVE CC...: the archive OUT, made of one object that holds all of
# ARCHIVE, in which only kecho_* is global. A program that links it may use any other
# name itself.

set -eu

out=$1
archive=$2
shift 2

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$@" -r -nostdlib -o "$tmp/kecho.o" -Wl,--whole-archive "$archive"
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol='kecho_*' "$tmp/kecho.o"
rm -f "$out"
"${AR:-ar}" rcsD "$out" "$tmp/kecho.o"
