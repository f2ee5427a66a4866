#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs unit test programs (cmocka). See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/unit/run.sh PROGRAM...

Runs the programs in the order given, one more at once than there are CPUs (some wait, for the patience of a
peer), each with a limit of $DOORBELL_UNIT_LIMIT seconds (300).
One line per case:

  ok PROGRAM: CASE
  not ok PROGRAM: CASE - REASON      the program's own output follows, indented
  skip PROGRAM: CASE - REASON

A program that ends in another way than through its last case (crash, sanitizer report, time limit)
is a "not ok" line of its own. Exit status 0 when nothing failed.
END
}

limit=${DOORBELL_UNIT_LIMIT:-300}
passed=0 failed=0 skipped=0

# Turns the TAP of one program (stdin) into our lines. TAP's failure notes are comment lines behind a
# case; what else the program prints is kept back and shown only when something failed.
# shellcheck disable=SC2016 # awk's own variables
report='
function flush_case() {
	if (name == "")
		return
	if (state == "not ok")
		print "not ok " prog ": " name " - " (note == "" ? "no message" : note)
	else
		print state " " prog ": " name (note == "" ? "" : " - " note)
	name = note = ""
}
function clean(text) {
	sub(/^ *[0-9]+ *(# SKIP |- )?/, "", text)
	return text
}
/^1\.\.[0-9]+$/ { planned += substr($0, 4); next }
/^(not )?ok [0-9]+ # SKIP / {
	flush_case(); state = "skip"; name = $0; sub(/^(not )?ok/, "", name); name = clean(name)
	note = said == "" ? "skipped by the test" : said; said = ""; seen++; next
}
/^not ok [0-9]+ / { flush_case(); said = ""; state = "not ok"; name = clean(substr($0, 7)); seen++; next }
/^ok [0-9]+ / { flush_case(); said = ""; state = "ok"; name = clean(substr($0, 3)); seen++; next }
/^# (not )?ok - / { flush_case(); next }
/^# / && state == "not ok" { note = note (note == "" ? "" : "; ") substr($0, 3); bad = 1; next }
{ other[++others] = said = $0 }
END {
	flush_case()
	if (status == 124 || status == 137)
		print "not ok " prog " - time limit of " limit " s was hit after " seen + 0 " cases"
	else if (status != 0 && !bad)
		print "not ok " prog " - exit status " status " after " seen + 0 " of " planned + 0 " cases"
	else if (seen != planned || planned == 0)
		print "not ok " prog " - ran " seen + 0 " of " planned + 0 " cases"
	if (status != 0)
		for (i = 1; i <= others; i++)
			print "    " other[i]
}'

run_one() { # PROGRAM
	local prog status=0 tap
	prog=$(basename "$1")
	tap=$(mktemp)
	CMOCKA_MESSAGE_OUTPUT=TAP timeout --foreground -k 5 "$limit" "$1" >"$tap" 2>&1 </dev/null ||
		status=$?
	# Child processes that a test forgot would keep nothing open here: the output is a file.
	awk -v prog="$prog" -v status=$status -v limit="$limit" "$report" "$tap" >"$tap.lines"
	flock "$0" cat "$tap.lines" # nobody else's lines between these
	rm -f "$tap" "$tap.lines"
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
--one) run_one "$2" && exit ;; # for ourselves
'') echo "unit: no test program given" >&2 && exit 2 ;;
esac

while IFS= read -r line; do
	printf '%s\n' "$line"
	case $line in
	'ok '*) passed=$((passed + 1)) ;;
	'not ok '*) failed=$((failed + 1)) ;;
	'skip '*) skipped=$((skipped + 1)) ;;
	esac
done < <(printf '%s\0' "$@" | xargs -0 -n 1 -P $(($(nproc) + 1)) "$0" --one)

echo "unit tests: $passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
