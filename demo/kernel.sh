#!/bin/bash
# SPDX-License-Identifier: MIT
#
# kernel.sh BUILD [MODULES]: two kernels and this host. What happens in the kernels crosses from
# one to the other, and to a process here, and no process sends anything. Under 90 seconds.
# MODULES is where tests/vm/kernel.sh has compiled them; without it that is done here.
#
#	guest alder		guest birch		this host
#	kecho.ko		kecho.ko		kechod, registry
#	kecho_load, _events	the same, and load_sub	examples/filter
#	10.9.0.1 tap		10.9.0.2 tap		10.9.0.254
#	    +-----------------------+-----------------------+  bridge
#
# All of it is in a network namespace of its own, which goes with the demonstration. It needs
# no root where users may have namespaces. The guests are emulated, with one CPU each.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
here=$root/tests/vm
dir=$build/demo/kernel
modules=${2:-$dir/module}
host=10.9.0.254
boot_s=180
guest_limit_s=300
failures=0

if [ -z "${KECHO_DEMO_INSIDE:-}" ]; then
	export KECHO_DEMO_INSIDE=1
	map=
	[ "$(id -u)" = 0 ] || map=-r
	exec unshare $map -n --kill-child "$0" "$@"
fi
began_s=$SECONDS
mkdir -p "$dir"
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

say()
{
	printf '\n[%2d s] %s\n' $((SECONDS - began_s)) "$*"
}

# proves DESCRIPTION COMMAND...: that, within some seconds.
proves()
{
	what=$1
	shift
	for _ in $(seq 100); do
		if "$@" >/dev/null 2>&1; then
			echo "  ok: $what"
			return
		fi
		sleep 0.2
	done
	echo "  NOT SO: $what"
	failures=$((failures + 1))
}

end()
{
	trap - EXIT
	kill $(jobs -p) 2>/dev/null || true
	for name in alder birch; do
		[ ! -s "$dir/$name/pid" ] || kill "$(cat "$dir/$name/pid")" 2>/dev/null || true
	done
	wait 2>/dev/null || true
}

compile_modules()
{
	link module/core "$root"/core/*.[ch] "$root"/core/*.list
	link module/include/uapi "$root"/include/uapi/*.h
	link module/include/kecho "$root"/include/kecho/field.h
	link module/kernel "$root"/kernel/*.[ch] "$root"/kernel/Kbuild
	link module/kernel/sources "$root"/kernel/sources/*.[ch] "$root"/kernel/sources/Kbuild
	link module/examples/kernel "$root"/examples/kernel/*
	rm -f "$dir/module/Kbuild"
	echo 'obj-m := kernel/ examples/kernel/' >"$dir/module/Kbuild"
	compile "the modules compile for Linux $version"
}

network()
{
	ip link set lo up
	ip link add switch type bridge
	ip addr add $host/24 dev switch
	ip link set switch up
	for tap in alder birch; do
		ip tuntap add $tap mode tap
		ip link set $tap master switch up
	done
}

# boot NAME ADDRESS MAC
boot()
{
	mkdir -p "$dir/$1"
	rm -f "$dir/$1/pid" "$dir/$1"/console*
	"$here/guest.sh" -k "$version" -t $guest_limit_s -m 256 \
		-a "demo.name=$1 demo.address=$2" \
		-q "-smp 1 -pidfile $dir/$1/pid -netdev tap,id=n,ifname=$1,script=no,downscript=no \
			-device e1000,netdev=n,mac=$3" \
		"$dir/$1" "$root/demo/kernel-guest" "$modules/kernel/kecho.ko" \
		"$modules/kernel/sources"/kecho_{load,events}.ko \
		"$modules/examples/kernel/load_sub.ko" "$dir/e1000.ko" \
		2>"$dir/$1/errors" &
}

console()
{
	grep -aE "$2" "$dir/$1/console.raw"
}

booted()
{
	for _ in $(seq $((boot_s * 5))); do
		if console alder 'alder is up' && console birch 'birch is up'; then
			return
		fi
		sleep 0.2
	done >/dev/null 2>&1
	false
}

heard()
{
	grep -E "$2" "$dir/$1.heard"
}

# listen CHANNEL: a process that prints it; lines written to the descriptor are its filters.
listen()
{
	rm -f "$dir/$1.filter"
	mkfifo "$dir/$1.filter"
	"$build/demo/kecho-filter" "$1" <"$dir/$1.filter" >"$dir/$1.heard" &
}

count()
{
	grep -cE "$2" "$dir/$1.heard" || true
}

if [ ! -c /dev/net/tun ]; then
	echo "there is no /dev/net/tun, by which guests have a network"
	exit 77
fi
[ -n "${2:-}" ] || compile_modules
stock drivers/net/ethernet/intel/e1000/e1000
trap end EXIT
network
began_s=$SECONDS
say "two guests boot; kechod starts here"
boot alder 10.9.0.1 52:54:00:00:00:01
boot birch 10.9.0.2 52:54:00:00:00:02
export KECHO=daemon KECHO_SOCKET=$dir/socket
rm -f "$dir/socket"
KECHO=embedded KECHO_LISTEN=$host KECHO_REGISTRY=$host:7390 \
	"$build/cli/kecho" sub registry >/dev/null 2>&1 &	# the first node serves it
"$build/daemon/kechod" -c /dev/null -o socket="$dir/socket" -o run="$dir" \
	-o listen=$host:7391 -o registry=$host:7390 2>"$dir/kechod.log" &
booted || {
	say "the guests do not come up: $dir/alder, $dir/birch"
	exit 1
}

say "a process here listens: events of both kernels"
listen kernel.load
exec 3>"$dir/kernel.load.filter"
listen kernel.process
exec 4>"$dir/kernel.process.filter"
proves "alder's load is printed here" heard kernel.load '^alder: kecho_load \{'
proves "birch's load is printed here" heard kernel.load '^birch: kecho_load \{'
proves "what alder executes is printed here" heard kernel.process '^alder: kecho_exec .*chore'
heard kernel.process '^alder: kecho_exec' | head -n 1 | cut -c -100 | sed 's/^/  /'

say "from kernel to kernel: birch's kernel log hears alder's load"
proves "birch's kernel heard alder's" console birch 'load_sub: alder: CPU'
console birch 'load_sub: alder: CPU' | head -n 2 | sed 's/^/  /'

say "a filter, while events flow: only programs that end with 127, judged in the guests' kernels"
echo 'type == "kecho_exit" && status == 127' >&4
sleep 1
before=$(wc -l <"$dir/kernel.process.heard")
sleep 4
after=$(tail -n "+$((before + 1))" "$dir/kernel.process.heard")
proves "those come" grep -q '"status":127' <<<"$after"
proves "no others do" test "$(grep -cv '"status":127' <<<"$after")" = 0
tail -n 1 <<<"$after" | cut -c -100 | sed 's/^/  /'

say "alder is killed"
kill -9 "$(cat "$dir/alder/pid")"
proves "this host is told that its sources failed" heard kernel.process 'a source failed'
proves "birch's kernel is told, too" console birch 'load_sub: alder: failed'
said=$(count kernel.load '^birch')
proves "birch goes on" test "$(sleep 2; count kernel.load '^birch')" -gt "$said"

say "done"
exit $((failures > 0))
