# SPDX-License-Identifier: MIT
#
# completion.zsh FOLDER LINE...: what zsh, with the completion in FOLDER, offers at the
# end of each LINE, as a line of sorted words. It is a zsh at a terminal of its own that
# is asked.
zmodload zsh/zpty
found=$(mktemp)
trap 'zpty -d asked 2>/dev/null; rm -f $found $found.rc' EXIT

{
	print -r "fpath=(${(q)1} \$fpath) found=$found"
	cat <<'EOF'
PS1=
autoload -Uz compinit
compinit -D -u
unsetopt list_beep
compadd() {
	local -a matches
	builtin compadd -O matches "$@"
	print -rl -- "$matches[@]" >>$found
	builtin compadd "$@"
}
all_told() { print -r -- . >>$found }
zle -N all_told
bindkey '^X' all_told
bindkey '^I' complete-word
EOF
} >$found.rc

# Until it has told all. What it echoes is read, or it would wait for that.
wait_for_all() {
	local i

	for ((i = 0; i < 500; i++)); do
		while zpty -r -t asked echoed; do :; done
		[[ $(tail -n 1 $found) != . ]] || return
		sleep .01
	done
}

zpty asked zsh -f -i
zpty -w asked "source $found.rc"
for line in "${@[2,-1]}"; do
	: >$found
	zpty -w -n asked $'\C-u'"$line"$'\t\C-x'
	wait_for_all
	print -r -- "$line: " $(sort -u $found | grep -v '^\.\?$')
done
