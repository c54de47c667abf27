#!/bin/bash
# SPDX-License-Identifier: MIT
#
# unit-guest.sh: inside a guest whose first process is systemd: kechod as its package set
# it up, in TAP on the console. Events flow all the while, from a source that blocks to
# a sink that counts them.
events=3000
per_s=50
claims=0

claim() { # STATUS DESCRIPTION
	claims=$((claims + 1))
	[ "$1" = 0 ] && echo "ok $claims - $2" && return
	echo "not ok $claims - $2"
	journalctl -u kechod -n 20 --no-pager | sed 's/^/# /'
}

is() { # GOT WANTED DESCRIPTION
	[ "$1" = "$2" ] || echo "# got '$1', wanted '$2'"
	[ "$1" = "$2" ]
	claim $? "$3"
}

until_true() {
	local i

	for ((i = 0; i < 300; i++)); do
		"$@" && return
		sleep .2
	done
	return 1
}

status_of() { # FIELD
	sed -n "s/^$1:\s*//p" "/proc/$(systemctl show -P MainPID kechod)/status"
}

came() { # EVENTS
	[ "$(wc -l <got)" -ge "$1" ]
}

members() {
	kecho ls news | awk 'NR > 1 { print $1, $2 }' | sort
}

goes_on() { # DESCRIPTION
	until_true came $(($(wc -l <got) + per_s))
	claim $? "$1: events go on"
	is "$(members)" "$were" "$1: the members are those that they were"
}

cd "$(mktemp -d)" || exit
until_true systemctl -q is-active kechod
claim $? "it is started with the system, and says when it is ready"
is "$(systemd-analyze verify --man=no kechod.service 2>&1)" "" \
	"systemd has nothing to say against the unit"
is "$(ps -o user= -p "$(systemctl show -P MainPID kechod)")" kecho "it runs as its own user"
is "$(status_of CapBnd)$(status_of NoNewPrivs)$(status_of Seccomp)" 000000000000000012 \
	"it has no capability, gets none, and few system calls"
is "$(stat -c '%U %a' /run/kecho)" "kecho 755" "its directory is its own"

setpriv --reuid=you --regid=you --clear-groups \
	kecho sub --policy block --until-end --strict news >got 2>sub-errors &
sink=$!
seq $events | setpriv --reuid=you --regid=you --clear-groups \
	kecho pub --wait-sinks 1 --rate $per_s news 2>pub-errors &
source=$!
until_true came $per_s
claim $? "events flow between processes of another user"
were=$(members)
is "$(wc -l <<<"$were")" 2 "both are members"
systemctl restart kechod
claim $? "systemctl restart"
goes_on "after a restart"
systemctl kill -s KILL kechod
until_true [ "$(systemctl show -P NRestarts kechod)" = 1 ]
claim $? "killed, it is started again"
goes_on "after a kill"
wait $source
is "$?:$(<pub-errors)" 0: "the source has submitted all"
wait $sink
is "$?:$(seq $events | cmp - got)" 0: "the sink got each event once and in order"

echo 'listen = 127.0.0.1:7391' >>/etc/kecho/kechod.conf
systemctl restart kechod
is "$(kecho node status | awk '$1 == "listens" { print $2 }')" 127.0.0.1:7391 \
	"a restart reads the configuration again"
echo 'nonsense = 1' >>/etc/kecho/kechod.conf
! systemctl restart kechod
claim $? "what is none is an error"
is "$(systemctl show -P NRestarts kechod):$(systemctl is-failed kechod)" 0:failed \
	"of which no further start is tried"
journalctl -u kechod --no-pager | grep -q "there is no key 'nonsense'"
claim $? "the journal has the reason"
sed -i '/nonsense/d' /etc/kecho/kechod.conf
systemctl restart kechod
systemctl stop kechod
is "$(systemctl is-failed kechod)" inactive "it stops in good order"
systemctl start kechod

DEBIAN_FRONTEND=noninteractive apt-get -qy purge kechod >purged 2>&1
claim $? "it is purged while it runs"
is "$(getent passwd kecho; ls -d /run/kecho /etc/kecho 2>/dev/null; pgrep kechod)" "" \
	"no user, no folder and no process is left"
echo "1..$claims"
