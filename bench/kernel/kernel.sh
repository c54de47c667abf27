#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel.sh BUILD DIR CELLS [MODULES]: the figures of kernel_bench, a line of JSON for each line
# of the file CELLS, from one guest whose clock are its instructions. DIR is for what it makes;
# MODULES is where tests/vm/kernel.sh has compiled them: without it that is done here.

set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
bench=$(cd "$1" && pwd)/bench/kernel_bench
mkdir -p "$2"
dir=$(cd "$2" && pwd)
cells=$3
here=$root/tests/vm
limit_s=3600
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

if [ $# -gt 3 ]; then
	modules=$4
else
	kecho_modules >&2
fi
stock drivers/net/veth net/802/stp net/llc/llc net/bridge/bridge
cp "$cells" "$dir/cells"
status=0
"$here/guest.sh" -i -k "$version" -t $limit_s "$dir/guest" "$root/bench/kernel/guest" \
	"$dir/llc.ko" "$dir/stp.ko" "$dir/bridge.ko" "$dir/veth.ko" "$modules/kernel/kecho.ko" \
	"$modules/bench"/kecho_*.ko "$modules/tests/kecho_filters.ko" "$dir/cells" \
	$(needs "$bench") >&2 || status=$?
sed -n 's/^figure //p' "$dir/guest/console"
exit $status
