#!/bin/sh
# SPDX-License-Identifier: MIT
#
# unit.sh BASE DEBS DIR: boots a guest from a copy of the Debian BASE with the packages of
# the folder DEBS, whose first process is systemd, and gives the TAP of unit-guest.sh
# there. The machine is emulated: what counts is what happens, not how fast.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
base=$1
debs=$2
dir=$3
tree=$dir/guest
image=$dir/guest.ext4
limit_s=900
kernel=$(ls /boot/vmlinuz-6.1.* | sort -V | tail -n 1)
initrd=/boot/initrd.img-${kernel#*vmlinuz-}

install_packages()
{
	rm -rf "$tree"
	cp -a "$base" "$tree"
	cp "$debs"/*.deb "$tree/root/"
	chroot "$tree" sh -c 'apt-get -qy install /root/*.deb' >"$dir/guest.log" 2>&1 || {
		sed 's/^/# /' "$dir/guest.log"
		echo "not ok 1 - the packages can be installed"
		exit 1
	}
	rm "$tree"/root/*.deb
}

# Runs the test when all else has been started, and turns the machine off.
add_test()
{
	cp "$here/unit-guest.sh" "$tree/usr/local/sbin/unit-guest"
	cat >"$tree/etc/systemd/system/unit-guest.service" <<-'EOF'
		[Unit]
		After=multi-user.target
		SuccessAction=poweroff-force
		FailureAction=poweroff-force
		[Service]
		Type=oneshot
		ExecStart=/usr/local/sbin/unit-guest
		StandardOutput=tty
		StandardError=tty
		TTYPath=/dev/ttyS0
		[Install]
		WantedBy=graphical.target
	EOF
	ln -s ../unit-guest.service "$tree/etc/systemd/system/multi-user.target.wants/"
	for unit in apt-daily.timer apt-daily-upgrade.timer networking.service \
		serial-getty@ttyS0.service; do
		ln -sf /dev/null "$tree/etc/systemd/system/$unit"
	done
}

make_image()
{
	rm -f "$image"
	truncate -s 2G "$image"
	PATH=$PATH:/usr/sbin:/sbin mke2fs -q -t ext4 -d "$tree" "$image"
	rm -rf "$tree"
}

boot()
{
	words="console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable root=/dev/vda rw"
	timeout --foreground -k 5 $limit_s qemu-system-x86_64 -accel tcg,thread=multi -cpu max \
		-smp 2 -m 1024 -kernel "$kernel" -initrd "$initrd" -append "$words" \
		-drive "file=$image,format=raw,if=virtio,cache=unsafe" \
		-nodefaults -display none -serial stdio -no-reboot </dev/null 2>&1 |
		tr -d '\r' >"$dir/console" || true
	rm "$image"
}

mkdir -p "$dir"
install_packages
add_test
make_image
boot
if ! grep -q '^1\.\.' "$dir/console"; then
	tail -n 50 "$dir/console" | sed 's/^/# /'
	echo "not ok 1 - the guest has run its test to the end"
	exit 1
fi
grep -E '^(ok|not ok|#|1\.\.)' "$dir/console"
! grep -q '^not ok' "$dir/console"
