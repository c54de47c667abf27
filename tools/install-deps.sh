#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install-deps.sh TARGET: installs the Debian packages that a make target needs
# (tools/packages) and that are missing. Says nothing when all are there. Without
# the right to install it prints the command that would, and exits 2.
#
# Services that the packages bring are not started: a policy-rc.d that forbids it
# stands while apt runs, and what was there before is put back.

set -eu

target=$1
here=$(dirname "$0")
policy=/usr/sbin/policy-rc.d
saved=$policy.before-kecho
ours="kecho: no service starts while packages are installed"
apt_lock_s=300

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

# The wanted packages of which there is no installed one.
missing()
{
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
		awk -v wanted="$wanted" '
			$1 == "installed" { have[$2] = 1 }
			END {
				n = split(wanted, w, " ")
				for (i = 1; i <= n; i++)
					if (!(w[i] in have))
						printf "%s%s", sep++ ? " " : "", w[i]
			}'
}

forbid_services()
{
	# One that was left by a run that was killed is ours, not the system's.
	if [ -e "$policy" ] && ! as_root grep -q "$ours" "$policy"; then
		as_root mv "$policy" "$saved"
	fi
	printf '#!/bin/sh\n# %s\nexit 101\n' "$ours" | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

allow_services()
{
	as_root rm -f "$policy"
	if [ -e "$saved" ]; then
		as_root mv "$saved" "$policy"
	fi
}

# On a terminal the line that came last, and nothing when all is over.
show_last()
{
	while IFS= read -r line; do
		[ ! -t 2 ] || printf '\r\033[K%.76s' "$line" >&2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# What it says is kept, and shown if it fails.
apt()
{
	rm -f "$log.well"
	{
		as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y \
			-o DPkg::Lock::Timeout=$apt_lock_s --no-install-recommends "$@" \
			</dev/null 2>&1 && : >"$log.well"
	} | tee -a "$log" | show_last
	[ -e "$log.well" ]
}

update()
{
	echo "install-deps: apt-get update" >&2
	apt update || fail "apt-get update"
}

install()
{
	size=$(LC_ALL=C apt-get -q -y --print-uris --no-install-recommends install $need 2>&1 |
		sed -n 's/^Need to get \(.*\) of archives\.$/, \1 to fetch/p')
	echo "install-deps: apt-get install$size" >&2
	apt install $need
}

fail()
{
	cat "$log" >&2
	echo "install-deps: $1 failed; see above" >&2
	exit 2
}

# Whether apt's lists know all that is to be installed.
known()
{
	for package in $need; do
		apt-cache show "$package" >/dev/null 2>&1 || return 1
	done
}

wanted=$(awk -v target="$target" '
	/^#/ { next }
	{
		for (i = 2; i <= NF; i++)
			if ($i == target || $i == "build") {
				print $1
				break
			}
	}' "$here/packages" | tr '\n' ' ')

if ! command -v dpkg-query >/dev/null; then
	echo "install-deps: not a Debian system; it needs what these packages hold: $wanted" >&2
	exit 0
fi

need=$(missing)
[ -n "$need" ] || exit 0

if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
	first=
	known || first="apt-get update && "
	echo "install-deps: make $target needs packages that are not installed. As root run" >&2
	echo "	${first}apt-get install --no-install-recommends $need" >&2
	exit 2
fi

echo "install-deps: make $target needs packages that are not installed: $need" >&2
log=$(mktemp)
trap 'allow_services; rm -f "$log" "$log.well"' EXIT
trap 'exit 2' HUP INT TERM
forbid_services
if known; then
	# Lists that are too old name files that are gone: fetch them and try again.
	install && exit 0
fi
update
install || fail "apt-get install $need"
