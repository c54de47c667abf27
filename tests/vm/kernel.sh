#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel.sh KECHO DIR TEST...: compiles kecho.ko, its tests and the examples of kernel code for
# Linux 6.1, or what $KECHO_KERNEL names, and gives the TAP of five guests, with tests of its own.
# In the first, nodes are alone: the tests run in the first network namespace and in another.
# In the second, nodes of two namespaces are linked to each other, and to processes that run
# the command KECHO. In the third, kernel/sources tells what happens there. In the fourth,
# processes are at the kernel's node, those of KECHO and of each TEST, which gives TAP; in the
# fifth they fuzz it. With KECHO_LONG=1 the fourth kills 1,000 of them and the fifth takes 10
# minutes. DIR is for what it makes.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
guest_limit_s=300
process_limit_s=400
hostile_limit_s=300
if [ "${KECHO_LONG:-0}" = 1 ]; then
	process_limit_s=1200
	hostile_limit_s=1200
fi

kecho=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
version=$("$here/kernel-version.sh")
. "$here/lib.sh"

kecho_modules

guest kernel alone -t $guest_limit_s "$dir/alone" "$here/kernel-guest" \
	"$modules/kernel/kecho.ko" "$modules/tests"/kecho_*.ko "$hello"/hello_*.ko
said "kernel: a module that leaves all open is closed" alone \
	"kecho: module kecho_leaves goes and has not closed what it opened"
like "kernel: kernel code's filters are compiled" alone \
	'default: filters native [1-9][0-9]* bytes [0-9]+ refused 0 full 0 failed 0'
like "kernel: nobody's are, if it is told so" alone \
	'nobody: filters native 0 bytes 0 refused [1-9][0-9]* full 0 failed 0'
like "kernel: without a JIT none is" alone \
	'without: filters native 0 bytes 0 refused [0-9]+ full 0 failed [1-9][0-9]*'
like "kernel: /proc/net/kecho shows the node" alone 'shown: node [0-9a-f]{32} name .* attached 2 .*'
like "kernel: its channel" alone 'shown: channel hello uuid [0-9a-f]{32}'
like "kernel: its source" alone 'shown:   source [0-9a-f]{16} events [1-9].* module hello_pub .*'
like "kernel: its sink" alone 'shown:   sink [0-9a-f]{16} events [1-9].* module hello_sub thread .*'
said "kernel: one example hears the other" alone "hello: event 1: hello, world"
said "kernel: its submission is traced" alone "traced: kecho_submit: channel=hello"
said "kernel: and that it came" alone "traced: kecho_receive: channel=hello"

stock drivers/net/veth
libraries=$(ldd "$kecho" | grep -o '/[^ ]*')
guest kernel-net net -t $guest_limit_s "$dir/net" "$here/kernel-net-guest" \
	"$modules/kernel/kecho.ko" "$modules/net-tests/kecho_net_test.ko" "$hello"/hello_*.ko \
	"$dir/veth.ko" "$kecho" $libraries
said "kernel-net: a process hears the kernel" net "process: hello, world"
said "kernel-net: a new registry has the kernel's names" net "in a new registry: 5 of 5"
like "kernel-net: another node's filter is interpreted" net \
	'default: filters native 0 bytes 0 refused [1-9][0-9]* full 0 failed 0'
like "kernel-net: or compiled, if that is asked for" net \
	'all: filters native 1 bytes [1-9][0-9]* refused [0-9]+ full 0 failed 0'
said "kernel-net: the kernel hears a process" net "hello: event 1: from a process"
said "kernel-net: a process pings by the kernel" net "ping: 2 sent, 2 answered"
said "kernel-net: it lists what the registry has" net "ls: a name of another node"
said "kernel-net: it sees counters of another node" net "stat: a sink of another node"
said "kernel-net: it destroys a channel" net "destroyed"
said "kernel-net: whose name the registry forgets" net "its name is free"
said "kernel-net: whose a channel's name is" net "its name is another's"
like "kernel-net: a mirror beyond the setting is refused" net \
	'beyond the setting: .* there is no place for one more log.*'
said "kernel-net: and one within it is not" net "within it: fits"
like "kernel-net: one beyond a control group is refused" net \
	'beyond the group: .* there is no place for one more log.*'
said "kernel-net: where nobody is killed" net "killed there: 0"
said "kernel-net: another group has it" net "in no group: fits"
said "kernel-net: a kernel's sink is told, too" net "no place: error -28"
said "kernel-net: all that is counted" net "no place: mirrors_refused 3"
like "kernel-net: and logged" net "kecho: channel 'hello': no place for a log of node .*"
like "kernel-net: a process submits as the module goes" net "hello: event [0-9]+: again"
said "kernel-net: dials to one that is gone are few" net "dials: a handful"
said "kernel-net: a link that comes is traced" net "traced: kecho_link_up"
said "kernel-net: and one that goes" net "traced: kecho_link_down"

guest kernel-sources sources -t $guest_limit_s "$dir/sources" "$here/kernel-sources-guest" \
	"$modules/kernel/kecho.ko" "$modules/kernel/sources"/kecho_*.ko \
	"$modules/sources-tests/kecho_sources_test.ko" \
	"$dir/veth.ko" "$kecho" $libraries
like "kernel-sources: a process runs a program" sources 'exec: {.*"path":"/tmp/true"}'
like "kernel-sources: a process ends by itself" sources 'status: {.*"status":7,.*"comm":"sh"}'
like "kernel-sources: a process is killed" sources 'signal: {.*"signal":9,.*}'
like "kernel-sources: a network device comes" sources 'netdev: {.*"happened":"register",.*}'
like "kernel-sources: how loaded it is" sources 'load: {.*"cpus":2,"cpu_percent":[0-9]+,.*}'
like "kernel-sources: there is no memory" sources 'oom: {.*"comm":"tail"}'

guest kernel-process process -t $process_limit_s -a "KECHO_LONG=${KECHO_LONG:-0}" \
	"$dir/process" "$here/kernel-process-guest" \
	"$modules/kernel/kecho.ko" "$hello"/hello_*.ko "$modules/kernel/sources/kecho_load.ko" \
	"$here/kernel-verbs" $(needs "$kecho" "$kecho-top" "$kecho-metrics") "$@"
said "kernel-process: a process hears another" process "process: one"
said "kernel-process: a process hears the kernel" process "process: hello, world"
said "kernel-process: the kernel hears a process" process "hello: event 1: to the kernel"
said "kernel-process: which is the first that a process takes" process \
	"hello: event 1: by default"
like "kernel-process: root's filter is compiled" process \
	'root: filters native 1 bytes [1-9][0-9]* refused 0 full 0 failed 0'
like "kernel-process: another user's is not" process \
	'other: filters native 0 bytes 0 refused [1-9][0-9]* full 0 failed 0'
like "kernel-process: nor what a user may not have besides" process \
	'full: filters native 0 bytes 0 refused [0-9]+ full [1-9][0-9]* failed 0'
said "kernel-process: one that was killed has failed" process \
	"process: kecho sub: source ID failed; its last event was 0"

# What is used when it is freed already shows.
guest kernel-hostile hostile -t $hostile_limit_s -a "slub_debug=FZP KECHO_LONG=${KECHO_LONG:-0}" \
	"$dir/hostile" "$here/kernel-hostile-guest" \
	"$modules/kernel/kecho.ko" "$modules/steady/kecho_steady.ko" $libraries "$@"
finish
