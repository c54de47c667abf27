#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel-fault.sh KECHO DIR TEST...: the same module as kernel.sh's in a guest in which there is
# no memory, here and there: see kernel-fault-guest. It takes a kernel that injects faults. DIR
# may be the one of kernel.sh, and is for what this makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=1200

kecho=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

kecho_modules
stock drivers/net/veth
guest kernel-fault fault -t $guest_limit_s -a log_buf_len=4M "$dir/fault" \
	"$here/kernel-fault-guest" "$modules/kernel/kecho.ko" \
	"$modules/fault-tests/kecho_fault_test.ko" "$dir/veth.ko" $(needs "$kecho" "$@")
finish
