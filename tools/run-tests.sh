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
# trees behind the first run side by side, one on each CPU: the first, where times
# are judged, has the machine to itself.

set -u

root=$(cd "$(dirname "$0")/.." && pwd)
build_limit_s=600
kill_after_s=5
only=
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
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$root/tests/tsan.supp

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
}

run_tree()
{
	tree=$1
	wrap=
	# The thread sanitizer's shadow memory cannot be laid over every random layout.
	if [ "$tree" = build-tsan ] && setarch -R true 2>/dev/null; then
		wrap="setarch -R"
	fi
	logs=$root/$tree/test-logs
	rm -rf "$logs"
	mkdir -p "$logs"
	run "$tree" "$logs/build" $build_limit_s 0 "$root/tools/build.sh $tree" || return
	"$root/tools/list-tests.py" "$root/$tree" >"$logs/list" || {
		echo "FAILED $tree: its tests cannot be listed"
		failed=$((failed + 1))
		return
	}
	while IFS='	' read -r name suites protocol limit command; do
		wanted "$suites" || continue
		tap=0
		[ "$protocol" != tap ] || tap=1
		suite=${suites%%,*}
		run "$tree/$suite/$name" "$logs/$suite-$name" "$limit" $tap "$alone $wrap $command"
	done <"$logs/list"
}

# A tree whose numbers go to a file, with the short counts: under a sanitizer the full
# ones take hours, and fuzzers have one of their own.
run_beside()
{
	export KECHO_LONG=0
	trap '[ -z "$running" ] || kill "$running"; exit 130' HUP INT TERM
	passed=0
	failed=0
	skipped=0
	run_tree "$1"
	echo "$passed $failed $skipped" >"$2"
}

# All trees but the first, no more at a time than there are CPUs.
run_rest()
{
	counts=$(mktemp -d) || exit 2
	n=0
	for other; do
		echo "0 1 0" >"$counts/$n"
		run_beside "$other" "$counts/$n" &
		beside="$beside $!"
		n=$((n + 1))
		[ -n "$alone" ] && [ $((n % $(nproc))) != 0 ] || wait
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

if [ "$1" = -s ]; then
	only=$2
	shift 2
fi
run_tree "$1"
tree=$1
shift
[ $# = 0 ] || run_rest "$@"
"$root/tools/give-back.sh" "$tree" "$@"
[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
