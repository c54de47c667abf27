#!/bin/bash
# SPDX-License-Identifier: MIT
#
# abi.sh KECHO LIBRARY: programs that were linked with the last release run with the
# library that was built. debian/libkecho0.symbols is that release's list: what is in it
# stays as it is. What is new is in the newest node of the map, and if a release had
# that node, in the next one.
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cli/tests/tap.sh"
library=$2
listed=$root/debian/libkecho0.symbols
map=$root/lib/libkecho.map
headers=$(cd "$root/include" && ls kecho/*.h)
version=$("$kecho" --version | awk '{ print $NF }')

# NAME@NODE of all that the library exports. A node is itself a symbol.
exported() {
	readelf --dyn-syms -W "$library" |
		awk '$1 ~ /^[0-9]+:$/ && $5 != "LOCAL" && $7 != "UND" {
			sub("@@", "@", $8)
			print $8 ~ /@/ || $7 != "ABS" ? $8 : $8 "@" $8
		}' | LC_ALL=C sort
}

# The size of each struct of the headers, as the list has it.
sizes() {
	{
		for header in $headers; do
			echo "#include <$header>"
		done
		echo '#include <stdio.h>'
		echo 'int main(void) {'
		for header in $headers; do
			cc -E -P -I "$root/include" "$root/include/$header"
		done | sort -u | grep -oE '^struct kecho\w* \{' |
			awk '{ print "printf(\"# sizeof(%s) %zu\\n\", \"struct " $2 "\",",
				"sizeof(struct " $2 "));" }'
		echo '}'
	} >"$dir/sizes.c"
	cc -I "$root/include" -o "$dir/sizes" "$dir/sizes.c" && "$dir/sizes" | LC_ALL=C sort
}

newest_node() {
	awk '$2 == "{" { node = $1 } END { print node }' "$map"
}

# The release that a node was first listed with.
release_of() { # LIST NODE
	awk -v node="$2@$2" '$1 == node { print $2 }' "$1"
}

# What of LIST is not as it was.
changed() { # LIST
	awk '/^ / { print $1 }' "$1" | LC_ALL=C sort | LC_ALL=C comm -23 - "$dir/exported" |
		sed 's/.*/& is gone/'
	grep '^# sizeof' "$1" | LC_ALL=C sort | LC_ALL=C comm -23 - "$dir/struct-sizes" |
		sed 's/^# \(.*\) \(.*\)/\1 was \2/'
}

# What is exported, not in LIST, and may not be where it is, now that VERSION is built.
misplaced() { # LIST VERSION
	local node released

	node=$(newest_node)
	released=$(release_of "$1" "$node")
	awk '/^ / { print $1 }' "$1" | LC_ALL=C sort | LC_ALL=C comm -13 - "$dir/exported" |
		while read -r symbol; do
			if [ "${symbol#*@}" != "$node" ]; then
				echo "$symbol is new and not in $node"
			elif [ -n "$released" ] && [ "$released" != "$2" ]; then
				echo "$symbol is new, but $node was released with $released"
			fi
		done
}

# The list with one thing changed: the sed script that changes it.
planted() { # SCRIPT
	sed "$1" "$listed" >"$dir/planted"
	cmp -s "$dir/planted" "$listed" && echo "nothing was planted by $1"
}

exported >"$dir/exported"
sizes >"$dir/struct-sizes"
is "$(readelf -d "$library" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')" \
	"$(awk '/^lib/ { print $1 }' "$listed")" "the library's name is the list's"
is "$(grep -vE '^(kecho_[a-z_]+|KECHO_[0-9]+)@KECHO_[0-9]+$' "$dir/exported")" "" \
	"all that is exported has our name and a node"
is "$(changed "$listed")" "" "all of the last release is as it was"
is "$(misplaced "$listed" "$version")" "" "what is new is in the newest node"

# That all this can be seen, in a map whose last node was released.
node=KECHO_0
map=$dir/map
echo "$node {" >"$map"
released=$(release_of "$listed" $node)
planted '$a\ kecho_gone@KECHO_0 0.1.0'
is "$(changed "$dir/planted")" "kecho_gone@KECHO_0 is gone" "a symbol that went is seen"
planted 's/ kecho_open@KECHO_0/ kecho_open@KECHO_9/'
is "$(changed "$dir/planted")" "kecho_open@KECHO_9 is gone" "a symbol that changed its node is seen"
planted 's/\(struct kecho_event)\) .*/\1 8/'
is "$(changed "$dir/planted")" "sizeof(struct kecho_event) was 8" "a struct that grew is seen"
planted '/ kecho_open@/d'
is "$(misplaced "$dir/planted" "$released" | grep kecho_open)" "" \
	"a new symbol may be in a node that is not out yet"
is "$(misplaced "$dir/planted" "$released+" | grep kecho_open)" \
	"kecho_open@$node is new, but $node was released with $released" \
	"a new symbol may not be in a node that is out"
echo "KECHO_9 {" >>"$map"
is "$(misplaced "$dir/planted" "$released+" | grep kecho_open)" \
	"kecho_open@$node is new and not in KECHO_9" "a new symbol may not be in an old node"
finish
