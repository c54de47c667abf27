#!/bin/sh
# SPDX-License-Identifier: MIT
#
# host.sh TREE NAME: in namespaces of its own, becomes the host NAME whose files are
# TREE. Says `ready` when it is, and stays until it is killed; what is orphaned there it
# waits for, as the first process of a host does.

set -eu

tree=$1

mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
for folder in dev/shm run tmp; do
	mount -t tmpfs -o mode=1777 tmpfs "$tree/$folder"
done
chmod 755 "$tree/run"
# That systemd runs here is what packages find, and tell systemctl of it: see there.
mkdir -p "$tree/run/systemd/system" "$tree/run/lock"
mount --bind "$(dirname "$0")/systemctl" "$tree/usr/bin/systemctl"
hostname "$2"
ip link set lo up
echo ready
# shellcheck disable=SC2016
exec chroot "$tree" sh -c 'sleep infinity & while :; do wait; done' >/dev/null
