#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-tests.sh [-s SUITE] TREE...: brings build trees up to date and runs their
# tests one after the other. Its last line is `N passed, N failed`, and it exits
# with an error if anything failed or nothing passed.
#
# A tree that cannot be built is a failed test, as are those of
# tools/tap-result.awk. If KECHO_LONG is 1 the first tree runs the suite `long` too,
# and the full counts of all others. The full output of each test is kept in
# TREE/test-logs.
#
# Each test is alone on a network of its own, if this user may make one. Then the
# trees behind the first run side by side, and with them, at a low priority, those suites
# of the first that only compute: the rest of the first, where times are judged, has the
# machine to itself, but for what builds the others in what it leaves idle.

set -u

root=$(cd "$(dirname "$0")/.." && pwd)
build_limit_s=600
kill_after_s=5
computing="fuzz mutants tree vm"
only=
lane=all	# or: timed, computing
passed=0
failed=0
skipped=0
running=
beside=

# The test is a process group of its own, which an interrupt doesn't reach.
trap 'kill $running $beside 2>/dev/null; exit 130' HUP INT TERM

alone="unshare -n sh -c 'ip link set lo up && exec \"\$@\"' --"
eval "$alone true" 2>/dev/null || alone=

export KECHO_PANIC_ON_WARN=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# Where other users may read it, too: tests have some of their processes be theirs.
suppressions=$(mktemp) && cat "$root/tests/tsan.supp" >"$suppressions" &&
	chmod 644 "$suppressions" || exit 2
trap 'rm -f "$suppressions"' EXIT
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$suppressions

# run NAME LOG LIMIT TAP COMMAND: one test, judged and counted.
run()
{
	begin=$(date +%s.%N)
	timeout -k $kill_after_s "$3" sh -c "$5" </dev/null >"$2" 2>&1 &
	running=$!
	wait $running
	status=$?
	running=
	end=$(date +%s.%N)
	verdict=$(awk -v name="$1" -v status=$status -v limit="$3" -v tap="$4" \
		-v begin="$begin" -v end="$end" -f "$root/tools/tap-result.awk" "$2")
	echo "$verdict" | sed '$d'
	set -- $(echo "$verdict" | tail -n 1)
	passed=$((passed + $2))
	failed=$((failed + $3))
	skipped=$((skipped + $4))
	[ "$3" = 0 ]
}

# Whether a test of these suites is to run.
wanted()
{
	case ",$1," in
	*,long,*) [ "${KECHO_LONG:-0}" = 1 ] || return 1 ;;
	esac
	case ",$1," in
	*,"${only:-${1%%,*}}",*) ;;
	*) return 1 ;;
	esac
	case "$lane  $computing " in
	timed\ *" ${1%%,*} "*) return 1 ;;
	computing\ *" ${1%%,*} "*) ;;
	computing\ *) return 1 ;;
	esac
}

build_tree()
{
	logs=$root/$1/test-logs
	rm -rf "$logs"
	mkdir -p "$logs"
	run "$1" "$logs/build" $build_limit_s 0 "$root/tools/build.sh $1" || return
	"$root/tools/list-tests.py" "$root/$1" >"$logs/list" || {
		echo "FAILED $1: its tests cannot be listed"
		failed=$((failed + 1))
		return 1
	}
}

run_tests()
{
	logs=$root/$1/test-logs
	wrap=
	# The thread sanitizer's shadow memory cannot be laid over every random layout.
	if [ "$1" = build-tsan ] && setarch -R true 2>/dev/null; then
		wrap="setarch -R"
	fi
	[ $lane != computing ] || wrap="nice -n 10"
	while IFS='	' read -r name suites protocol limit command; do
		wanted "$suites" || continue
		tap=0
		[ "$protocol" != tap ] || tap=1
		suite=${suites%%,*}
		run "$1/$suite/$name" "$logs/$suite-$name" "$limit" $tap "$alone $wrap $command"
	done <"$logs/list"
}

# A part whose numbers go to a file.
run_beside()
{
	trap '[ -z "$running" ] || kill "$running"; exit 130' HUP INT TERM
	passed=0
	failed=0
	skipped=0
	[ $lane = computing ] || build_tree "$1"
	[ $failed != 0 ] || run_tests "$1"
	echo "$passed $failed $skipped" >"$2"
}

start_beside()
{
	echo "0 1 0" >"$counts/$n"
	run_beside "$1" "$counts/$n" &
	beside="$beside $!"
	n=$((n + 1))
}

# What the first tree only computes, and all other trees, no more of them at a time than
# there are CPUs. They run the short counts: under a sanitizer the full ones take hours.
run_rest()
{
	counts=$(mktemp -d) || exit 2
	n=0
	lane=computing
	[ $built = 0 ] || start_beside "$1"
	shift
	lane=all
	export KECHO_LONG=0
	for other; do
		start_beside "$other"
		[ -n "$alone" ] && [ $(((n - 1) % $(nproc))) != 0 ] || wait
	done
	wait
	while read -r p f s; do
		passed=$((passed + p))
		failed=$((failed + f))
		skipped=$((skipped + s))
	done <<-END
	$(cat "$counts"/*)
	END
	rm -r "$counts"
}

# In what is left of the machine. What they complain of is said when it is their turn.
build_ahead()
{
	trap 'kill "$building"; exit 130' HUP INT TERM
	for other; do
		timeout $build_limit_s chrt -i 0 "$root/tools/build.sh" "$other" \
			</dev/null >/dev/null 2>&1 &
		building=$!
		wait $building
	done
}

if [ "$1" = -s ]; then
	only=$2
	shift 2
fi
first=$1
[ $# = 1 ] || lane=timed
built=0
build_tree "$first" && built=1
shift
build_ahead "$@" &
beside=$!
[ $built = 0 ] || run_tests "$first"
wait $beside
[ $# = 0 ] || run_rest "$first" "$@"
"$root/tools/give-back.sh" "$first" "$@"
[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
