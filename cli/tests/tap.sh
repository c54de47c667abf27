# SPDX-License-Identifier: MIT
#
# What the tests of the command share: TAP, a folder and channels of their own,
# processes that are ended with the test. A test sources this with the path of
# `kecho` as $1, makes its claims, and ends with `finish`.

kecho=${1:?which kecho?}
dir=$(mktemp -d)
claims=0
failures=0
pids=()

cleanup() {
	local pid

	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

# A channel that no other test has.
channel() {
	echo "test-$$-$1"
}

claim() { # STATUS DESCRIPTION
	claims=$((claims + 1))
	if [ "$1" = 0 ]; then
		echo "ok $claims - $2"
	else
		failures=$((failures + 1))
		echo "not ok $claims - $2"
	fi
}

is() { # GOT WANTED DESCRIPTION
	[ "$1" = "$2" ]
	claim $? "$3"
	[ "$1" = "$2" ] || printf '# got    %q\n# wanted %q\n' "$1" "$2"
}

has() { # TEXT PATTERN DESCRIPTION
	grep -q -e "$2" <<<"$1"
	claim $? "$3"
	grep -q -e "$2" <<<"$1" || printf '# no %q in %q\n' "$2" "$1"
}

# The claims of another program: `ok - DESCRIPTION` or `not ok - DESCRIPTION` a line,
# between comments. It has nothing to say on stderr.
claims_of() { # COMMAND…
	local line

	while IFS= read -r line; do
		case $line in
		'ok - '*) claim 0 "${line#* - }" ;;
		'not ok - '*) claim 1 "${line#* - }" ;;
		*) echo "$line" ;;
		esac
	done < <("$@" 2>"$dir/claims.err")
	is "$(<"$dir/claims.err")" "" "$(basename "$1") has no complaints"
}

skip() { # DESCRIPTION REASON
	claims=$((claims + 1))
	echo "ok $claims - $1 # SKIP $2"
}

# Start a command in the background: its process id is in $pid. Bash would give it
# no stdin and have it ignore SIGINT. Descriptors 3 and 4 are the test's own ends of
# fifos: a reader with a copy of one would never see the end. What another process has
# written to its files is gone when this returns, not only once the process runs.
start() { # STDOUT STDERR COMMAND…
	local to=$1 errors=$2 file

	shift 2
	for file in "$to" "$errors"; do
		[ ! -f "$file" ] || : >"$file"
	done
	env --default-signal=INT "$@" <&0 >"$to" 2>"$errors" 3>&- 4>&- &
	pid=$!
	pids+=("$pid")
}

# The exit code of a process that was started; ends it if it takes over 20 s.
code_of() {
	local i

	for ((i = 0; i < 1000; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep .02
	done
	if kill -0 "$1" 2>/dev/null; then
		echo "# process $1 did not end" >&2
		kill -KILL "$1"
	fi
	wait "$1"
}

# Until a command succeeds, 10 s at most.
until_true() {
	local i

	for ((i = 0; i < 500; i++)); do
		"$@" && return 0
		sleep .02
	done
	return 1
}

joined() { # CHANNEL ROLE NUMBER
	[ "$("$kecho" ls --json "$1" 2>/dev/null | grep -o "\"role\":\"$2\"" | wc -l)" = "$3" ]
}

lines_in() { # FILE NUMBER
	[ "$(wc -l <"$1")" -ge "$2" ]
}

json_valid() { # FILE
	[ -s "$1" ] && python3 -m json.tool --json-lines "$1" /dev/null
}

finish() {
	echo "1..$claims"
	exit $((failures > 0))
}
