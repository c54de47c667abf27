# SPDX-License-Identifier: MIT
#
# bash completion of kecho. The verbs, the options and their values are read from what
# `kecho help` says, so they are those that the command at hand has.
#
# A channel's name is anything that others chose: it is never expanded here, and quoted.

# Candidates from a help on stdin: `verbs`; `words`, which may follow the verb;
# `operands`, in capitals; `options`; `value OPTION`, what the option takes, in
# capitals, and those values that the help lists.
_kecho_from_help() {
	awk -v want="$1" -v option="${2-}" '
		want == "verbs" && on && !NF { exit }
		want == "verbs" && on { print $1 }
		/^Verbs:/ { on = 1 }

		function is_operand(s) { return s ~ /^\[?[A-Z]+(\.\.\.)?\]?$/ && s !~ /OPTION/ }
		(want == "words" || want == "operands") && !NF { exit }
		want == "words" || want == "operands" {
			first = $1 == "Usage:" ? 4 : 3
			for (i = first; i <= NF; i++)
				if (want == "words" ? i == first && $i ~ /^[a-z]+$/ : is_operand($i))
					print $i
		}

		function is_option() { return /^  (-., |    )?--[a-z]/ }
		want == "options" && is_option() { print $1 ~ /^--/ ? $1 : $2 }

		want == "value" && on && (is_option() || !NF) { exit }
		want == "value" && on && /^                          [a-z]/ { print $1 }
		want == "value" && is_option() && ($1 == option || $1 == option "," || $2 == option) {
			on = 1
			sub(/^  (-., |    )?--[a-z-]+/, "")
			if (/^ [A-Z]/)
				print $1
		}'
}

_kecho_channels() {
	timeout 1 "$1" ls 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# One a line; no candidate has a blank, so ` files` says that names of files fit too.
_kecho_candidates() { # KECHO BEFORE CURRENT
	local kecho=$1 verb=${COMP_WORDS[1]} help takes operands

	if [ "$COMP_CWORD" = 1 ]; then
		"$kecho" help 2>/dev/null | _kecho_from_help verbs
		printf '%s\n' help --help --version
		return
	elif [ "$verb" = help ]; then
		"$kecho" help 2>/dev/null | _kecho_from_help verbs
		return
	fi
	help=$("$kecho" help "$verb" 2>/dev/null) || return
	case $2 in
	-*) takes=$(_kecho_from_help value "$2" <<<"$help") ;;
	esac
	if [ "$takes" = CHANNEL ]; then
		_kecho_channels "$kecho"
	elif [ -n "$takes" ]; then
		sed '1s/^FILE$/ files/;1{/^[A-Z]/d}' <<<"$takes"
	elif [[ $3 == -* ]]; then
		_kecho_from_help options <<<"$help"
	else
		[ "$COMP_CWORD" != 2 ] || _kecho_from_help words <<<"$help"
		operands=$(_kecho_from_help operands <<<"$help")
		[[ $operands != *FILE* ]] || echo ' files'
		[[ $operands != *CHANNEL* ]] || _kecho_channels "$kecho"
	fi
}

_kecho() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} word

	# `--option=value` comes as three words.
	[ "$before" != = ] || before=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$current" != = ] || current=
	COMPREPLY=()
	while IFS= read -r word; do
		if [ "$word" = ' files' ]; then
			compopt -o default
		elif [[ $word == "$current"* ]]; then
			COMPREPLY+=("$(printf %q "$word")")
		fi
	done < <(_kecho_candidates "$1" "$before" "$current")
}
complete -F _kecho kecho
