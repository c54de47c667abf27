#!/bin/sh
# SPDX-License-Identifier: MIT
#
# guest.sh [-i] [-t SECONDS] [-m MIB] [-a WORDS] [-q WORDS] [-k VERSION] DIR SCRIPT FILE...
#
# Boots a Linux guest that has nothing but busybox, SCRIPT and FILEs in its root
# folder, runs SCRIPT there and goes when it ends. The console is in DIR/console.
#
#	-i	one CPU, whose clock are its instructions: 1 ns each, idle time is skipped
#	-t	limit for all of it (120), where $KECHO_SLOW does not say how many times that
#	-m	memory (512)
#	-a	further words for the kernel's command line
#	-q	further words for QEMU: devices
#	-k	which of the installed kernels; default: the newest 6.1 that has
#		headers, or $KECHO_KERNEL; below the folder $KECHO_KERNEL_ROOT
#
# Exits as SCRIPT did, or with 124 at the limit, 125 when the guest ended before
# SCRIPT, 126 when the kernel complained meanwhile, 2 when it could not start.
# The machine is emulated: it needs no /dev/kvm, no root and no network.

set -eu

die()
{
	echo "guest.sh: $*" >&2
	exit 2
}

machine="-accel tcg,thread=multi -smp 2"
limit_s=120
memory_mib=512
complaint_lines=60
append=
devices=
here=$(dirname "$0")
version=

while getopts it:m:a:q:k: option; do
	case $option in
	i) machine="-accel tcg -smp 1 -icount shift=0,sleep=off -rtc clock=vm" ;;
	t) limit_s=$OPTARG ;;
	m) memory_mib=$OPTARG ;;
	a) append="$append $OPTARG" ;;
	q) devices=$OPTARG ;;
	k) version=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
limit_s=$((limit_s * ${KECHO_SLOW:-1}))
[ $# -ge 2 ] || die "it needs a folder and a script"
dir=$1
script=$2
shift 2

[ -n "$version" ] || version=$("$here/kernel-version.sh")
kernel=${KECHO_KERNEL_ROOT:-}/boot/vmlinuz-$version
[ -r "$kernel" ] || die "cannot read $kernel"
busybox=$(command -v busybox) || die "there is no busybox: install busybox-static"
qemu=$(command -v qemu-system-x86_64) || die "there is no qemu-system-x86_64"

root=$dir/root
console=$dir/console
rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/run"
cp "$busybox" "$root/bin/busybox"
cp "$here/guest-init" "$root/init"
cp "$script" "$root/script"
chmod 755 "$root/init" "$root/bin/busybox"
[ $# = 0 ] || cp "$@" "$root/"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) >"$dir/initramfs" ||
	die "cannot pack $dir/initramfs"

# A warning is a panic, a panic ends the machine, and -no-reboot ends qemu.
words="console=ttyS0 quiet printk.time=0 panic=-1 oops=panic panic_on_warn=1"
words="$words mitigations=off nokaslr tsc=reliable no_timer_check $append"
status=0
timeout --foreground -k 5 "$limit_s" "$qemu" \
	$machine -cpu max -m "$memory_mib" \
	-kernel "$kernel" -initrd "$dir/initramfs" -append "$words" \
	-nodefaults -display none -serial stdio -no-reboot $devices \
	</dev/null >"$console.raw" 2>"$dir/qemu-errors" || status=$?
tr -d '\r' <"$console.raw" >"$console"
rm -f "$console.raw"

if [ "$status" = 124 ] || [ "$status" = 137 ]; then
	echo "guest.sh: the guest took more than $limit_s s" >&2
	exit 124
fi
if [ "$status" != 0 ]; then
	die "qemu exited with $status: $(cat "$dir/qemu-errors")"
fi
trouble='BUG:|WARNING: |unreferenced object|Oops|Call Trace|Kernel panic|general protection fault'
trouble="$trouble|unable to handle|rcu.*(stall|detected)|soft lockup|hung_task|blocked for more"
trouble="$trouble|UBSAN|KASAN|refcount_t:|list_(add|del) corruption|slab.*(corrupt|remaining)"
first=$(grep -nE "$trouble" "$console" | head -n 1 | cut -d: -f1)
if [ -n "$first" ]; then
	tail -n "+$first" "$console" | head -n $complaint_lines >&2
	echo "guest.sh: the guest's kernel complained; see $console" >&2
	exit 126
fi
status=$(sed -n 's/^guest: script exited with \([0-9]*\)$/\1/p' "$console")
if [ -z "$status" ]; then
	echo "guest.sh: the guest ended before its script; see $console" >&2
	exit 125
fi
exit "$status"
