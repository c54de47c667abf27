#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel-hosts.sh KECHO KECHOD DIR TEST...: the same module as kernel.sh's, in guests in which
# there are many hosts, that is network namespaces. In the first all eight have a node in the
# kernel, and their wires are slow, lossy and cut. In the second the module comes and goes under
# load. In the last each TEST runs, which makes hosts itself. With KECHO_LONG=1 the counts are
# those of a release. DIR may be the one of kernel.sh, and is for what this makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=400
long=
if [ "${KECHO_LONG:-0}" = 1 ]; then
	guest_limit_s=5400
	long="-a KECHO_LONG=1"
fi

kecho=$1
kechod=$2
mkdir -p "$3"
dir=$(cd "$3" && pwd)
shift 3
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

kecho_modules
stock drivers/net/veth net/802/stp net/llc/llc net/bridge/bridge net/sched/sch_netem
switch="$dir/llc.ko $dir/stp.ko $dir/bridge.ko $dir/veth.ko"
PATH=$PATH:/usr/sbin:/sbin
ip=$(command -v ip)
tc=$(command -v tc)

guest kernel-mesh mesh -t $guest_limit_s "$dir/mesh" "$here/kernel-mesh-guest" \
	"$modules/kernel/kecho.ko" "$modules/mesh-tests/kecho_mesh_test.ko" \
	"$dir/sch_netem.ko" $switch $(needs "$kecho" "$ip" "$tc")
guest kernel-cycle cycle -t $guest_limit_s $long "$dir/cycle" "$here/kernel-cycle-guest" \
	"$modules/kernel/kecho.ko" "$hello/hello_pub.ko" "$dir/veth.ko" $(needs "$kecho")
guest kernel-hosts hosts -t $guest_limit_s $long "$dir/hosts" "$here/kernel-hosts-guest" \
	"$modules/kernel/kecho.ko" "$root/tests/protocol/v1.txt" $switch \
	$(needs "$kechod" "$ip" "$(command -v dash)" "$@")
finish
