#!/bin/bash
# SPDX-License-Identifier: MIT
#
# debian.sh KECHO: what debian/ says again is what the tree says, so that `make deb` works
# on a machine on which nothing else was ever built.
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cli/tests/tap.sh"
version=$("$kecho" --version | awk '{ print $NF }')
cd "$root" || exit

# Meson, which a build needs, brings ninja; every Debian build has build-essential.
wanted=$(awk '/^[^#]/ { for (i = 2; i <= NF; i++) if ($i == "build") print $1 }' tools/packages |
	grep -vxE 'gcc|libc6-dev|linux-libc-dev|ninja-build' | LC_ALL=C sort | xargs)
has "$wanted" meson "packages of a build are known"
declared=$(sed -n '/^Build-Depends:/,/^[A-Z][^:]*:/{s/^Build-Depends://;/^ /p}' debian/control |
	grep -oE '^ +[a-z0-9.+-]+' | grep -vE 'debhelper|dh-sequence' | LC_ALL=C sort | xargs)
is "$declared" "$wanted" "debian/control and tools/packages name the same packages"
is "$(sed -n '1s/^kecho (\(.*\)) .*/\1/p' debian/changelog)" \
	"$version" "debian/changelog begins with this version"
for folder in $(grep 'OR MIT' COPYING | grep -oE '[a-z/]+/( |,)' | tr -d ' ,'); do
	[ ! -d "$folder" ] || has "$(grep '^Files:' debian/copyright)" " $folder\*" \
		"debian/copyright knows that $folder has a licence of its own"
done
finish
