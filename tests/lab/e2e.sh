#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs files of end-to-end tests in the lab. See --help.
set -euo pipefail
export LC_ALL=C.UTF-8

usage() {
	cat <<'END'
usage: tests/lab/e2e.sh [--only REGEX] [--timeout S] [FILE...]

Runs the end-to-end tests of each FILE (all that need a guest) in the lab, in a boot of L1 of its own: that
costs 4 s, and an L1 that fails takes little with it. Prints the result lines of tests/e2e/run.sh.

As many L1s run side by side as there are CPUs, and memory for (6 GiB each), each with one CPU: what happens in a guest mostly happens one
after the other, and QEMU's emulation of several CPUs has more faults. A file whose third line says
"needs: ... cpus" has the machine to itself, in an L1 with two.

QEMU's emulation of SVM now and then freezes L1, or makes its kernel panic, or has a guest end by a triple fault. That
is forgiven twice, with what is left of the file, or has failed by it; a guest that hangs in a lively L1 is a failure.

  --only REGEX   only tests whose NAME matches
  --timeout S    hard limit for one boot of L1 (900)

Logs: build/lab-out/e2e/FILE for the tests, build/test-logs/lab-FILE.* for L1.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
from=$PWD
cd "$top"
logs=$top/build/test-logs
only=. limit=900 one="" files=()
while [ $# -gt 0 ]; do
	case $1 in
	--only) only=${2:?} && shift 2 ;;
	--timeout) limit=${2:?} && shift 2 ;;
	--one) one=${2:?} && shift 2 ;; # CPUs of L1: of one file, how the script calls itself
	-h | --help) usage && exit 0 ;;
	-*) echo "lab: unknown option '$1', see --help" >&2 && exit 2 ;;
	*) files+=("$1") && shift ;;
	esac
done
if [ ${#files[@]} -gt 0 ]; then
	mapfile -t files < <(cd "$from" && realpath "${files[@]}")
else
	files=("$top"/tests/e2e/*_*.sh)
fi
mkdir -p "$logs"

# ---- one file

boot() { # REGEX: runs the file's tests that match in one boot of L1; failures are shown in the end
	tests/lab/run.sh --cpus "$one" --mem 6144 --timeout "$limit" --log "$log.console" -- \
		env ${E2E_KILLS:+E2E_KILLS="$E2E_KILLS"} ${E2E_LIMIT:+E2E_LIMIT="$E2E_LIMIT"} tests/e2e/run.sh --guests --only "$1" \
		--logs build/lab-out/e2e "$file" 2>"$log.stderr" </dev/null |
		grep -E --line-buffered '^(ok|not ok|skip) ' | tee -a "$log.results" | grep --line-buffered -v '^not ok ' || :
	cat "$log.stderr" >&2
}

names() {
	tests/e2e/run.sh --guests --only "$only" --list "$file"
}

unfinished() { # names without a result
	names | grep -vxFf <(sed -nE 's/^(ok|not ok|skip) ([a-z0-9_]+: [a-z0-9_]+).*/\2/p' "$log.results") || :
}

lab_failed() { # what of the lab's own faults was seen; those tests have no result any more
	local guests
	guests=$(grep -lrs 'the guest died: triple fault' "build/lab-out/e2e/$(basename "$file" .sh)" || :)
	if [ -n "$guests" ]; then
		mkdir -p "$log.triple-fault"
		# shellcheck disable=SC2086 # several, without blanks
		mv $guests "$log.triple-fault/"
		sed -i '/^not ok /d' "$log.results"
		echo "a guest ended by a triple fault"
		return
	fi
	! grep -qE 'stood still|ended without a status' "$log.stderr" || echo "L1 itself failed"
}

one_file() {
	local try left name why
	: >"$log.results"
	boot "$only"
	for try in 2 3; do
		why=$(lab_failed)
		[ -n "$why" ] || break
		left=$(unfinished | paste -s -d '|')
		[ -n "$left" ] || break
		echo "== $why; try $try with what is left of $(basename "$file" .sh)"
		mv "$log.console" "$log.console-of-a-failure"
		boot "^($left)\$"
	done
	grep '^not ok ' "$log.results" || :
	while IFS= read -r name; do
		[ -z "$name" ] || echo "not ok $name - the lab ended before it: $(tail -n 1 "$log.stderr")"
	done < <(unfinished)
}

if [ -n "$one" ]; then
	file=${files[0]} log=$logs/lab-$(basename "${files[0]}" .sh)
	[ -z "$(names)" ] || one_file
	exit 0
fi

# ---- all of them

with_cpus() { # yes|no: the files that need several
	local f needs
	for f in "${files[@]}"; do
		needs=no
		! sed -n 3p "$f" | grep -qw cpus || needs=yes
		[ $needs != "$1" ] || printf '%s\0' "$f"
	done
}

side_by_side() {
	local memory cpus
	memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576 / 6) }' /proc/meminfo)
	cpus=$(nproc)
	[ "$memory" -lt "$cpus" ] || memory=$cpus
	[ "$memory" -ge 1 ] && echo "$memory" || echo 1
}

# Those that run one by one come last: by then nothing else is left to run beside them.
again=("$top/tests/lab/e2e.sh" --only "$only" --timeout "$limit")
rc=0
with_cpus no | xargs -0 -r -n 1 -P "$(side_by_side)" "${again[@]}" --one 1 || rc=$?
with_cpus yes | xargs -0 -r -n 1 "${again[@]}" --one 2 || rc=$?
exit $rc
