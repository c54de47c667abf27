#!/bin/bash
# SPDX-License-Identifier: MIT
# What bash and zsh offer behind `kecho` is what the sources of the command have: all
# verbs, and of each all options.
. "$(dirname "$0")/tap.sh"
kecho=$(realpath "$kecho")
cli=$(cd "$(dirname "$0")/.." && pwd)
. "$cli/completion/kecho.bash"
PATH=$(dirname "$kecho"):$PATH

compopt() { # Outside of a real completion there is none.
	echo "$*" >"$dir/compopt"
}

bash_offers() { # WORD… : sorted, in one line
	rm -f "$dir/compopt"
	COMP_WORDS=(kecho "$@")
	COMP_CWORD=$#
	_kecho kecho
	[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | xargs -d '\n'
}

zsh_offers() { # LINE… : the same for each, in $dir/zsh
	LC_ALL=C zsh -f "$cli/tests/completion.zsh" "$cli/completion" "$@" >"$dir/zsh"
}

zsh_offered() { # LINE
	sed -n "s/^$1:  *//p" "$dir/zsh"
}

options_in() { # FILE
	sed -nE 's/^\t\{ "([a-z-]+)", (no|required)_argument,.*/\1 \2/p' "$1"
}

# NAME ARGUMENT of the options in the source of a verb. Verbs that share a table say
# which of it they take.
options_of() { # VERB
	local source

	source=$(grep -l "\"Usage: kecho $1 " "$cli"/*.c)
	if [ -n "$(options_in "$source")" ]; then
		options_in "$source"
	else
		options_in "$cli/whole.c" | while read -r name argument; do
			! grep -qe " --$name " "$source" || echo "$name $argument"
		done
	fi
}

verbs=$(sed -nE 's/^\t(&verb.*)/\1/p' "$cli/main.c" | grep -oE 'verb_\w+' |
	sed 's/verb_//' | LC_ALL=C sort | xargs)
[ "$(wc -w <<<"$verbs")" -ge 10 ]
claim $? "verbs are in the source"
lines=('kecho help ' 'kecho sub --policy ' 'kecho sub --policy=b' 'kecho perf ')
for verb in $verbs; do
	lines+=("kecho $verb --")
done
zsh_offers "${lines[@]}"

is "$(bash_offers help '')" "$verbs" "bash: all verbs"
is "$(zsh_offered 'kecho help ')" "$verbs" "zsh: all verbs"
for verb in $verbs; do
	options_of "$verb" >"$dir/options"
	all=$(sed 's/\(.*\) .*/--\1/' "$dir/options" | LC_ALL=C sort | xargs)
	[ -n "$all" ]
	claim $? "$verb: its options are in its source"
	is "$(bash_offers "$verb" -)" "$all" "bash: $verb: all options"
	is "$(zsh_offered "kecho $verb --")" "$all" "zsh: $verb: all options"
	"$kecho" help "$verb" >"$dir/help"
	with=$(for option in $all; do
		[ -z "$(_kecho_from_help value "$option" <"$dir/help")" ] || echo "${option#--}"
	done)
	is "$with" "$(awk '$2 == "required" { print $1 }' "$dir/options" | LC_ALL=C sort)" \
		"$verb: it is known which take a value"
done

policies="block disconnect latest"
is "$(bash_offers sub --policy '')" "$policies" "bash: values that the help lists"
is "$(bash_offers sub --policy = b)" block "bash: values behind ="
is "$(zsh_offered 'kecho sub --policy ')" "$policies" "zsh: values that the help lists"
is "$(zsh_offered 'kecho sub --policy=b')" block "zsh: values behind ="
is "$(bash_offers pub -f ps)" psi "bash: values of a short option"
is "$(bash_offers pub --count '')" "" "bash: no guess at others"
is "$(bash_offers perf '')" "pub sub" "bash: words that follow a verb"
is "$(zsh_offered 'kecho perf ')" "pub sub" "zsh: words that follow a verb"
is "$(bash_offers shout '')" "" "bash: nothing behind what is no verb"

printf 'Usage: kecho copy [OPTION...] FILE\n\n  -o, --out FILE  there\n' >"$dir/help"
is "$(_kecho_from_help value -o <"$dir/help")" FILE "a file as a value is known"
is "$(_kecho_from_help operands <"$dir/help")" FILE "a file as an operand is known"
printf 'Usage: kecho see [OPTION...] [CHANNEL...]\n\n' >"$dir/help"
is "$(_kecho_from_help operands <"$dir/help")" '[CHANNEL...]' "several operands are known"

# The name of a channel is others' text.
cd "$dir" || exit
ch=$(channel '$(touch${IFS}run)')
start "$dir/got" "$dir/err" "$kecho" sub "$ch"
until_true joined "$ch" sink 1
is "$(bash_offers sub "test-$$")" "$(printf %q "$ch")" "bash: channels, quoted"
zsh_offers "kecho sub test-$$"
is "$(zsh_offered "kecho sub test-$$")" "$ch" "zsh: channels"
is "$(ls run 2>/dev/null)" "" "no shell runs what a channel is called"
finish
