#!/bin/bash
# SPDX-License-Identifier: MIT
#
# choose.sh KECHO KECHOD: events for the sinks that a filter chooses, and for one, in both
# houses.
. "$(dirname "$0")/tap.sh"
kechod=${2:?which kechod?}

id_of() { # CHANNEL NAME
	"$kecho" ls --json --attrs name "$1" | python3 -c 'import json, sys
print(*(m["member"] for m in json.load(sys.stdin)
	if m.get("attributes", {}).get("name") == sys.argv[1]))' "$2"
}

# A sink that gets so many events and ends; its name and load are its attributes.
sink() { # CHANNEL NAME LOAD COUNT
	start "$dir/$2" "$dir/$2.err" "$kecho" sub --policy block --count "$4" --timeout 20s \
		--attr "name=$2" --attr "load=$3" "$1"
}

got() { # NAME
	tr '\n' ' ' <"$dir/$1"
}

in_house() { # HOUSE
	ch=$(channel "$1")
	sink "$ch" a 5 2
	a=$pid
	sink "$ch" b 3 3
	b=$pid
	until_true joined "$ch" sink 2
	claim $? "$1: two sinks"
	printf '1\n2\n' | "$kecho" pub --out 'best by sink.load' "$ch"
	is $? 0 "$1: for the one with the least load"
	echo 3 | "$kecho" pub --out 'all where sink.load > 9' "$ch"
	is $? 0 "$1: for nobody"
	echo 4 | "$kecho" pub --out 'sink.name == "a"' "$ch"
	is $? 0 "$1: for the other"
	echo 5 | "$kecho" pub --to "$(id_of "$ch" a)" "$ch"
	is $? 0 "$1: by its id"
	echo 6 | "$kecho" pub "$ch"
	code_of "$a"
	code_of "$b"
	is "$(got a)" "4 5 " "$1: what one got"
	is "$(got b)" "1 2 6 " "$1: and the other"
	echo 7 | "$kecho" pub --to 1 "$ch" 2>"$dir/err"
	is $? 1 "$1: nobody has this id"
	has "$(<"$dir/err")" "there is no sink" "$1: it says so"
}

export KECHO=embedded
in_house embedded
mkdir "$dir/run"
start /dev/null "$dir/kechod.err" "$kechod" -c /dev/null -o "run=$dir/run" \
	-o "socket=$dir/run/sock"
export KECHO=daemon KECHO_SOCKET=$dir/run/sock
until_true "$kecho" node status >/dev/null 2>&1
in_house kechod
finish
