#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the fuzz targets and runs each for a bounded time, reported in TAP.
#
#	tests/fuzz/run.sh SECONDS	run each target for so long
#	tests/fuzz/run.sh coverage	which lines of core the corpus reaches; fails if
#					they are under COVER_MIN % of a file
#	tests/fuzz/run.sh reduce	fuzz into the corpus for a minute, keep it small
#
# Every file of core reads what others wrote, and so does a part of the command. What is
# named found-* in the corpus has once failed, and stays.
#
# BUILD_DIR (default: build/fuzz) takes what is built and what crashes.
# CC is clang, with libFuzzer.
set -eu

cd "$(dirname "$0")/../.."
BUILD_DIR=${BUILD_DIR:-build/fuzz}
CC=${FUZZ_CC:-clang}
CORPUS=tests/fuzz/corpus
export KECHO_PANIC_ON_WARN=1
FLAGS="-std=gnu11 -g -O1 -Wall -Wextra -Werror -iquote core -iquote tests -Iinclude -Ilib"
SANITIZE="-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined"
WRAP="-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"
COVER="-fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping"
INPUT_MAX=2048
COVER_MIN=90

# What a target is linked with; two compile what they strike at themselves, and one has a
# file of the command to read, one a part of the library.
sources() {
	case $1 in
	fuzz_reader) echo core/log.c core/view.c ;;
	fuzz_view) echo core/log.c core/mirror.c core/reader.c ;;
	fuzz_promise) echo core/promise.c ;;
	fuzz_type) echo core/type.c core/match.c ;;
	fuzz_expr)
		sed 's,^,core/,' core/sources.list
		echo lib/expr_check.c lib/expr_code.c lib/expr_fold.c lib/expr_insn.c \
			lib/expr_lex.c lib/expr_number.c lib/expr_parse.c lib/expr_primary.c
		;;
	fuzz_recording)
		echo cli/buf.c cli/crc32c.c cli/recording.c cli/recording_read.c \
			cli/recording_write.c
		;;
	*) sed 's,^,core/,' core/sources.list ;;
	esac
}

targets() {
	for file in tests/fuzz/fuzz_*.c; do
		basename "$file" .c
	done
}

build() { # target, flags, output
	# shellcheck disable=SC2046,SC2086
	"$CC" $FLAGS $2 "tests/fuzz/$1.c" $(sources "$1") $WRAP -o "$3"
}

# Without a prefix, inputs that fail would land in the tree.
fuzz() { # program, arguments
	"$@" "-artifact_prefix=$1-" "-max_len=$INPUT_MAX" -timeout=10
}

run_one() { # target, number
	if ! build "$1" "$SANITIZE" "$BUILD_DIR/$1" > "$BUILD_DIR/$1.log" 2>&1; then
		sed 's/^/# /' "$BUILD_DIR/$1.log"
		echo "not ok $2 - fuzz/$1: it does not build"
		return 1
	fi
	# new finds go to a copy: running the tests doesn't change the tree
	rm -rf "$BUILD_DIR/$1.corpus"
	mkdir -p "$BUILD_DIR/$1.corpus"
	if ! fuzz "$BUILD_DIR/$1" "-max_total_time=$SECONDS_EACH" \
		"$BUILD_DIR/$1.corpus" "$CORPUS/$1" > "$BUILD_DIR/$1.log" 2>&1; then
		tail -n 40 "$BUILD_DIR/$1.log" | sed 's/^/# /'
		echo "not ok $2 - fuzz/$1: see $BUILD_DIR/$1.log"
		return 1
	fi
	grep -E '^(Done|Accepted)' "$BUILD_DIR/$1.log" | sed 's/^/# /'
	echo "ok $2 - fuzz/$1"
}

# As many at a time as there are CPUs.
run_all() {
	number=0
	echo "TAP version 13"
	echo "1..$(targets | wc -l)"
	for target in $(targets); do
		number=$((number + 1))
		run_one "$target" "$number" > "$BUILD_DIR/$target.tap" &
		[ $((number % $(nproc))) != 0 ] || wait
	done
	wait
	for target in $(targets); do
		cat "$BUILD_DIR/$target.tap"
	done
	! cat "$BUILD_DIR"/*.tap | grep -q '^not ok'
}

tool() { # llvm-cov as it comes with this clang, else as it is named
	"$CC" -print-prog-name="$1"
}

# Lines of llvm-cov's report; its tenth column is the share of lines covered.
judge() {
	awk -v min="$COVER_MIN" -v files="$(wc -l < core/sources.list)" '
		{ print }
		$1 ~ /\.c$/ {
			seen++
			if ($10 + 0 < min)
				low = low "\n" $1 ": " $10 " of its lines, less than " min " %"
		}
		END {
			if (seen != files)
				low = low "\n" seen + 0 " files of " files " were measured"
			if (low) {
				print low
				exit 1
			}
		}'
}

coverage() {
	objects=
	rm -f "$BUILD_DIR"/*.profraw
	for target in $(targets); do
		build "$target" "$COVER" "$BUILD_DIR/$target.cover"
		export LLVM_PROFILE_FILE="$BUILD_DIR/$target.profraw"
		if ! fuzz "$BUILD_DIR/$target.cover" -runs=0 "$CORPUS/$target" \
			> "$BUILD_DIR/$target.log" 2>&1; then
			tail -n 40 "$BUILD_DIR/$target.log"
			echo "$target: an input of the corpus fails"
			exit 1
		fi
		objects="$objects${objects:+ -object }$BUILD_DIR/$target.cover"
	done
	"$(tool llvm-profdata)" merge -o "$BUILD_DIR/all.profdata" "$BUILD_DIR"/*.profraw
	# shellcheck disable=SC2046,SC2086
	"$(tool llvm-cov)" report $objects "-instr-profile=$BUILD_DIR/all.profdata" \
		$(sed 's,^,core/,' core/sources.list) | judge
}

reduce() {
	for target in $(targets); do
		build "$target" "$SANITIZE" "$BUILD_DIR/$target"
		rm -rf "$BUILD_DIR/$target.corpus" "$BUILD_DIR/$target.small"
		mkdir -p "$BUILD_DIR/$target.corpus" "$BUILD_DIR/$target.small"
		fuzz "$BUILD_DIR/$target" -max_total_time=60 \
			"$BUILD_DIR/$target.corpus" "$CORPUS/$target"
		fuzz "$BUILD_DIR/$target" -set_cover_merge=1 -use_counters=0 \
			"$BUILD_DIR/$target.small" "$CORPUS/$target" "$BUILD_DIR/$target.corpus"
		find "$CORPUS/$target" -name 'found-*' -exec cp {} "$BUILD_DIR/$target.small" \;
		rm -rf "${CORPUS:?}/$target"
		mv "$BUILD_DIR/$target.small" "$CORPUS/$target"
	done
}

mkdir -p "$BUILD_DIR"
for target in $(targets); do
	mkdir -p "$CORPUS/$target"
done
case ${1:-} in
coverage) coverage ;;
reduce) reduce ;;
*[!0-9]* | '')
	echo "usage: tests/fuzz/run.sh SECONDS | coverage | reduce" >&2
	exit 2
	;;
*)
	SECONDS_EACH=$1
	run_all
	;;
esac
