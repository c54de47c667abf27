#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The rules of the source text, in TAP: licence lines, formatting, lengths, where
# __KERNEL__ may stand, and headers that compile alone.

set -u

cd "$(dirname "$0")/.." || exit 2

columns_max=100
function_lines_max=70
file_lines_max=600
shim_lines_max=1500
folders="include core kernel lib daemon cli sim services bench demo examples tests tools"
core_only="core"

number=0
failed=0
tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT

# result NAME: the test failed if anything was written to $tmp/found.
result()
{
	number=$((number + 1))
	if [ -s "$tmp/found" ]; then
		sed 's/^/# /' "$tmp/found"
		echo "not ok $number - $1"
		failed=1
	else
		echo "ok $number - $1"
	fi
}

existing=
for folder in $folders; do
	[ ! -d "$folder" ] || existing="$existing $folder"
done
find $existing -name '*.[ch]' | sort >"$tmp/c"
find $existing \( -name '*.sh' -o -name '*.py' -o -name '*.awk' \) | sort >"$tmp/scripts"
# What needs the kernel's headers is compiled with them, by tests/vm/kernel.sh.
headers=$(grep '\.h$' "$tmp/c" | grep -v '^kernel/')
c_files=$(cat "$tmp/c")
scripts="$(cat "$tmp/scripts") .ci/run"
all="$c_files $scripts"

# Comments at the ends of lines, values of macros and the backslashes that continue
# a line may be lined up with tabs, which clang-format would take away. It takes
# the star of `struct {…} *p;` for a product.
plain()
{
	sed -E 's,[ 	]+(/[*/]), \1,; s,[ 	]*\\$, \\,; s,^} \* ,} *,
		s,^(#define [A-Za-z0-9_]+(\([^)]*\))?)[ 	]+,\1 ,' "$1"
}

for file in $c_files; do
	plain "$file" >"$tmp/is"
	clang-format "$file" >"$tmp/formatted" || echo "$file: clang-format fails"
	plain "$tmp/formatted" >"$tmp/should"
	diff "$tmp/is" "$tmp/should" | awk -v file="$file" -f tools/format-diff.awk
done >"$tmp/found"
result "formatting"

for file in $all; do
	sed -n 1,2p "$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file"
done >"$tmp/found"
result "a licence in the first line"

find core kernel lib/shim -name '*.[ch]' 2>/dev/null | while read -r file; do
	sed 1q "$file" | grep -q 'GPL-2.0 OR MIT' || echo "$file: not GPL-2.0 OR MIT"
done >"$tmp/found"
result "the kernel's licence where the kernel compiles it"

for file in $all; do
	expand "$file" | awk -v max=$columns_max -v file="$file" '
		{
			n = $0
			gsub(/[\200-\277]/, "", n)
			if (length(n) > max)
				print file ":" NR ": " length(n) " columns"
		}
		/[ \t]$/ { print file ":" NR ": blanks at the end" }'
done >"$tmp/found"
result "at most $columns_max columns"

for file in $c_files; do
	awk -v max=$function_lines_max -v file="$file" '
		/^{/ { begin = NR }
		/^}/ && begin {
			if (NR - begin - 1 > max)
				print file ":" begin ": a function of " NR - begin - 1 " lines"
			begin = 0
		}' "$file"
done >"$tmp/found"
result "functions of at most $function_lines_max lines"

for file in $all; do
	lines=$(wc -l <"$file")
	[ "$lines" -le $file_lines_max ] || echo "$file: $lines lines"
done >"$tmp/found"
result "files of at most $file_lines_max lines"

cat lib/shim/*.h | wc -l | awk -v max=$shim_lines_max '$1 > max { print $1 " lines" }' >"$tmp/found"
result "a shim of at most $shim_lines_max lines"

grep -rn __KERNEL__ $core_only lib include/uapi --include='*.[ch]' |
	grep -v '^core/plat.h:' >"$tmp/found"
result "__KERNEL__ in core/plat.h only"

grep -nE '#include[ 	]*<' core/*.[ch] | grep -v '^core/plat.h:' >"$tmp/found"
result "no system header in core outside plat.h"

for header in $headers; do
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -Werror -fsyntax-only -x c \
		-I include -I lib -iquote core -iquote tests "$header" 2>&1 | head -n 5
done >"$tmp/found"
result "each header compiles alone"

for script in $scripts; do
	case $(sed 1q "$script") in
	'#!/bin/sh'*) sh -n "$script" 2>&1 ;;
	'#!/bin/bash'*) bash -n "$script" 2>&1 ;;
	esac
	[ -x "$script" ] || case $script in *.sh | *.py) echo "$script: not executable" ;; esac
done >"$tmp/found"
result "scripts parse and may be run"

echo "1..$number"
exit $failed
