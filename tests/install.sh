#!/bin/bash
# SPDX-License-Identifier: MIT
#
# install.sh KECHO TREE: what is installed from the build tree TREE, below a folder
# of our own, is all that the README's first program needs, and goes again.
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cli/tests/tap.sh"
tree=$(basename "$2")
export DESTDIR=$dir/stage
lines_max=10

install_it() {
	"$root/tools/install.sh" "$tree" >"$dir/out" 2>&1
	is $? 0 "$1"
}

install_it "install"
install_it "install again"
pc=$(find "$DESTDIR" -name libkecho.pc)
is "$(wc -l <<<"$pc")" 1 "pkg-config's file"
lib=${pc%/*/*}
export PKG_CONFIG_LIBDIR=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$DESTDIR
is "$(pkg-config --modversion libkecho)" "$("$kecho" --version | awk '{ print $NF }')" \
	"pkg-config knows the version"

functions=$(nm -D --defined-only "$lib/libkecho.so" | sed -n 's/.* T \(kecho_[a-z0-9_]*\).*/\1/p')
pages=$(dirname "$(find "$DESTDIR" -name libkecho.3)")
is "$(for function in $functions; do
	[ -e "$pages/$function.3" ] && echo "$function"
done)" "${functions:-none}" "each function has its page"

# What is loaded when the registry is etcd, or types are made of BTF.
for file in etcd.so btf.so; do
	so=$(find "$DESTDIR" -name $file)
	folder=${so%/*}
	[ -n "$so" ] && grep -qF "${folder#"$DESTDIR"}" "$lib"/libkecho.so &&
		grep -qF "$file" "$lib"/libkecho.so
	claim $? "$file is where libkecho looks for it"
done

ch=$(channel hello)
awk '/^    #include <kecho/, /^    }/' "$root/README.md" | cut -c 5- >"$dir/readme.c"
[ "$(grep -c . "$dir/readme.c")" -le $lines_max ]
claim $? "the README's first program has at most $lines_max lines"
sed "s/\"hello\"/\"$ch\"/" "$dir/readme.c" >"$dir/hello.c"
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror -o "$dir/hello" "$dir/hello.c" \
	$(pkg-config --cflags --libs libkecho) 2>"$dir/cc.err"
is $? 0 "it compiles against what is installed"
sed 's/^/# /' "$dir/cc.err"
start "$dir/got" "$dir/err" "$kecho" sub --until-end --timeout 20s "$ch"
until_true joined "$ch" sink 1
LD_LIBRARY_PATH=$lib "$dir/hello"
is $? 0 "it runs"
code_of "$pid"
is $? 0 "its sink ends with it"
is "$(<"$dir/got")" "hello, world" "its event comes"

# The static library beside names that it uses inside.
is "$(nm -g --defined-only "$lib/libkecho.a" | awk 'NF == 3 && $3 !~ /^kecho_/')" "" \
	"libkecho.a has no global name but kecho_*"
cat "$dir/hello.c" - >"$dir/static.c" <<'EOF'
int conn_dial, feeds_of, lib_fail, share_log, ke_node_init, ke_reg_open;
EOF
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror -o "$dir/static" "$dir/static.c" $(pkg-config --cflags libkecho) \
	"$lib/libkecho.a" -pthread 2>"$dir/cc.err"
is $? 0 "a program with such names of its own links it"
sed 's/^/# /' "$dir/cc.err"
start "$dir/got" "$dir/err" "$kecho" sub --until-end --timeout 20s "$ch"
until_true joined "$ch" sink 1
"$dir/static"
is $? 0 "it runs"
code_of "$pid"
is "$(<"$dir/got")" "hello, world" "its event comes"

"$root/tools/install.sh" -u "$tree" >"$dir/out" 2>&1
is $? 0 "uninstall"
is "$(find "$DESTDIR" 2>/dev/null)" "" "it leaves nothing"
"$root/tools/install.sh" -u "$tree" >"$dir/out" 2>&1
is $? 1 "there is nothing to uninstall any more"

# The same from a tree with another prefix and without DESTDIR, beside what is there.
# Its programs are those that were built: only where they go is another.
unset DESTDIR PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
export PREFIX="$dir/odd place/of: kecho"
odd=$dir/odd-tree
meson setup --prefix "$PREFIX" --libdir lib/odd "$odd" "$root" >"$dir/out" 2>&1
is $? 0 "a prefix with blanks"
meson introspect --targets "$odd" | python3 -c '
import json, os, shutil, sys
tree, odd = sys.argv[1:]
for file in (f for t in json.load(sys.stdin) if t["installed"] for f in t["filename"]):
    if not os.path.exists(file):
        shutil.copy2(os.path.join(tree, os.path.relpath(file, odd)), file)
' "$2" "$odd"
mkdir -p "$PREFIX/bin"
echo theirs >"$PREFIX/bin/other"
odd=$(realpath --relative-to "$root" "$odd")
"$root/tools/install.sh" "$odd" >"$dir/out" 2>&1
is $? 0 "install there"
is "$("$PREFIX/bin/kecho" --version)" "$("$kecho" --version)" "it is there"
is "$(cd "$PREFIX" && find . -name libkecho.so)" ./lib/odd/libkecho.so \
	"the library is where LIBDIR says"
"$root/tools/install.sh" -u "$odd" >"$dir/out" 2>&1
is $? 0 "uninstall there"
is "$(cd "$PREFIX" && find . ! -type d)" ./bin/other "it leaves what is others', and nothing else"
is "$(cd "$PREFIX" && find . -type d | xargs)" ". ./bin" "and no folder"
finish
