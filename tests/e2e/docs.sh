#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Do README, manual and examples name options, keys and files that exist? One result line per document.
# shellcheck disable=SC2013,SC2016 # words of a document; a backquote in a pattern
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
help=$(build/doorbell --help 2>&1; for c in $(build/doorbell help | awk '/^  [a-z]/ { print $1 }'); do
	build/doorbell "$c" --help 2>&1 || :
done; cat tests/run.sh tests/setup.sh tests/lab/run.sh tests/e2e/run.sh examples/quickstart.sh)

# The lines of a document that call one of our programs.
commands() {
	grep -hE '(build/|^\$? *|`)doorbell [a-z]|(\./|^|`)(tests|examples)/[a-z/]*run\.sh|quickstart\.sh' "$1" || :
}

trouble() { # FILE: prints what is wrong in it
	local word
	for word in $(commands "$1" | grep -oE -e ' --[a-z][a-z-]+' | sort -u); do
		grep -qF -e "$word" <<<"$help" || echo "there is no option $word;"
	done
	for word in $(grep -ohE '(\./)?(tests|examples|docs|\.ci)/[A-Za-z0-9_./-]*[A-Za-z0-9]' "$1" | sort -u); do
		[ -e "$word" ] || echo "there is no $word;"
	done
}

# Every counter that the tables print is in the manual.
counters() {
	local name words
	words=$(sed 's/\\-/-/g' docs/doorbell.1 | tr -c 'a-z0-9_' '\n' | sort -u)
	for name in $({ sed -nE 's/.*\b(VCPU|CORE|DEVICE|REGISTER|BACKEND|NUMBERED|OUTSIDE|TASK)\(([a-z0-9_]+)\).*/\2/p' <<<"$rows"
		sed -nE 's/.*\bLOOP\(([a-z0-9_]+)\).*/loop_\1/p' <<<"$rows"
		sed -nE '/_names\[\]/,/^};/s/.*"([a-z0-9_]+)".*/\1/p' <<<"$rows"
		grep -ohE '"[a-z0-9]+_ns"' vmm/samples.c | tr -d '"'; } | sort -u); do
		grep -qxF -e "$name" <<<"$words" || echo "the manual does not list $name;"
	done
}

rows=$(grep -v '^#define' vmm/stats.c | sed 's/[,;]/&\n/g')
rc=0
what=$(counters | tr '\n' ' ')
if [ -z "$what" ]; then
	echo "ok docs/doorbell.1 lists every counter"
else
	echo "not ok docs/doorbell.1 lists every counter - $what"
	rc=1
fi
what=$(build/doorbell check --list-provocations | while read -r name _; do
	grep -qF "\`$name\`" docs/provocations.md || echo "$name;"
done | tr '\n' ' ')
if [ -z "$what" ]; then
	echo "ok docs/provocations.md has every provocation"
else
	echo "not ok docs/provocations.md has every provocation - $what"
	rc=1
fi
for file in README.md CONTRIBUTING.md docs/*.md docs/*.1 examples/*/README.md; do
	[ -e "$file" ] || continue
	what=$(trouble "$file" | tr '\n' ' ')
	if [ -z "$what" ]; then
		echo "ok $file names what exists"
	else
		echo "not ok $file - $what"
		rc=1
	fi
done
exit $rc
