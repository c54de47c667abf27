#!/bin/bash
# SPDX-License-Identifier: MIT
# Live events of this kernel: each kind gives JSON with the kernel's own fields.
. "$(dirname "$0")/tap.sh"

# The first NUMBER events of pub with OPTIONs, in $dir/got.
collect() { # NUMBER OPTION…
	local number=$1 ch

	shift
	ch=$(channel "from$claims")
	start "$dir/got" "$dir/err" "$kecho" sub --policy block --count "$number" \
		--timeout 10s "$ch"
	"$kecho" pub --wait-sinks 1 --count "$number" "$@" "$ch" 2>"$dir/pub.err"
	code=$?
	code_of "$pid"
}

began=$(date +%s%N)
collect 3 --from loadavg --interval 50ms
took=$((($(date +%s%N) - began) / 1000000))
is "$code" 0 "loadavg"
json_valid "$dir/got"
claim $? "loadavg: JSON"
python3 -c "
import json, os, sys
samples = [json.loads(line) for line in open(sys.argv[1])]
assert len(samples) == 3
for s in samples:
    assert s['from'] == 'loadavg' and s['total'] >= s['running'] >= 1, s
    assert abs(s['load1'] - os.getloadavg()[0]) < 5, s
" "$dir/got"
claim $? "loadavg: as the kernel says"
[ "$took" -ge 100 ]
claim $? "loadavg: at its interval"

if [ -r /proc/pressure/cpu ]; then
	collect 3 --from psi
	is "$code" 0 "psi"
	json_valid "$dir/got"
	claim $? "psi: JSON"
	for resource in cpu memory io; do
		has "$(<"$dir/got")" \
			"\"resource\":\"$resource\",\"why\":\"start\",\"some\":{\"avg10\":" \
			"psi: $resource"
	done
else
	"$kecho" pub --from psi x 2>"$dir/err"
	is $? 1 "psi: an error where the kernel has none"
fi

if [ ! -e /dev/kmsg ]; then	# a container
	"$kecho" pub --from kmsg x 2>"$dir/err"
	is $? 1 "kmsg: an error where there is none"
	has "$(<"$dir/err")" '/dev/kmsg: No such file' "kmsg: and it says which file is missing"
elif [ "$(head -c 1 /dev/kmsg 2>&1 >/dev/null | grep -c 'not permitted\|denied')" = 0 ]; then
	collect 1 --from kmsg --history
	is "$code" 0 "kmsg"
	json_valid "$dir/got"
	claim $? "kmsg: JSON"
	has "$(<"$dir/got")" '^{"from":"kmsg","level":[0-7],"facility":[0-9]*,"seq":[0-9]*,' \
		"kmsg: a record"
else
	"$kecho" pub --from kmsg x 2>"$dir/err"
	is $? 1 "kmsg: an error where it is not permitted"
	has "$(<"$dir/err")" 'CAP_SYSLOG' "kmsg: and it says what it takes"
fi

# In a network namespace of our own, where we may change things.
if unshare --net true 2>/dev/null && command -v ip >/dev/null; then
	cat >"$dir/inside" <<-'END'
		"$1" sub --policy block --until-end --timeout 10s net >"$2/got" 2>"$2/err" &
		"$1" pub --wait-sinks 1 --from netlink,uevent net 2>"$2/pub.err" &
		pub=$!
		# The node is reached by loopback if at all: it is up before the first event.
		# The publisher may come amid a round: until it has seen the beginning of one.
		for i in $(seq 200); do
			ip link add name kv0 type veth peer name kv1 &&
				ip address add 192.0.2.1/24 dev kv0 &&
				ip link set kv0 up && ip link set kv1 up &&
				ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:01 dev kv0 &&
				ip route add 198.51.100.0/24 via 192.0.2.2 && ip link del kv0
			grep -q '"add".*/net/kv0"' "$2/got" && grep -q dellink "$2/got" && break
			sleep .05
		done
		# A publisher that stands still while more happens than its socket holds.
		kill -STOP $pub
		for i in $(seq 4000); do
			echo "route add 10.$((i / 250)).$((i % 250)).0/24 dev lo"
		done | ip -batch -
		kill -CONT $pub
		for i in $(seq 200); do
			grep -q overrun "$2/got" && break
			sleep .05
		done
		kill -TERM $pub
		wait
	END
	unshare --net bash -c 'ip link set lo up; . "$0"' "$dir/inside" "$kecho" "$dir"
	json_valid "$dir/got"
	claim $? "netlink: JSON"
	got=$(<"$dir/got")
	for pattern in '"event":"newlink","ifindex":[0-9]*,"ifname":"kv0","flags":\[' \
		'"event":"newaddr","family":"inet",.*"address":"192.0.2.1/24"' \
		'"event":"newroute",.*"dst":"198.51.100.0/24","gateway":"192.0.2.2"' \
		'"event":"newneigh",.*"dst":"192.0.2.2","lladdr":"02:00:00:00:00:01","state":' \
		'"event":"dellink",.*"ifname":"kv0"' \
		'"from":"uevent","action":"add","devpath":"/devices/virtual/net/kv0"' \
		'^{"from":"netlink","overrun":true}$'; do
		has "$got" "$pattern" "netlink: $pattern"
	done
else
	skip "netlink and uevent" "takes root and ip(8)"
fi
finish
