#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs fuzz targets (libFuzzer) on their stored corpora. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/fuzz/run.sh SECONDS PROGRAM...

Runs each program for SECONDS, as many at once as there are CPUs, starting from tests/fuzz/corpus/NAME (the program's name without
"fuzz_"). The corpus is copied first: what the fuzzer finds new goes to $BUILD/fuzz-corpus/NAME and
stays there for the next run, the tree is not written. Inputs that fail go to $BUILD/fuzz-artifacts.
BUILD is "build" unless set in the environment. FUZZ_SEED is what the fuzzer's choices start from: 1, so that two
runs on one tree try the same; who searches takes another, or 0 for a new one each time. One line per program:

  ok PROGRAM: N runs
  not ok PROGRAM - REASON            the end of its output follows, indented

Exit status 0 when nothing failed. To look into a failure: PROGRAM $BUILD/fuzz-artifacts/FILE
END
}

one=""
case ${1:-} in
-h | --help) usage && exit 0 ;;
--one) one=1 && shift ;; # SECONDS PROGRAM: for ourselves
esac
case ${1:-} in
'' | *[!0-9]*) echo "fuzz: SECONDS must be a number, got '${1:-}'" >&2 && exit 2 ;;
esac
seconds=$1
shift
[ $# -gt 0 ] || { echo "fuzz: no program given" >&2 && exit 2; }

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$top/build}
artifacts=$build/fuzz-artifacts
mkdir -p "$artifacts"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run_one() { # PROGRAM
	local prog name work runs status=0
	prog=$(basename "$1")
	name=${prog#fuzz_}
	work=$build/fuzz-corpus/$name
	mkdir -p "$work"
	[ ! -d "$top/tests/fuzz/corpus/$name" ] || cp -r "$top/tests/fuzz/corpus/$name/." "$work/"
	# The outer limit is for a target that hangs where libFuzzer's own alarm cannot end it.
	timeout --foreground -k 5 $((seconds + 60)) "$1" -max_total_time="$seconds" -timeout=5 \
		-seed="${FUZZ_SEED:-1}" -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$artifacts/$prog-" "$work" \
		>"$log" 2>&1 </dev/null || status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ $status = 0 ] && [ "${runs:-0}" -gt 0 ]; then
		echo "ok $prog: $runs runs"
		return
	fi
	{
		echo "not ok $prog - $(reason $status)"
		tail -n 60 "$log" | sed 's/^/    /'
	} >"$log.failure"
	flock "$0" cat "$log.failure" # nobody else's lines between these
	rm -f "$log.failure"
}

reason() { # STATUS
	local text
	text=$(grep -m 1 -E '^==[0-9]+== ?ERROR|runtime error:|^SUMMARY:|Assertion .* failed' "$log" || :)
	if [ "$1" = 124 ] || [ "$1" = 137 ]; then
		text="did not end by itself"
	fi
	echo "${text:-exit status $1}, inputs in $artifacts"
}

if [ -n "$one" ]; then
	run_one "$1"
	exit
fi
passed=0 failed=0
while IFS= read -r line; do
	printf '%s\n' "$line"
	case $line in
	'ok '*) passed=$((passed + 1)) ;;
	'not ok '*) failed=$((failed + 1)) ;;
	esac
done < <(printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" "$0" --one "$seconds")
echo "fuzz targets: $passed passed, $failed failed"
[ $failed = 0 ]
