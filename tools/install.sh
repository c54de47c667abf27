#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh TREE: installs what was built there, under $DESTDIR if that is set.
# install.sh -u TREE: takes away what was installed below $DESTDIR, or without it
# below $PREFIX, and the folders that were made for it, if nothing else is in them.
#
# All installations from TREE are recorded in TREE/installed: Meson itself knows
# only the last, and not the folders that the one before has made.

set -eu

tools=$(cd "$(dirname "$0")" && pwd)

record_installation()
{
	{
		[ ! -e "$record" ] || cat "$record"
		grep -v '^#' "$tree/meson-logs/install-log.txt"
	} | LC_ALL=C sort -u >"$record.new"
	mv "$record.new" "$record"
}

# A folder comes after all that is in it, and goes only if it is empty.
remove()
{
	while read -r path; do
		if [ -d "$path" ] && [ ! -L "$path" ]; then
			rmdir "$path" 2>/dev/null || true
		else
			rm -f "$path"
		fi
	done
}

# split RECORD: what is below $below to RECORD.off, the rest to RECORD.on.
split()
{
	awk -v below="$below" -v off="$1.off" -v on="$1.on" '
		BEGIN { printf "" >off; printf "" >on }
		{ print >($0 == below || index($0, below "/") == 1 ? off : on) }' "$1"
}

uninstall()
{
	below=${DESTDIR:-${PREFIX%/}}
	[ ! -e "$record" ] || split "$record"
	if [ ! -s "$record.off" ]; then
		echo "install.sh: nothing is known to be installed below $below (make clean" \
			"forgets it; after another make install it is known)" >&2
		exit 1
	fi
	LC_ALL=C sort -r "$record.off" | remove
	rm "$record.off"
	mv "$record.on" "$record"
}

# The loader finds what is new, and no more what is gone.
tell_loader()
{
	[ -n "$DESTDIR" ] || [ "$(id -u)" != 0 ] || PATH=$PATH:/usr/sbin:/sbin ldconfig
}

action=record_installation
if [ "$1" = -u ]; then
	action=uninstall
	shift
fi
tree=$tools/../$1
record=$tree/installed
case ${DESTDIR:=} in
'' | /*) ;;
*) DESTDIR=$PWD/$DESTDIR ;;
esac
DESTDIR=${DESTDIR%/}
export DESTDIR
trap '"$tools/give-back.sh" "$tree"' EXIT

[ $action = uninstall ] || meson install -C "$tree" --no-rebuild --quiet
$action
tell_loader
