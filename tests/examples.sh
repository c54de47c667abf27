#!/bin/bash
# SPDX-License-Identifier: MIT
#
# examples.sh KECHO TREE: the examples compile against what is installed from the build
# tree TREE, as a user would do it, and do what they say.
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cli/tests/tap.sh"
tree=$(basename "$2")
export DESTDIR=$dir/stage
lines_max=60
module_lines_max=30

example() {
	LD_LIBRARY_PATH=$lib "$dir/$1" "${@:2}"
}

start_example() { # OUT NAME ARGUMENT…
	start "$1" "$dir/err" env LD_LIBRARY_PATH="$lib" "$dir/$2" "${@:3}"
}

"$root/tools/install.sh" "$tree" >"$dir/out" 2>&1
is $? 0 "install"
pc=$(find "$DESTDIR" -name libkecho.pc)
lib=${pc%/*/*}
export PKG_CONFIG_LIBDIR=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$DESTDIR

for source in "$root"/examples/*.c; do
	name=$(basename "$source" .c)
	# shellcheck disable=SC2046
	cc -Wall -Wextra -Werror -o "$dir/$name" "$source" \
		$(pkg-config --cflags --libs libkecho) 2>"$dir/cc.err"
	claim $? "$name compiles"
	sed 's/^/# /' "$dir/cc.err"
	[ "$(wc -l <"$source")" -lt $lines_max ]
	claim $? "$name has under $lines_max lines"
done
is "$(sed 1,2d "$root/examples/hello.c")" \
	"$(awk '/^    #include <kecho/, /^    }/' "$root/README.md" | cut -c 5-)" \
	"hello is the README's first program"

# Modules are built and loaded by tests/vm/kernel.sh.
for name in hello_pub hello_sub; do
	source=$root/examples/kernel/$name.c
	[ "$(sed 1,2d "$source" | grep -c .)" -le $module_lines_max ]
	claim $? "$name has at most $module_lines_max lines that are not empty"
	is "$(sed 1,2d "$source")" "$(awk -v name="$name" '
		index($0, "`" name ".c`") { on = 1; next }
		on && /^[^ ]/ { exit }
		on && (some || NF) { some = 1; print substr($0, 5) }' "$root/docs/kernel.md")" \
		"$name is in docs/kernel.md"
done

start_example "$dir/heard" subscribe hello
until_true joined hello sink 1
example hello
is $? 0 "hello runs"
code_of "$pid"
is "$(<"$dir/heard")" $'1: hello, world\nthe source left after 1' "subscribe prints it"

ch=$(channel published)
start_example "$dir/heard" subscribe "$ch"
until_true joined "$ch" sink 1
printf 'one\n\nthree\n' | example publish "$ch"
is $? 0 "publish runs"
code_of "$pid"
is "$(<"$dir/heard")" $'1: one\n2: \n3: three\nthe source left after 3' "each line is an event"

got=$(example vector)
is $? 0 "vector accounts for all"
has "$got" '^10000 submitted: [1-9][0-9]* read, [1-9][0-9]* lost$' "some are lost, and told"
is "$(example pressure)" "some was refused; all came, in order" "pressure loses nothing"
is "$(example inplace)" $'nothing is seen\ncommitted last\ncommitted first' \
	"inplace has the order of reservations"
is "$(example many)" "100 channels, 100 events" "many hears each in its own"
is "$(example types)" '{"host":"north","seq":9,"cpu":-7} is 9, -7 and 0 here' \
	"types has the fields that both have"

ch=$(channel watched)
start_example "$dir/seen" members "$ch" 4
until_true "$kecho" ls "$ch" >"$dir/out" 2>&1
watcher=$pid
start "$dir/out" "$dir/err" "$kecho" sub --attr zone=south --until-end --timeout 20s "$ch"
until_true lines_in "$dir/seen" 1
sub=$pid
mkfifo "$dir/pub.in"
exec 3<>"$dir/pub.in"
start "$dir/out" "$dir/err" "$kecho" pub --attr zone=north "$ch" <"$dir/pub.in"
until_true lines_in "$dir/seen" 2
exec 3>&-
code_of "$pid"
code_of "$sub"
code_of "$watcher"
is $? 0 "members ends"
is "$(<"$dir/seen")" "a sink joined in zone south
a source joined in zone north
a source left
a sink left" "it saw all of them come and go"

ch=$(channel jobs)
loads=$(channel loads)
start_example "$dir/taken" load "$ch" "$loads" 2
worker=$pid
load_is() { # N
	"$kecho" ls --attrs load "$ch" 2>/dev/null | grep -q "sink .* load=$1\$"
}
job() { # URGENCY NAME
	echo "$2" | "$kecho" pub --event-attr urgency="$1" "$ch"
}
until_true joined "$loads" sink 1
for step in '30 10 put-off' '30 40 urgent' '5 10 now'; do
	read -r load urgency name <<<"$step"
	echo "$load" | "$kecho" pub "$loads"
	until_true load_is "$load"
	claim $? "a load of $load is an attribute"
	job "$urgency" "$name"
done
code_of "$worker"
is "$(<"$dir/taken")" $'urgent\nnow' "load takes what is urgent enough"

ch=$(channel chat)
mkfifo "$dir/ann.in" "$dir/bob.in"
exec 3<>"$dir/ann.in" 4<>"$dir/bob.in"
start_example "$dir/ann" chat "$ch" <"$dir/ann.in"
ann=$pid
start_example "$dir/bob" chat "$ch" <"$dir/bob.in"
until_true joined "$ch" source 2	# so both are sinks, and each knows of the other
echo "hello Bob" >&3
until_true lines_in "$dir/bob" 1
echo "hello Ann" >&4
until_true lines_in "$dir/ann" 1
exec 3>&- 4>&-
code_of "$ann"
is $? 0 "chat ends with its input"
code_of "$pid"
is "$(cat "$dir/ann" "$dir/bob")" $'hello Ann\nhello Bob' "each hears the other, and not itself"
finish
