#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel-races.sh KECHO DIR TEST...: the same module as kernel.sh's in a guest whose kernel looks
# for data races: see kernel-races-guest. DIR may be the one of kernel.sh, and is for what this
# makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=600

kecho=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

kecho_modules
stock drivers/net/veth
words="log_buf_len=16M panic_on_warn=0 kcsan.skip_watch=50"
guest kernel-races races -t $guest_limit_s -a "$words" "$dir/races" "$here/kernel-races-guest" \
	"$modules/kernel/kecho.ko" "$modules/tests"/kecho_*.ko \
	"$modules/net-tests/kecho_net_test.ko" "$dir/veth.ko" $(needs "$kecho" "$@")
said "kernel-races: a data race that is there is told of" races "one that is there is told"
finish
